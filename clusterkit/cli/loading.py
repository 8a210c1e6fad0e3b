"""Ctrl-C while `cluster-cli` is still being loaded: it ends without a word.

No line of the program runs before the whole package is imported, and until then
Python would show a traceback. So this is what the package imports first. What
is done here is done when it is imported, and only in the program itself: an
application that imports clusterkit keeps its own Ctrl-C.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Final

INTERRUPTED: Final = 130
"""128 + SIGINT, as shells have it."""


def is_the_program() -> bool:
    """Say whether this process is `cluster-cli` or `python -m clusterkit`."""
    if os.path.basename(sys.argv[0]) == "cluster-cli":  # noqa: PTH119 - no pathlib yet
        return True
    return any(
        (flag, module) == ("-m", "clusterkit")
        for flag, module in zip(sys.orig_argv, sys.orig_argv[1:], strict=False)
    )


def _end(*_: object) -> None:
    os._exit(INTERRUPTED)


def loaded() -> None:
    """Have Ctrl-C raise KeyboardInterrupt from now on, as always."""
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)


# Where SIGINT is ignored, as in the background of a script, it stays so.
if is_the_program() and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, _end)
