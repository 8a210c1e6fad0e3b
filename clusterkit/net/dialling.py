"""One attempt to reach a node: connect, shake hands, attach."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from clusterkit.errors import (
    LinkError,
    NodeDown,
    ProtocolError,
    TlsRefused,
    WrongCookie,
    WrongNode,
)
from clusterkit.net.admission import session_number
from clusterkit.net.greeter import ask, open_session, secure
from clusterkit.net.patience import Verdict
from clusterkit.net.refusals import refusal_error
from clusterkit.net.transport import StreamBroken
from clusterkit.wire.dialer import Dialer
from clusterkit.wire.handshake import Challenged, Refused, Welcomed

if TYPE_CHECKING:
    from clusterkit.errors import ClusterError
    from clusterkit.names import Address
    from clusterkit.net.kernel import Kernel
    from clusterkit.net.link import Link
    from clusterkit.net.transport import Stream


class Dial:
    """One attempt.

    Attributes:
        challenged: Whether the peer's Challenge has come: from then on the
            lower name wins when both dial at once.
    """

    def __init__(self, link: Link, kernel: Kernel, address: Address) -> None:
        self.challenged = False
        self._address = address
        self._link = link
        self._kernel = kernel
        self._scope = trio.CancelScope()

    def __repr__(self) -> str:
        return f"<Dial {self._link.name} challenged={self.challenged}>"

    def cancel(self) -> None:
        """Abandon the attempt, in whatever state."""
        self._scope.cancel()

    async def run(self) -> Verdict:
        """Try each cookie in turn; return what became of it."""
        try:
            for cookie in tuple(self._kernel.cookies):
                event = await self._try(cookie)
                if event is None:
                    return Verdict.UP
                refused = event
                if event.reason != "cookie":
                    break
            return self._refused(refused)
        except (StreamBroken, ProtocolError, LinkError) as error:
            return self._failed(error)

    async def _try(self, cookie: bytes) -> Refused | None:
        """Connect and shake hands; None means the session is attached."""
        self._scope = trio.CancelScope(
            deadline=trio.current_time() + self._kernel.config.dial_timeout
        )
        with self._scope:
            stream = await self._kernel.transport.connect(self._address)
            try:
                refused = await self._shake(stream, cookie)
            except BaseException:
                stream.close()
                raise
            if refused is not None:
                stream.close()
            return refused
        raise StreamBroken("no answer in time")

    async def _shake(self, stream: Stream, cookie: bytes) -> Refused | None:
        kernel, link = self._kernel, self._link
        dialer = Dialer(kernel.me, cookie, kernel.nonce(), link.name)
        await secure(stream, dialer)
        challenged = await ask(stream, dialer, dialer.hello(link.sessions), Challenged)
        if isinstance(challenged, Refused):
            return challenged
        self._check_current(cookie)
        self._check_name(challenged)
        number = session_number(link.sessions, challenged.sessions)
        self.challenged = True
        # No session is left that could deliver, so `received` is final here.
        proof = dialer.prove(
            kernel.ring_name(),
            kernel.address.host,
            kernel.address.port,
            kernel.config.max_message,
            link.talk.offer(kernel.fresh_id()),
        )
        welcomed = await ask(stream, dialer, proof, Welcomed)
        if isinstance(welcomed, Refused):
            return welcomed
        self._check_current(cookie)
        self._attach(stream, dialer, challenged, welcomed, number)
        return None

    def _check_current(self, cookie: bytes) -> None:
        """Stop if this attempt was abandoned while its answer was on the way.

        A task that is already runnable does not notice its cancellation
        before the next await; by then it would have replaced the session
        that the cancellation was for.

        Raises:
            StreamBroken: It was.
        """
        if self._scope.cancel_called or self._link.connection is not None:
            raise StreamBroken("abandoned for another connection")
        if cookie not in self._kernel.cookies:
            raise StreamBroken("its cookie was replaced meanwhile")

    def _attach(
        self,
        stream: Stream,
        dialer: Dialer,
        challenged: Challenged,
        welcomed: Welcomed,
        number: int,
    ) -> None:
        kernel, link = self._kernel, self._link
        try:
            settled = link.talk.conclude(welcomed.welcome, challenged.incarnation)
        except ProtocolError as error:
            # Counted like an offence in a session: it would be repeated, too.
            link.broke_protocol(error)
            raise StreamBroken(str(error)) from error
        session = open_session(
            dialer,
            link.talk,
            kernel.codec,
            kernel.config,
            trio.current_time(),
            dialer=True,
        )
        link.settle_with(settled)
        link.take_limit(welcomed.welcome.max_message)
        early = dialer.trailing_data()
        link.attach(stream, session, number, early, dialled=True)

    def _check_name(self, challenged: Challenged) -> None:
        wanted = self._link.name
        if challenged.name != wanted:
            raise WrongNode(
                f"{challenged.name} answers at {self._link.address}, not {wanted}"
            )
        if challenged.incarnation < self._link.talk.incarnation:
            raise NodeDown(f"{wanted} answers with an older incarnation")

    def _failed(self, error: Exception) -> Verdict:
        link, kernel = self._link, self._kernel
        if isinstance(error, ProtocolError) and error.reason == "cookie":
            kernel.refusals.by_us(link.name, "cookie", address=link.address)
            link.failure = WrongCookie(f"{link.name} has another cookie")
        elif isinstance(error, ProtocolError) and error.reason == "tls":
            kernel.refusals.by_us(link.name, "tls", str(error), address=link.address)
            link.failure = TlsRefused(f"{link.name}: {error}")
        elif isinstance(error, ProtocolError):
            kernel.refusals.reject(error.reason, link.name, link.address)
            link.failure = NodeDown(f"{link.name}: {error}", outcome="not sent")
        elif isinstance(error, WrongNode):
            self._report(error, "name", str(error))
        elif isinstance(error, LinkError):
            link.failure = error
        else:
            link.failure = NodeDown(f"{link.name}: {error}", outcome="not sent")
        return Verdict.FAILED

    def _refused(self, refused: Refused) -> Verdict:
        if refused.authentic and refused.reason == "tie":
            return Verdict.TIE
        if refused.authentic and refused.reason == "stale":
            return Verdict.AGAIN
        outgrown = refused.authentic and refused.reason == "incarnation"
        if outgrown and self._kernel.outgrow(refused.detail):
            return Verdict.AGAIN
        error = refusal_error(self._link.name, refused)
        self._report(error, refused.reason, refused.detail)
        return Verdict.FAILED

    def _report(self, error: ClusterError, reason: str, detail: str) -> None:
        """Keep why the peer is not reached; log it if that is news.

        A node that is met again and again, as a seed is, has a new link every
        time, so the kernel keeps what was said of it lately.
        """
        link = self._link
        if repr(error) != repr(link.failure):
            self._kernel.refusals.by_peer(
                link.name, reason, detail, address=link.address
            )
        link.failure = error
