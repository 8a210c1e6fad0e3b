"""While `cluster-cli` is being loaded: Ctrl-C without a word, and no collections.

No line of the program runs before the whole package is imported, and until then
Python would show a traceback for a Ctrl-C. It would also look through all that has
been imported again and again, and once more at the end: a fifth of the time of one
command, for nothing, since what is imported stays. So this is what the package
imports first. What is done here is done when it is imported, and only in the
program itself: an application that imports clusterkit keeps its own ways.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from itertools import pairwise
from typing import Final

INTERRUPTED: Final = 130
"""128 + SIGINT, as shells have it."""


def is_the_program() -> bool:
    """Say whether this process is `cluster-cli` or `python -m clusterkit`.

    To be asked while the package is imported: until `-m` has found the module, Python
    calls the program "-m". It is not enough to look for `-m clusterkit` among the
    words, since pytest, for one, has an option `-m` of its own; nor for the name in
    `argv`, which `multiprocessing` hands on to the processes that it spawns.
    """
    script, words = sys.argv[0], sys.orig_argv
    if script == "-m":
        return ("-m", "clusterkit") in pairwise(words)
    name = os.path.basename(script)  # noqa: PTH119 - no pathlib yet
    return name == "cluster-cli" and script in words


def _end(*_: object) -> None:
    os._exit(INTERRUPTED)


def loaded() -> None:
    """Have Ctrl-C raise KeyboardInterrupt from now on, and garbage collected.

    What was imported until now stays, and is left out of collections.
    """
    if PROGRAM:
        gc.freeze()
        gc.enable()
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)


PROGRAM: Final = is_the_program()
"""Whether this process is the program, and no application."""

if PROGRAM:
    gc.disable()
    # Where SIGINT is ignored, as in the background of a script, it stays so.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)
