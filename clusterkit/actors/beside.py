"""Concurrent handlers: those of an actor that run beside its loop.

Each is a task of the actor's own nursery. What it works on counts in the
mailbox until it ends; its crash ends the actor, as one in the loop does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clusterkit.actors.faults import is_an_answer
from clusterkit.actors.handlers import LATER
from clusterkit.actors.mailbox import abandoned
from clusterkit.actors.server import Caller, concurrent_caller
from clusterkit.actors.serving import SERVED
from clusterkit.errors import EncodeError, MessageTooLarge
from clusterkit.wire import messages as m

if TYPE_CHECKING:
    import trio

    from clusterkit.actors.handlers import Handler
    from clusterkit.actors.loop import Loop


class Beside:
    """The concurrent handlers of one life of an actor.

    Args:
        loop: The actor's.
        nursery: Where they run.
    """

    __slots__ = ("_loop", "nursery")

    def __init__(self, loop: Loop, nursery: trio.Nursery) -> None:
        self._loop = loop
        self.nursery = nursery

    def __len__(self) -> int:
        return len(self.nursery.child_tasks)

    def __repr__(self) -> str:
        return f"<Beside {self._loop.name} running={len(self)}>"

    def begin(self, handler: Handler, record: list[Any], origin: Any) -> None:
        """Begin to handle the message that the loop has just taken."""
        loop = self._loop
        caller = Caller(loop.runtime, origin, record)
        size = loop.current[2] if loop.current is not None else 0
        loop.mailbox.begin(size)
        self.nursery.start_soon(self._work, handler, record, caller, size)

    async def _work(
        self, handler: Handler, record: list[Any], caller: Caller, size: int
    ) -> None:
        concurrent_caller.set(caller)
        loop = self._loop
        try:
            await self._run(handler, record, caller)
        finally:
            loop.mailbox.end(size)
            loop.relax()
            if loop.settling:
                loop.exit("shutdown")  # the end waits for this one

    async def _run(self, handler: Handler, record: list[Any], caller: Caller) -> None:
        """Run the handler and reply."""
        loop, origin = self._loop, caller.origin
        if abandoned(record, origin):
            loop.say_abandoned(origin)
            return
        try:
            with loop.runtime.cancellable(record) as scope, scope:
                value = await self._value_of(handler, record)
                if handler.is_call and value is not LATER and not caller.answered:
                    try:
                        loop.runtime.reply(origin, record, value)
                    except (EncodeError, MessageTooLarge) as error:
                        loop.say_unsent(origin, record, error)
        except Exception as error:  # noqa: BLE001 - the crash barrier
            if handler.is_call and _answers(error, record):
                loop.runtime.fault(origin, record, error)
            else:
                self._crashed(error, record, origin)
        except BaseExceptionGroup as group:
            # It crashed while it was being cancelled with its actor.
            crash, rest = group.split(Exception)
            if crash is not None:
                self._crashed(crash, record, origin)
            if rest is not None:
                raise rest from None
        origin.flush()

    async def _value_of(self, handler: Handler, record: list[Any]) -> Any:
        server = self._loop.server
        if handler.is_stream:
            return await record[SERVED].run(handler, server)
        return await handler.run(server, record[m.ARGS], record[m.KWARGS] or {})

    def _crashed(self, error: Exception, record: list[Any], origin: Any) -> None:
        """Take the crash of a handler, which ends the actor."""
        loop = self._loop
        if self.nursery.cancel_scope.cancel_called:  # it ends already
            loop.log_crash(error, record[m.EVENT])
        else:
            loop.exit(loop.crashed(error, record, origin))


def _answers(error: Exception, record: list[Any]) -> bool:
    """Say whether an error is meant for who asked, or tells what befell its stream.

    A reader that sends what it must not, or nothing for too long, is no fault
    of the actor's.
    """
    if record[m.KIND] == m.OPEN and record[SERVED].owns(error):
        return True
    return is_an_answer(error)
