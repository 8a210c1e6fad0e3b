"""The one thread that may use a node: that of its event loop.

Called from another thread, or from the event loop of another, what belongs to a
node would be half done: a message that is queued, and a task that is never
woken again. So whatever a thread could call by mistake looks here first.
"""

from __future__ import annotations

import threading

from clusterkit.errors import ClusterError


class OwnThread(threading.local):
    """Knows in which thread it was made.

    Attributes:
        ours: Whether that is the running one; each thread sees its own.
    """

    ours = False

    @classmethod
    def here(cls) -> OwnThread:
        """Return one for the running thread."""
        made = cls()
        made.ours = True
        return made

    def require(self) -> None:
        """Refuse to go on in another thread.

        Raises:
            ClusterError: This is one.
        """
        if not self.ours:
            raise elsewhere()


def elsewhere() -> ClusterError:
    """Return the error for a use from another thread than the node's."""
    return ClusterError(
        "a node is used from the thread that runs it only: in another thread, use "
        "trio.from_thread.run(node.call, …) or trio.from_thread.run_sync"
    )
