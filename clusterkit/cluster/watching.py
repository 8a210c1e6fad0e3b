"""Watching near members: who is silent is asked for through others, then suspected.

SWIM's probe on links that are there anyway. A link pings when it is idle, so a near
member is heard about once a second; if it is not, three others are asked whether
they reach it; if nobody does, it is suspect. Who is watched are the members that links
are kept to at either end: each member is watched by as many as it is near, and load
does not grow with the ring.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio

from clusterkit.cluster.own_names import MEMBERS
from clusterkit.core.liveness import ALIVE, MOST_ACCUSERS, SUSPECT
from clusterkit.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from clusterkit.actors.runtime import Runtime
    from clusterkit.cluster.background import Background
    from clusterkit.cluster.claims_exchange import ClaimsExchange
    from clusterkit.cluster.neighbourhood import Neighbourhood
    from clusterkit.cluster.reasons import Reasons
    from clusterkit.core.liveness import Liveness
    from clusterkit.core.observation import Observation

TICK: Final = 0.25
"""Seconds between two looks at all that is watched."""

THROUGH: Final = 3
"""Members that are asked whether they reach one that is silent."""

STAGGER: Final = 0.1
"""Seconds from asking one of them to asking the next. A link that is merely slow needs
but one answer, and whoever is asked may have to dial: that link stays for a while."""

WATCHED: Final = 30.0
"""Seconds for which one is watched that did not answer when it was asked."""

LATE: Final = 0.5
"""A look that comes so much too late, in seconds: this node has not run meanwhile."""


class Watching:
    """Watches for one node.

    Args:
        liveness: What is known of all members.
        observation: What this node sees itself.
        exchange: Has others know.
        reasons: Keeps what was seen.
        runtime: Calls the others' actors; has the links.
        background: Runs a task for each member that is silent.
        neighbourhood: Who is near.
        rng: Chooses whom to ask.
    """

    def __init__(
        self,
        liveness: Liveness,
        observation: Observation,
        exchange: ClaimsExchange,
        reasons: Reasons,
        runtime: Runtime,
        background: Background,
        neighbourhood: Neighbourhood,
        rng: Random,
    ) -> None:
        self._liveness = liveness
        self._observation = observation
        self._exchange = exchange
        self._reasons = reasons
        self._runtime = runtime
        self._background = background
        self._neighbourhood = neighbourhood
        self._rng = rng
        self._probing: set[str] = set()
        # Asked for another in vain: then they are watched, too. So who is cut off
        # from all, and near to few of them, comes to know it.
        self._unanswering: dict[str, float] = {}

    def __repr__(self) -> str:
        return f"<Watching {self._observation!r}>"

    async def run(self) -> None:
        """Watch until cancelled."""
        expected = trio.current_time() + TICK
        while True:
            await trio.sleep_until(expected)
            now = trio.current_time()
            if now - expected > LATE:
                self._liveness.oversleep(now - expected)
                self._observation.oversleep(now - expected, now)
                # What came meanwhile is read before anybody is judged.
                await trio.sleep(TICK)
                now = trio.current_time()
            self._look(now)
            expected = now + TICK
            if self._nothing_is_due(expected):
                expected += TICK

    def _nothing_is_due(self, when: float) -> bool:
        """Say whether a look at that time would find what the one before has."""
        later = when + TICK  # what is due before the look after it, it finds in time
        silence = self._observation.next_silence
        return silence >= later and self._liveness.deadline >= later

    def _look(self, now: float) -> None:
        self._exchange.apply(self._liveness.expire(now), self._runtime.name)
        watched = self._watched(now)
        self._observation.watch(watched, now)
        peers = self._runtime.kernel.peers
        connections = [(n, peers[n].connection) for n in watched if n in peers]
        self._observation.hear(
            [(name, c.session.heard) for name, c in connections if c is not None]
        )
        for name in self._observation.silent(now):
            if self._may_accuse(name) and name not in self._probing:
                self._probing.add(name)
                self._background.spawn(self._probe, name)

    def _may_accuse(self, name: str) -> bool:
        """Say whether this node's word would change what is known of a member."""
        state, by = self._liveness.claim(name)[2:]
        more = self._runtime.name not in by and len(by) < MOST_ACCUSERS
        return state == ALIVE or (state == SUSPECT and more)

    def _watched(self, now: float) -> tuple[str, ...]:
        for name, since in list(self._unanswering.items()):
            alive = self._liveness.claim(name).state == ALIVE
            if (
                not alive
                or since < now - WATCHED
                or not self._neighbourhood.is_member(name)
            ):
                del self._unanswering[name]
        near = self._neighbourhood.near()
        if not self._unanswering:
            return near
        return tuple(dict.fromkeys((*near, *self._unanswering)))

    async def _probe(self, name: str) -> None:
        """Ask others for a silent member; suspect it if none of them reaches it."""
        try:
            silence = self._observation.silence(name, trio.current_time())
            others = self._others(name)
            reached, answers = await self._ask_all(others, name)
            self._observation.judge_itself(len(others), answers)
            now = trio.current_time()
            again = self._observation.silence(name, now)
            if reached or again is None or (silence is not None and again < silence):
                self._observation.vouch(name, now)
                return
            phi = self._observation.phi(name, now)
            self._reasons.silent(name, now, again, phi, others)
            self._exchange.apply(self._liveness.accuse(name, now), self._runtime.name)
        finally:
            self._probing.discard(name)

    def _others(self, name: str) -> list[str]:
        """Return whom to ask for a member: those that are near, if there are enough."""
        chosen: list[str] = []
        near = self._neighbourhood.near()
        for others in (near, self._neighbourhood.others()):
            alive = [
                other
                for other in others
                if other != name and self._liveness.claim(other).state == ALIVE
            ]
            left = [other for other in alive if other not in chosen]
            chosen += self._rng.sample(left, min(THROUGH - len(chosen), len(left)))
        return chosen

    async def _ask_all(self, others: list[str], name: str) -> tuple[bool, int]:
        """Return whether any of the others reaches a member, and how many answered.

        As soon as one does, the answers of the rest are not waited for.
        """
        answers: list[bool] = []
        with trio.move_on_after(2 * self._patience):  # their calls end before
            async with trio.open_nursery() as nursery:
                for other in others:
                    nursery.start_soon(
                        self._ask, other, name, answers, nursery.cancel_scope.cancel
                    )
                    await trio.sleep(STAGGER)
        reached = any(answers)
        return reached, len(others) if reached else len(answers)

    @property
    def _patience(self) -> float:
        return self._runtime.config.probe_timeout * 2 * (1 + self._observation.health)

    async def _ask(
        self, other: str, name: str, answers: list[bool], stop: Callable[[], None]
    ) -> None:
        try:
            timeout = self._runtime.config.probe_timeout
            reached = await self._runtime.call(
                other, MEMBERS, "probe", (name, timeout), {}, self._patience
            )
        except ClusterError:
            self._unanswering[other] = trio.current_time()
            return
        answers.append(reached is True)
        if reached is True:
            stop()
