"""A guard against using a node in a forked child.

After `os.fork` the child has copies of the node's sockets and of its event
loop's descriptors; a message sent there would tear the parent's sessions. The
guard makes every such use an error that says so.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NoReturn
from weakref import WeakSet

from clusterkit.errors import ClusterError

if TYPE_CHECKING:
    from clusterkit.actors.runtime import Runtime

_guarded: WeakSet[Runtime] = WeakSet()


def guard(runtime: Runtime) -> None:
    """Make `runtime` refuse to send after a fork, in the child."""
    _guarded.add(runtime)


def _refuse(*_: Any, **__: Any) -> NoReturn:
    raise ClusterError(
        "this node belongs to the parent process: after a fork, start a node of "
        "the child's own, or use the spawn method of multiprocessing"
    )


def _disarm() -> None:
    for runtime in list(_guarded):
        runtime.call = runtime.cast = runtime.cast_nowait = _refuse


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_disarm)
