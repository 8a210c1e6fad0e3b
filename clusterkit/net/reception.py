"""Where strangers arrive: accepted connections until they have proved the cookie.

Everything here is bounded: at most `handshake_slots` at once, each with a
deadline and one kilobyte; and nothing of a link changes before a valid Proof.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

import trio

from clusterkit.errors import ProtocolError
from clusterkit.names import Address
from clusterkit.net.admission import (
    Objection,
    link_objection,
    name_objection,
    ring_objection,
    session_number,
)
from clusterkit.net.client_peer import ClientPeer
from clusterkit.net.greeter import (
    expect,
    next_event,
    open_session,
    secure,
    send_all,
)
from clusterkit.net.guesses import Guesses, source_of
from clusterkit.net.refusals import UNTIED
from clusterkit.net.transport import StreamBroken
from clusterkit.wire.handshake import Greeted, Proved, Resume
from clusterkit.wire.listener import Listener

if TYPE_CHECKING:
    from clusterkit.net.kernel import Kernel
    from clusterkit.net.link import Link
    from clusterkit.net.peer import Peer
    from clusterkit.net.transport import Stream
    from clusterkit.wire.greetings import Hello, Proof
    from clusterkit.wire.session import Session

TOO_MANY: Final = "too many wrong cookies came from this address lately"

PROBE: float = 1.0
"""How long an old session gets to show that its process still lives."""


class Reception:
    """Shakes hands with whoever connects.

    Attributes:
        total: Connections accepted so far.
    """

    def __init__(self, kernel: Kernel) -> None:
        self.total = 0
        self._kernel = kernel
        self._guesses = Guesses(trio.current_time, kernel.rng)
        # Handshakes of TLS that came to nothing: they are dearer than what follows.
        self._in_vain = Guesses(trio.current_time, kernel.rng)
        # Oldest first; the value tells whether a valid Hello has come.
        self._slots: dict[trio.CancelScope, bool] = {}

    def __repr__(self) -> str:
        return f"<Reception {len(self._slots)} of {self.total}>"

    @property
    def under_way(self) -> int:
        """How many handshakes are under way."""
        return len(self._slots)

    async def receive(self, stream: Stream, host: str) -> None:
        """Shake hands on an accepted stream and attach it, or close it."""
        self.total += 1
        slot = self._take_slot()
        adopted = False
        try:
            with slot:
                adopted = await self._shake(stream, slot, host)
            if slot.cancelled_caught:
                self._kernel.refusals.reject("timeout", host, None)
        except StreamBroken:
            pass  # it went away; nothing of ours has changed
        except ProtocolError as error:
            self._offended(error, host)
        finally:
            del self._slots[slot]
            if not adopted:
                stream.close()

    def _offended(self, error: ProtocolError, host: str) -> None:
        if error.reason == "tls":
            self._kernel.refusals.by_us(host, "tls", str(error), address=host)
        else:
            self._kernel.refusals.reject(error.reason, host, None)

    def _take_slot(self) -> trio.CancelScope:
        """Return a scope with the deadline; make room by closing the silent."""
        config = self._kernel.config
        # One that is cancelled stays until its task has run.
        open_ = [scope for scope in self._slots if not scope.cancel_called]
        if len(open_) >= config.handshake_slots:
            silent = (scope for scope in open_ if not self._slots[scope])
            next(silent, open_[0]).cancel()
        slot = trio.CancelScope(deadline=trio.current_time() + config.handshake_timeout)
        self._slots[slot] = False
        return slot

    async def _shake(self, stream: Stream, slot: trio.CancelScope, host: str) -> bool:
        """Return whether the stream was adopted by a peer."""
        kernel = self._kernel
        heeds = partial(self._heeds, host)
        listener = Listener(kernel.me, kernel.cookies, kernel.nonce(), heeds)
        await self._secure(stream, listener, host)
        hello = expect(await next_event(stream, listener), Greeted).hello
        self._slots[slot] = True
        link = kernel.peers.get(hello.name) if hello.role == "member" else None
        sessions = link.sessions if link else kernel.sessions
        await send_all(stream, listener.challenge(sessions))
        if listener.state == "refused":
            kernel.refusals.by_us(hello.name, "version", listener.detail, address=host)
            return False
        proved = await self._hear_proof(stream, listener, hello.name, host)
        if proved is None:
            return False
        if hello.role == "client":
            return await self._admit_client(stream, listener, proved)
        return await self._admit_member(stream, listener, proved)

    async def _secure(self, stream: Stream, listener: Listener, host: str) -> None:
        """Make a stream fit for greetings, unless too many of an address were not.

        With TLS that is a millisecond of work, which whoever connects can cause.
        """
        begun = False

        def heeded() -> bool:
            nonlocal begun
            begun = self._in_vain.may_try(host)
            return begun

        try:
            await secure(stream, listener, heeded)
        except BaseException:
            if begun:
                self._in_vain.wrong(host)
            raise

    async def _hear_proof(
        self, stream: Stream, listener: Listener, name: str, host: str
    ) -> Proved | None:
        """Wait for the proof of the cookie; refuse one that is none."""
        try:
            return expect(await next_event(stream, listener), Proved)
        except ProtocolError as error:
            if error.reason not in ("cookie", "guessing"):
                raise
            doubt = UNTIED if listener.bound else ""
            detail = self._count_unproved(error.reason, name, host, doubt)
            await send_all(stream, listener.refuse(error.reason, detail))
            return None

    def _heeds(self, host: str, hello: Hello, proof: Proof) -> bool:
        """Say whether a proof is judged, before anything is known of its MAC.

        Who knows the conversation that it had with us, a random number, has
        been let in before.
        """
        link = self._kernel.peers.get(hello.name)
        if link is not None and proof.yours == link.talk.outgoing.id != 0:
            return True
        return self._guesses.may_try(host)

    def _count_unproved(self, reason: str, name: str, host: str, doubt: str) -> str:
        """Count a proof that was wrong or not judged; return what to say of it.

        Of an address that is held back there is one line for all its names.
        """
        kernel, guesses = self._kernel, self._guesses
        if reason == "guessing":
            kernel.refusals.by_us(source_of(host), reason, TOO_MANY, address=host)
            return TOO_MANY
        if guesses.holds_back(host):
            kernel.refusals.rejected[reason] += 1
        else:
            kernel.refusals.by_us(name, reason, doubt, address=host)
        guesses.wrong(host)
        return ""

    async def _admit_client(
        self, stream: Stream, listener: Listener, proved: Proved
    ) -> bool:
        """Attach a tool: no link, no resume, gone with its connection."""
        objection = ring_objection(self._kernel.ring_name(), proved)
        if objection is not None:
            return await self._refuse(stream, listener, proved, objection)
        client = ClientPeer(proved.hello.name, self._kernel)
        resume, _ = client.talk.accept(
            proved.proof, proved.hello.incarnation, self._kernel.fresh_id()
        )
        await send_all(stream, self._welcome(listener, resume))
        client.take_limit(proved.proof.max_message)
        client.attach(stream, self._session(listener, client))
        return True

    async def _admit_member(
        self, stream: Stream, listener: Listener, proved: Proved
    ) -> bool:
        kernel = self._kernel
        objection = ring_objection(kernel.ring_name(), proved) or name_objection(
            kernel.me, proved
        )
        if objection is None:
            objection = await self._name_in_use(proved)
        if objection is None and listener.cookie not in kernel.cookies:
            objection = Objection("cookie")  # it was dropped meanwhile
        if objection is not None:  # and no link is made for a node that may not come
            return await self._refuse(stream, listener, proved, objection)
        # After that await everything may have changed, so look only now.
        link = kernel.link_to(proved.hello.name)
        objection = link_objection(kernel.me, link, proved)
        if objection is not None:
            return await self._refuse(stream, listener, proved, objection)
        return self._take_over(stream, listener, proved, link)

    def _take_over(
        self, stream: Stream, listener: Listener, proved: Proved, link: Link
    ) -> bool:
        """Detach, agree, welcome, attach: without an await in between."""
        kernel, proof = self._kernel, proved.proof
        was_up = link.connection is not None
        link.detach("replaced")
        try:
            resume, settled = link.talk.accept(
                proof, proved.hello.incarnation, kernel.fresh_id()
            )
        except ProtocolError as error:
            link.not_replaced(was_up=was_up)
            link.broke_protocol(error)
            return False
        link.count_session(session_number(proved.hello.sessions, proved.sessions))
        link.settle_with(settled)
        link.given_up = None
        link.take_limit(proof.max_message)
        link.address = Address(proof.host, proof.port)
        welcome = self._welcome(listener, resume)
        # A fresh connection's buffer takes a kilobyte; if it does not, the
        # connection is no good and the dialer tries another.
        if not _write_all(stream, welcome):
            link.not_replaced(was_up=was_up)
            return False
        session = self._session(listener, link)
        link.attach(stream, session, link.sessions, dialled=False)
        return True

    def _session(self, listener: Listener, peer: Peer) -> Session:
        kernel = self._kernel
        now = trio.current_time()
        return open_session(
            listener, peer.talk, kernel.codec, kernel.config, now, dialer=False
        )

    async def _name_in_use(self, proved: Proved) -> Objection | None:
        """Tell a restarted node from a second one of its name.

        At the same address the old process must be dead. At another one,
        the old session is asked: if it answers, the newcomer is refused.
        """
        link = self._kernel.peers.get(proved.hello.name)
        connection = link.connection if link is not None else None
        if link is None or connection is None:
            return None
        if proved.hello.incarnation == link.talk.incarnation:
            return None
        if link.address == (proved.proof.host, proved.proof.port):
            return None
        if await connection.probe(PROBE) and link.connection is connection:
            return Objection(
                "name",
                f"another live node is called {link.name}, at {link.address}; "
                "choose another name",
            )
        return None

    def _welcome(self, listener: Listener, resume: Resume) -> bytes:
        kernel = self._kernel
        return listener.welcome(
            kernel.ring_name(),
            kernel.address.host,
            kernel.address.port,
            kernel.config.max_message,
            resume,
        )

    async def _refuse(
        self, stream: Stream, listener: Listener, proved: Proved, why: Objection
    ) -> bool:
        if why.reason not in ("tie", "stale"):
            hello, proof = proved.hello, proved.proof
            address = Address(proof.host, proof.port) if proof.host else None
            self._kernel.refusals.by_us(hello.name, *why, address=address)
        await send_all(stream, listener.refuse(*why))
        return False


def _write_all(stream: Stream, data: bytes) -> bool:
    """Write without waiting; say whether all of it was taken."""
    try:
        return stream.send_nowait(data) == len(data)
    except StreamBroken:
        return False
