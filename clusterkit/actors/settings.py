"""The class attributes by which an actor says how it is run, checked.

They are checked where the class is made, so that a mistake shows at import, and
once more when an actor starts, since an instance may have set its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clusterkit.config import POLICIES
from clusterkit.errors import ConfigError

if TYPE_CHECKING:
    from clusterkit.actors.server import GenServer


def check_settings(actor: Any, cls: type[GenServer]) -> None:
    """Check the class attributes of an actor, which an instance may have set anew.

    Args:
        actor: The class, or an instance of it.
        cls: The class, for the message.

    Raises:
        ConfigError: One of them is not of its form; names it.
    """
    if actor.restart not in ("permanent", "transient", "temporary"):
        must = "'permanent', 'transient' or 'temporary'"
        raise _impossible(cls, "restart", actor.restart, must)
    if not isinstance(actor.mailbox, int) or actor.mailbox < 1:
        raise _impossible(cls, "mailbox", actor.mailbox, "a number of messages")
    if actor.mailbox_policy not in (None, *POLICIES):
        must = "'wait', 'raise', 'drop_oldest', or None for the node's"
        raise _impossible(cls, "mailbox_policy", actor.mailbox_policy, must)
    match actor.intensity:
        case (int(most), int() | float() as seconds) if most >= 0 and seconds > 0:
            return
    must = "(restarts, seconds), as in (3, 5.0)"
    raise _impossible(cls, "intensity", actor.intensity, must)


def _impossible(
    cls: type[GenServer], name: str, value: object, must: str
) -> ConfigError:
    return ConfigError(f"{cls.__qualname__}.{name} must be {must}, not {value!r}")
