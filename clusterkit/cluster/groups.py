"""Exception groups at the edge of the API: one cause is raised as itself."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def collapsed_groups() -> Iterator[None]:
    """Raise what a nursery of ours wrapped, if it comes to one exception.

    A user of `async with create_cluster(...)` knows nothing of the nursery
    inside; his own exception has to come out as he raised it. Cancellations
    that accompany a real error are left out; several real errors stay a
    group.
    """
    try:
        yield
    except BaseExceptionGroup as group:
        error = _single(group)
        if error is group:
            raise
        # The traceback of the group would only show our own nursery.
        raise error from error.__cause__


def _single(group: BaseExceptionGroup[BaseException]) -> BaseException:
    leaves = list(_leaves(group))
    real = [leaf for leaf in leaves if not isinstance(leaf, trio.Cancelled)]
    if len(real) == 1:
        return real[0]
    return group if real else leaves[0]


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error
