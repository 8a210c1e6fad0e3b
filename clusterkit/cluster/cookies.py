"""Where the cookie comes from, and who may read it."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from clusterkit.cluster.cookie_file import (
    MOST_COOKIES,
    read_cookie_file,
    write_private,
)
from clusterkit.errors import ClusterError, ConfigError
from clusterkit.frozen import frozen
from clusterkit.net.disk import sync_folder
from clusterkit.wire.seal import checked_cookie, derive, stretch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Cookie: TypeAlias = str | bytes | os.PathLike[str] | Sequence[str | bytes] | None
    """What is given as `cookie=`."""

COOKIE_FILE: Final = "~/.clusterkit.cookie"
COOKIE_VARIABLE: Final = "CLUSTERKIT_COOKIE"
FILE_VARIABLE: Final = "CLUSTERKIT_COOKIE_FILE"

PRINT_BYTES: Final = 8
"""Length of a cookie's fingerprint."""


@frozen
class Found:
    """The cookies to use, and the file that they are in.

    Attributes:
        cookies: The first dials, all are accepted.
        file: None if they were told some other way.
    """

    cookies: list[bytes] = field(repr=False)
    file: Path | None = None


def found_cookies(cookie: Cookie, environ: Mapping[str, str] = os.environ) -> Found:
    """Return the cookies to use, and where they are kept.

    Args:
        cookie: One, several while rotating, or the path of a file of them, as
            a `Path`. None: then the variable `CLUSTERKIT_COOKIE` counts, after
            it the file that `CLUSTERKIT_COOKIE_FILE` names, after that
            `~/.clusterkit.cookie`.
        environ: The environment.

    Raises:
        ConfigError: There is none, one is empty or neither text nor bytes,
            they are too many, or others can read the file.
    """
    if cookie is None:
        found = surrounding_cookies(environ)
        if found is None:
            raise ConfigError(
                f"no cookie: pass cookie=, set {COOKIE_VARIABLE} or {FILE_VARIABLE}, "
                f"or make {COOKIE_FILE} with `cluster-cli cookie new`"
            )
        return found
    if isinstance(cookie, os.PathLike):
        return cookies_in(cookie)
    return Found(checked_cookies(cookie))


def checked_cookies(cookie: object) -> list[bytes]:
    """Return the cookies that a program has given, one or several.

    Raises:
        ConfigError: There is none, one is empty or neither text nor bytes, or
            they are too many.
    """
    several = [cookie] if isinstance(cookie, (str, bytes)) else cookie
    if not isinstance(several, Iterable):
        raise ConfigError("a cookie is text or bytes, or there is a list of them")
    found = [checked_cookie(_as_bytes(c)) for c in several] or [checked_cookie(b"")]
    if len(found) > MOST_COOKIES:
        raise ConfigError(f"{len(found)} cookies are over {MOST_COOKIES}")
    return found


def cookies_in(path: str | os.PathLike[str]) -> Found:
    """Return the cookies in a file.

    Raises:
        ConfigError: As `read_cookie_file`.
    """
    file = Path(path).expanduser()
    return Found(list(read_cookie_file(file).cookies), file.absolute())


def fingerprint(cookie: bytes) -> str:
    """Return what tells cookies apart without telling them, 16 hex digits.

    It is as costly to guess a cookie from as a handshake is: one scrypt for
    each try. It takes as long itself the first time, so stretch the cookie
    beforehand where that matters.
    """
    return derive(stretch(cookie), b"fingerprint")[:PRINT_BYTES].hex()


def fresh_cookie() -> bytes:
    """Return a new one, of 256 random bits."""
    return secrets.token_urlsafe(32).encode()


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
    if not file.name:
        raise ConfigError(f"{file} is no file that a cookie could be written to")
    try:
        fresh = write_private(file, fresh_cookie() + b"\n")
        try:
            if force:
                fresh.replace(file)
            else:
                os.link(fresh, file)  # fails if there is one, unlike a rename
        finally:
            with suppress(OSError):  # it has been renamed
                fresh.unlink()
        sync_folder(file.parent)
    except FileExistsError:
        raise ClusterError(
            f"{file} exists; nodes that use it would be cut off. "
            "Use --force to replace it, or `cluster-cli cookie rotate`"
        ) from None
    except OSError as error:
        raise ConfigError(f"cannot write {file}: {error.strerror}") from error
    return file


def _as_bytes(cookie: object) -> bytes:
    if isinstance(cookie, str):
        try:
            return cookie.encode()
        except UnicodeEncodeError:
            raise ConfigError("a cookie given as text is none in UTF-8") from None
    if isinstance(cookie, bytes):
        return cookie
    raise ConfigError(f"a cookie is text or bytes, not of type {type(cookie).__name__}")


def surrounding_cookies(environ: Mapping[str, str] = os.environ) -> Found | None:
    """Return the cookies that the environment has or names, else the home folder's.

    Raises:
        ConfigError: The file is not fit for cookies.
    """
    if environ.get(COOKIE_VARIABLE):
        return Found([os.fsencode(environ[COOKIE_VARIABLE])])
    if environ.get(FILE_VARIABLE):
        return cookies_in(environ[FILE_VARIABLE])
    if not Path(COOKIE_FILE).expanduser().exists():
        return None
    return cookies_in(COOKIE_FILE)
