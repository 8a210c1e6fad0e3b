"""An outage: the time that a link has no session and wants one.

It dials, pauses, and dials again, until there is a session or no reason for one
any more. Two clocks run beside: after `down_after` the peer counts as down, and
after `give_up_after` the link is given up. What all that means for the link is
the link's affair.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from clusterkit.net.dialling import Dial
from clusterkit.net.patience import TIME, TRIES, Verdict

if TYPE_CHECKING:
    from clusterkit.names import Address
    from clusterkit.net.kernel import Kernel
    from clusterkit.net.link import Link


class Outage:
    """One outage of one link.

    Args:
        link: Whose.
        kernel: The node's.
    """

    def __init__(self, link: Link, kernel: Kernel) -> None:
        self._link = link
        self._kernel = kernel
        self._scope = trio.CancelScope()

    def __repr__(self) -> str:
        return f"<Outage of {self._link.name}>"

    def cancel(self) -> None:
        """Stop the work, in whatever state."""
        self._scope.cancel()

    async def run(self) -> None:
        """Dial until there is a session or no reason for one; tell the link.

        Cancellation:
            Closes a connection that is not attached; the link is told nothing.
        """
        self._link.patience.begin(trio.current_time())
        with self._scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._declare_down)
                nursery.start_soon(self._run_out_of_time)
                await self._dial_until_up()
                nursery.cancel_scope.cancel()
        self._link.outlast(self)

    async def _dial_until_up(self) -> None:
        link = self._link
        while link.connection is None and link.wanted:
            if link.address is None:
                await trio.sleep_forever()  # the peer must dial, or we are told
            since = trio.current_time()
            verdict = await self._dial(link.address)
            if verdict is Verdict.UP:
                return
            link.look_again()
            if link.patience.is_spent_by(verdict) and link.kept:
                link.give_up(TRIES)
            now = trio.current_time()
            spent, rng = now - since, self._kernel.rng
            await trio.sleep(link.patience.pause(verdict, spent, now, rng))

    async def _dial(self, address: Address) -> Verdict:
        link = self._link
        dial = link.dial = Dial(link, self._kernel, address)
        try:
            return await dial.run()
        finally:
            if link.dial is dial:  # else another outage's is under way
                link.dial = None

    async def _run_out_of_time(self) -> None:
        config, link = self._kernel.config, self._link
        await trio.sleep(config.give_up_after)
        # Whoever only waits for a connection gives up by himself; what is sent
        # meanwhile makes it one to be given up.
        while not link.kept:  # noqa: ASYNC110
            await trio.sleep(config.down_after)
        link.give_up(TIME)

    async def _declare_down(self) -> None:
        await trio.sleep(self._kernel.config.down_after)
        self._link.declare_down()
