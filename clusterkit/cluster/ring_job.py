"""The effects of one step of the ring's state machine, and who waits for them.

What becomes of them is `ring_work`'s. The invariant is that whoever waits for a
job is let go, whatever becomes of it.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import trio

from clusterkit.core import ring_effects as effects

if TYPE_CHECKING:
    from clusterkit.errors import StateError


class Job:
    """One step's effects.

    Attributes:
        force: Close links without draining them.
        changes: Whether the step has changed anything.
        taken: Set when all but a hand-over is done, or nothing can be.
        done: Set when all of it is, or nothing can be.
        error: Why it could not be saved, None if it was.
        leaves: Whether it ends with a `Left`.
        told: The member that took over a leave.
    """

    def __init__(self, todo: list[effects.Effect], *, force: bool) -> None:
        self.todo = deque(todo)
        self.force = force
        self.changes = bool(todo)
        self.taken = trio.Event()
        self.done = trio.Event()
        self.error: StateError | None = None
        self.leaves = False
        self.told: str | None = None

    def __repr__(self) -> str:
        return f"<Job {len(self.todo)} left{' forced' if self.force else ''}>"

    @property
    def only_tells(self) -> bool:
        """Whether nothing is left but to tell what has changed."""
        telling = effects.Changed | effects.Conflict
        return all(isinstance(effect, telling) for effect in self.todo)

    def release(self) -> None:
        """Let those go on who wait for it."""
        self.taken.set()
        self.done.set()


def saved(todo: list[effects.Effect]) -> list[effects.Effect]:
    """Return effects that begin with a `Persist`."""
    if todo and isinstance(todo[0], effects.Persist):
        return todo
    return [effects.Persist(), *todo]
