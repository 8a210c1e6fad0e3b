"""What was typed before, across sessions; never a cookie."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from prompt_toolkit.history import History

_GIVES_COOKIE = ("-a", "--key", "cookie", "CLUSTERKIT_COOKIE")


def state_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder for what is to be kept between runs.

    `$XDG_STATE_HOME/clusterkit`, by default in `~/.local/state`, as the XDG
    base directory specification has it: a relative path does not count.
    """
    home = Path(environ.get("XDG_STATE_HOME", ""))
    if not home.is_absolute():
        home = Path("~/.local/state").expanduser()
    return home / "clusterkit"


def is_secret(line: str, cookies: Iterable[bytes]) -> bool:
    """Say whether a line must not be kept: it holds a cookie, or may.

    Args:
        line: What was typed.
        cookies: Those in use.
    """
    words = line.replace("=", " ").split()
    if any(word == flag for word in words for flag in _GIVES_COOKIE):
        return True
    # `-a` takes its value in the same word, too.
    if any(word.startswith("-a") for word in words):
        return True
    typed = line.encode(errors="surrogateescape")
    return any(cookie in typed for cookie in cookies)


def open_history(folder: Path, cookies: Iterable[bytes]) -> History:
    """Return the history in `folder`; one that forgets if it cannot be kept.

    Args:
        folder: Made if need be, for its owner alone.
        cookies: Those in use; no line that holds one is kept.
    """
    from prompt_toolkit.history import FileHistory, InMemoryHistory

    known = tuple(cookies)

    class KeptHistory(FileHistory):
        """A history file without secrets."""

        def store_string(self, string: str) -> None:
            if not is_secret(string, known):
                super().store_string(string)

    file = folder / "history"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.touch(mode=0o600)
        with file.open("ab"):
            pass
    except OSError:
        return InMemoryHistory()
    return KeptHistory(str(file))
