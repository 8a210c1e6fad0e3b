"""Where the cookie comes from, and who may read it."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from clusterkit.errors import ClusterError, ConfigError
from clusterkit.net.disk import read_regular
from clusterkit.wire.handshake import checked_cookie

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

COOKIE_FILE: Final = "~/.clusterkit.cookie"
COOKIE_VARIABLE: Final = "CLUSTERKIT_COOKIE"

MAX_COOKIE: Final = 4096
"""Bytes of the largest cookie file; more is another file, given by mistake."""


def cookies(
    cookie: str | bytes | Sequence[str | bytes] | None,
    environ: Mapping[str, str] = os.environ,
) -> list[bytes]:
    """Return the cookies to use; the first dials, all are accepted.

    Args:
        cookie: One, several while rotating, or None: then the variable
            `CLUSTERKIT_COOKIE` counts, and after it `~/.clusterkit.cookie`.
        environ: The environment.

    Raises:
        ConfigError: There is none, one is empty or neither text nor bytes, or
            others can read the file.
    """
    if cookie is None:
        found = surrounding_cookie(environ)
        if found is None:
            raise ConfigError(
                f"no cookie: pass cookie=, set {COOKIE_VARIABLE}, or make "
                f"{COOKIE_FILE} with `cluster-cli cookie new`"
            )
        return [found]
    several = [cookie] if isinstance(cookie, (str, bytes)) else cookie
    if not isinstance(several, Iterable):
        raise ConfigError("a cookie is text or bytes, or there is a list of them")
    return [checked_cookie(_as_bytes(c)) for c in several] or [checked_cookie(b"")]


def read_cookie(path: str | Path) -> bytes:
    """Return the cookie in a file, without the white space around it.

    Raises:
        ConfigError: There is no such file, it is empty or none for a cookie, or
            its mode lets others read it (the mode counts, also for root).
    """
    file = Path(path).expanduser()
    try:
        content, mode = read_regular(file, MAX_COOKIE)
    except OSError as error:
        raise ConfigError(
            f"cannot read the cookie file {file}: {error.strerror}"
        ) from error
    if mode & 0o077:
        raise ConfigError(f"others can read {file}; run: chmod 600 {file}")
    return checked_cookie(content.strip(), f"the cookie file {file}")


def new_cookie(path: str | Path, *, force: bool = False) -> Path:
    """Write a new random cookie, readable by its owner alone.

    Args:
        path: Where; the folder must exist.
        force: Replace one that is there.

    Raises:
        ClusterError: There is one already.
        ConfigError: The file cannot be written.
    """
    file = Path(path).expanduser()
    fresh = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as out:
            out.write(secrets.token_urlsafe(32) + "\n")
        if force:
            fresh.replace(file)
        else:
            os.link(fresh, file)  # fails if there is one, unlike a rename
            fresh.unlink()
    except FileExistsError:
        fresh.unlink()
        raise ClusterError(
            f"{file} exists; nodes that use it would be cut off. "
            "Use --force to replace it"
        ) from None
    except OSError as error:
        with suppress(OSError):  # it may never have been made
            fresh.unlink()
        raise ConfigError(f"cannot write {file}: {error.strerror}") from error
    return file


def _as_bytes(cookie: object) -> bytes:
    if isinstance(cookie, str):
        return cookie.encode()
    if isinstance(cookie, bytes):
        return cookie
    raise ConfigError(f"a cookie is text or bytes, not of type {type(cookie).__name__}")


def surrounding_cookie(environ: Mapping[str, str] = os.environ) -> bytes | None:
    """Return the cookie of the environment, else of the home folder, if any.

    Raises:
        ConfigError: The file is not fit for a cookie.
    """
    if environ.get(COOKIE_VARIABLE):
        return environ[COOKIE_VARIABLE].encode()
    if not Path(COOKIE_FILE).expanduser().exists():
        return None
    return read_cookie(COOKIE_FILE)
