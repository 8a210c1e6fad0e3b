"""The loop of an actor: one message at a time, and what each comes to.

The loop is the crash barrier: whatever a handler raises ends this life of the
actor and nothing else.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any, Final

import trio

from clusterkit.actors import crash_lines
from clusterkit.actors.faults import is_an_answer, text_of
from clusterkit.actors.handlers import LATER, LIFECYCLE, Handler
from clusterkit.actors.mailbox import Item, Mailbox, abandoned
from clusterkit.actors.server import Caller, GenServer
from clusterkit.actors.serving import serve
from clusterkit.actors.unhandled import MOST_TEXT
from clusterkit.errors import (
    ActorDown,
    CallError,
    EncodeError,
    MessageTooLarge,
    NoSuchHandler,
    RemoteFault,
)
from clusterkit.net.peer import GATHER
from clusterkit.wire import messages as m

if TYPE_CHECKING:
    from clusterkit.actors.beside import Beside
    from clusterkit.actors.runtime import Runtime

# Record kinds that never leave the process: [INFO, message] and [STOP].
INFO: Final = 0
STOP: Final = -1

NOTHING: Final[list[Any]] = []
"""In the place of the last message, while there is none."""

TURN_MESSAGES: Final = 4096
TURN_SECONDS: Final = 0.005
"""A busy actor lets others run after so many messages, or so long."""

STRIDE: Final = 32
"""Messages between two looks at the clock while they take next to no time; one
after each that does. A look costs a tenth of a fast message."""

FAST: Final = TURN_SECONDS / 16
"""How long the messages between two looks may take to count as fast."""


class Loop:
    """Takes messages from a mailbox and runs the handlers of a server.

    Args:
        runtime: The node's.
        server: The instance.

    Attributes:
        name: What the actor is registered as.
        mailbox: What waits for it.
        paused: Whether messages are kept instead of handled.
        exiting: Why it ends after the current message, None if it does not.
        settling: Whether it takes no more calls: it ends.
        current: The item being handled.
        crash: What ended the last life, None for a normal end.
        beside: The concurrent handlers; only of actors that have some.
        handled: Messages handled.
        dropped: Casts that were not.
    """

    __slots__ = (
        "beside",
        "crash",
        "current",
        "current_caller",
        "dropped",
        "exiting",
        "handled",
        "mailbox",
        "name",
        "paused",
        "runtime",
        "server",
        "settling",
    )

    beside: Beside  # while an actor with concurrent handlers lives

    def __init__(self, runtime: Runtime, server: GenServer) -> None:
        self.runtime = runtime
        self.server = server
        self.name = ""
        self.mailbox = Mailbox(server.mailbox, runtime.config.mailbox_bytes)
        self.paused = False
        self.handled = self.dropped = 0
        self.crash: BaseException | None = None
        self.current_caller: Caller | None = None
        self.current: Item | None = None
        self.exiting: str | None = None
        self.settling = False

    def caller(self) -> Caller:
        """Return who sent the message that the loop is handling.

        Raises:
            RuntimeError: It is handling none.
        """
        if self.current_caller is None:
            item = self.current
            if item is None or item[0][m.KIND] not in (m.CALL, m.CAST):
                raise RuntimeError("no call or cast is being handled")
            self.current_caller = Caller(self.runtime, item[1], item[0])
        return self.current_caller

    def exit(self, reason: str = "normal") -> None:
        """End after the message that is being handled."""
        self.exiting = reason
        self.mailbox.wake()

    async def handle_messages(self) -> str:  # noqa: C901, PLR0912, PLR0915 - in one piece, on the path of every message
        """Handle messages until there is a reason to end."""
        server, mailbox, me = self.server, self.mailbox, trio.lowlevel.current_task()
        queue, handlers = mailbox.queue, server._handlers  # noqa: SLF001
        time = self.runtime.now
        turn, since, stride = 0, 0, 1
        turn_began = looked = time()
        while self.exiting is None:
            if not queue or self.paused:
                self.handled += since
                if mailbox.waited_for:
                    self.relax()
                # An idle actor must not keep its last message alive.
                self.current = self.current_caller = None
                record = args = NOTHING
                await mailbox.park(me)
                queue, handlers = mailbox.queue, server._handlers  # noqa: SLF001
                turn, since, stride = 0, 0, 1
                turn_began = looked = time()
                continue
            self.current = record, origin, size, deadline = queue.popleft()
            mailbox.bytes -= size
            kind = record[0]
            self.current_caller = None
            try:
                if kind == m.CAST:
                    args = record[3]
                    handler = handlers.get(record[2])
                    if (  # no call for it: this is the path of every cast
                        handler is not None
                        and len(args) in handler.casts
                        and not record[4]
                    ):
                        await handler.function(server, *args)
                    else:
                        await self._unusual_cast(handler, record, origin)
                elif kind == m.CALL:
                    args = record[3]
                    handler = handlers.get(record[2])
                    if (  # nor for every call; `abandoned` in line
                        handler is not None
                        and len(args) in handler.calls
                        and not record[4]
                        and origin.open_calls.get(record[5]) is record
                        and (deadline == inf or time() < deadline)
                        and not self.settling
                    ):
                        value = await handler.function(server, *args)
                        self._reply(value, record, origin)
                    else:
                        await self._unusual_call(handler, record, origin, deadline)
                else:
                    await self._take_other(record, origin)
            except (Exception, SystemExit) as error:  # noqa: BLE001 - the crash barrier
                self.exiting = self._fail(error, record, origin)
            since += 1
            if mailbox.waited_for and 2 * len(queue) <= mailbox.mark:
                self.relax()
            if since >= stride and queue:
                self.handled += since
                turn, since, now = turn + since, 0, time()
                stride = min(4 * stride, STRIDE) if now - looked < FAST else 1
                if turn >= TURN_MESSAGES or now >= turn_began + TURN_SECONDS:
                    await trio.lowlevel.checkpoint()
                    turn, stride, turn_began = 0, 1, (now := time())
                looked = now
        self.handled += since
        return self.exiting

    async def _take_other(self, record: list[Any], origin: Any) -> None:
        """Take an Open, or a record that never left the process."""
        if record[0] == m.OPEN:
            serve(self, record, origin)
            return
        self.mailbox.mark -= 1  # see `put_own`
        if record[0] == STOP:
            self.exiting = "shutdown"
        else:
            await self.server.handle_info(record[1])

    def _reply(self, value: Any, record: list[Any], origin: Any) -> None:
        """Answer a call with what its handler returned."""
        if value is LATER or (
            self.current_caller is not None and self._replied_early(value)
        ):
            return
        try:
            self.runtime.reply(origin, record, value)
        except (EncodeError, MessageTooLarge) as error:
            self.say_unsent(origin, record, error)
        self._send(origin)

    def _send(self, origin: Any) -> None:
        """Send an answer soon: at once, if no other will follow it."""
        waiting = len(origin.outbox.queue)
        if waiting >= GATHER or not self.mailbox.queue:
            origin.flush()
        elif waiting <= 1:
            origin.wake()  # more answers will follow, but the next may take long

    def _fail(
        self, error: Exception | SystemExit, record: list[Any], origin: Any
    ) -> str | None:
        """Answer with an error that is meant for the caller; else, end this life.

        Returns:
            Why it ends; None if it goes on as before.
        """
        if (
            record[m.KIND] != m.CALL
            or not isinstance(error, CallError)
            or not is_an_answer(error)
        ):
            return self.crashed(error, record, origin)
        self.runtime.fault(origin, record, error)
        self._send(origin)
        return self.exiting

    def decline(self, record: list[Any], origin: Any) -> None:
        """Refuse what came while the actor ends, if anybody waits for an answer."""
        if abandoned(record, origin):
            self.say_abandoned(origin)
        else:
            self.runtime.fault(origin, record, ActorDown("it is ending"))
            origin.flush()
        if self.settling and not self.mailbox.queue:
            self.exiting = "shutdown"  # the end may have waited for this one

    def say_unsent(self, origin: Any, record: list[Any], error: Exception) -> None:
        """Log an answer that could not travel; its caller has been told.

        That is no crash: it may be too large for that caller only, and the
        actor's state is sound.
        """
        crash_lines.say_unsent(self.name, record, origin.name, error)

    def say_abandoned(self, origin: Any, n: int = 1) -> None:
        """Count calls that are not run since nobody waits for them any more."""
        peer = "" if origin is None else origin.name
        self.runtime.accounts.drop("abandoned", peer=peer, actor=self.name, n=n)

    def _replied_early(self, value: Any) -> bool:
        """Say whether the handler has answered by `caller.reply` itself."""
        if self.current_caller is None or not self.current_caller.answered:
            return False
        if value is not None:
            raise RuntimeError("the handler replied and returned a value too")
        return True

    async def _unusual_call(
        self, handler: Handler | None, record: list[Any], origin: Any, deadline: float
    ) -> None:
        """Take a call that the loop's short way does not fit."""
        if self.settling or abandoned(record, origin):
            self.decline(record, origin)
        elif deadline != inf and self.runtime.now() >= deadline:
            self.runtime.expire(origin, record)
            self.runtime.accounts.drop("expired", peer=origin.name, actor=self.name)
        else:
            value = await self._run_call(handler, record, origin)
            self._reply(value, record, origin)

    async def _run_call(
        self, handler: Handler | None, record: list[Any], origin: Any
    ) -> Any:
        """Run the handler of such a call; return its value."""
        event, args, kwargs = record[m.EVENT], record[m.ARGS], record[m.KWARGS] or {}
        if handler is None:
            if event.startswith("_") or event in LIFECYCLE:
                raise NoSuchHandler(
                    f"{event[:MOST_TEXT]!r} is the actor's own: private names cannot be "
                    "reached from outside"
                )
            return await self.server.handle_call(event, args, kwargs)
        if handler.mark != "call":
            raise NoSuchHandler(f"{event!r} is a {handler.mark}, not a call")
        handler.check(args, kwargs)
        if handler.concurrent:
            self.beside.begin(handler, record, origin)
            return LATER
        if not handler.cancellable:
            return await handler.run(self.server, args, kwargs)
        with self.runtime.cancellable(record) as scope, scope:
            return await handler.run(self.server, args, kwargs)
        return LATER  # its caller gave up and wants no answer

    async def _unusual_cast(
        self, handler: Handler | None, record: list[Any], origin: Any
    ) -> None:
        """Run a cast that the loop's short way does not fit."""
        event, args, kwargs = record[m.EVENT], record[m.ARGS], record[m.KWARGS] or {}
        if handler is None and not event.startswith("_") and event not in LIFECYCLE:
            await self.server.handle_cast(event, args, kwargs)
            return
        try:
            if handler is None or handler.is_call:
                raise NoSuchHandler(f"no @cast handler {event!r}")
            handler.check(args, kwargs)
        except CallError as error:
            self.drop_cast(event, origin.name, error)
            return
        if handler.concurrent:
            self.beside.begin(handler, record, origin)
        else:
            await handler.run(self.server, args, kwargs)

    def crashed(
        self,
        error: Exception | SystemExit,
        record: list[Any] | None,
        origin: Any = None,
    ) -> str:
        """Tell the caller and the log; return the reason of the end.

        Raises:
            SystemExit: The handler meant to end the process, not itself.
        """
        if isinstance(error, SystemExit):
            crash_lines.say_node_ended(self.name, record, error)
            raise error
        self.crash = error
        self.log_crash(error, record[m.EVENT] if record and len(record) > 2 else None)
        if record is not None and record[m.KIND] in m.ASKS:
            self.runtime.fault(
                origin, record, RemoteFault(type(error).__name__, text_of(error))
            )
            origin.flush()
        return type(error).__name__

    def log_crash(self, error: Exception, event: str | None) -> None:
        """Log a crash with its traceback, which never leaves this node."""
        crash_lines.say_crash(self.name, event, error)

    def drop_cast(self, event: str, peer: str, error: CallError) -> None:
        """Count a cast that no handler takes, and say so."""
        self.dropped += 1
        self.runtime.accounts.drop("no_handler", peer=peer, actor=self.name)
        self.runtime.dropped.say(self.name, event, peer, error)

    def relax(self) -> None:
        """Let senders go on, if the mailbox is down to half its mark."""
        if self.mailbox.waited_for and self.mailbox.relaxed:
            for peer in self.mailbox.release():
                self.runtime.post_control(peer, [m.UNCHOKE, self.name])
