"""Who may command a node, and how a command that fails is answered.

Only a tool may command, and what it is was settled by the handshake: a member
that calls is refused, whatever it says about itself. Every error of ours becomes
a refusal that a tool understands without having its class.
"""

from __future__ import annotations

import logging
from functools import wraps
from typing import TYPE_CHECKING, Any, ClassVar, Concatenate, ParamSpec, TypeVar

from clusterkit.actors.dropped import MOST_TEXT
from clusterkit.actors.faults import text_of
from clusterkit.actors.handlers import CallHandler
from clusterkit.actors.here import Here
from clusterkit.actors.server import GenServer
from clusterkit.cluster.commands import COMMANDS
from clusterkit.errors import ClusterError, Rejected
from clusterkit.logs import log
from clusterkit.wire import messages as m

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from clusterkit.config import Policy
    from clusterkit.net.peer import Peer

P = ParamSpec("P")
R = TypeVar("R")

logger = logging.getLogger("clusterkit.cluster")


class CommandRefused(Rejected):
    """A command came to nothing; its arguments are the text and an exit status.

    The code is that of the error behind it. The status travels along because a
    code alone does not tell: an application's own `Rejected` may have any.
    """

    def __init__(self, code: str, text: str, exit_status: int) -> None:
        super().__init__(text, exit_status)
        self.code = code  # type: ignore[misc]


class Forbidden(Rejected):
    """Only a tool may command a node: `cluster-cli`, or one like it."""

    code = "forbidden"


def answers(
    function: Callable[Concatenate[Any, P], Coroutine[Any, Any, R]],
) -> CallHandler[Any, P, R]:
    """Make a method answer the command of its name, to tools alone.

    Commands run beside each other: one that waits for a distant node holds up
    nobody. Every error of ours becomes a refusal; the actor lives on.
    """

    @wraps(function)
    async def answer(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> R:
        tool = self.tool()
        try:
            COMMANDS[function.__name__].check(args, kwargs)
            self.log_command(function.__name__, tool, kwargs)
            value = await function(self, *args, **kwargs)
            self.check_answer(value, tool)
        except (ClusterError, ValueError) as error:
            raise _refusal(error) from error
        return value

    return CallHandler(answer, concurrent=True)


class CommandGate(GenServer):
    """The part of the command server that every command passes."""

    mailbox_policy: ClassVar[Policy | None] = "wait"  # whatever the node's is

    async def handle_call(
        self, event: str, args: list[Any], kwargs: dict[str, Any]
    ) -> Any:
        """Refuse what the table does not have."""
        self.tool()
        return await super().handle_call(event, args, kwargs)

    def tool(self) -> Peer:
        """Return the tool that has called.

        Raises:
            Forbidden: The call came from a node, perhaps this one.
        """
        origin = self.caller.origin
        if isinstance(origin, Here) or origin.role != "client":
            raise Forbidden(
                "only a tool may command a node, not one of its peers or actors"
            )
        return origin

    def check_answer(self, value: object, tool: Peer) -> None:
        """Refuse to answer what cannot travel.

        Found out only when the answer is sent, it would count as a crash.

        Raises:
            EncodeError, MessageTooLarge: It cannot.
        """
        self.node.kernel.codec.encode([m.REPLY, 0, value], tool.max_message)

    def log_command(self, name: str, tool: Peer, values: Mapping[str, Any]) -> None:
        """Log who asks for a change, and of whom; with which arguments stays unsaid."""
        if not COMMANDS[name].changes:
            return
        told = {key: values[key] for key in ("target", "event") if key in values}
        log(
            logger,
            logging.INFO,
            "command",
            command=name,
            client=tool.name,
            target=text_of(told["target"], MOST_TEXT) if told else None,
            handler=text_of(told["event"], MOST_TEXT) if told else None,
        )


def _refusal(error: Exception) -> CommandRefused:
    if isinstance(error, ClusterError):
        # What an application rejects is always a plain refusal.
        plain = isinstance(error, Rejected)
        status = Rejected.exit_status if plain else error.exit_status
        return CommandRefused(error.code, str(error), status)
    return CommandRefused("badarg", str(error), Rejected.exit_status)
