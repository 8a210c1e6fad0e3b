"""The cookie file: what stands in it, and how it changes while cookies rotate.

One cookie on a line: the first dials, all are accepted. Empty lines and those
that begin with `#` are none; one of these may say how far a rotation has come.
Here lives the text and its three changes, and how it is read and written; who
reads it again, and when, is `keyring`. The invariant is that a file is never
seen half written, nor by others than its owner.
"""

from __future__ import annotations

import os
import re
import secrets
from contextlib import suppress
from dataclasses import field
from pathlib import Path
from typing import Final

from clusterkit.errors import ConfigError
from clusterkit.frozen import frozen
from clusterkit.net.disk import read_regular, sync_folder
from clusterkit.wire.seal import checked_cookie

MAX_COOKIE: Final = 4096
"""Bytes of the largest cookie file; more is another file, given by mistake."""

MOST_COOKIES: Final = 8
"""Cookies that a node accepts at once. A rotation needs two; each costs every
wrong proof one more check, and a new node one more scrypt."""

STEPS: Final = 3
"""Steps of a rotation: accept the new, dial with it, drop the old."""

_STEP: Final = re.compile(rf"# step ([1-{STEPS - 1}]) of {STEPS}\b.*")
_NOTES: Final = {
    1: "the second cookie is new; it is accepted, and dials in the next step",
    2: "the first cookie is new; the second one is dropped in the next step",
}


@frozen
class CookieFile:
    """What stands in a cookie file.

    Attributes:
        cookies: At least one; the first dials.
        step: The last step of a rotation that is under way, 0 for none.
        comments: Other comments, which stay.
    """

    cookies: tuple[bytes, ...] = field(repr=False)
    step: int = 0
    comments: tuple[str, ...] = ()

    @classmethod
    def parse(cls, content: bytes, what: str) -> CookieFile:
        """Read the content of a file.

        Args:
            content: The bytes.
            what: How errors call the file.

        Raises:
            ConfigError: It is no text, it holds no cookie, or too many.
        """
        lines = [line.strip() for line in _text(content, what).split("\n")]
        comments = [line for line in lines if line.startswith("#")]
        steps = [int(found[1]) for c in comments if (found := _STEP.fullmatch(c))]
        cookies = [line.encode() for line in lines if line and not line.startswith("#")]
        checked_cookie(b"".join(cookies), what)
        if len(cookies) > MOST_COOKIES:
            raise ConfigError(f"{what} has {len(cookies)} cookies, over {MOST_COOKIES}")
        return cls(
            tuple(cookies),
            steps[-1] if steps else 0,
            tuple(c for c in comments if not _STEP.fullmatch(c)),
        )

    def to_bytes(self) -> bytes:
        """Return the content of the file."""
        lines = list(self.comments)
        if self.step:
            lines.append(f"# step {self.step} of {STEPS}: {_NOTES[self.step]}")
        lines += [cookie.decode() for cookie in self.cookies]
        return ("\n".join(lines) + "\n").encode()

    def rotated(self, fresh: bytes) -> CookieFile:
        """Return the file after the next step of a rotation.

        Args:
            fresh: The new cookie, if this is the first step.

        Raises:
            ConfigError: What is in it is of no step.
        """
        cookies = self.cookies
        if len(cookies) != (2 if self.step else 1):
            raise ConfigError(
                f"it holds {len(cookies)} cookies, and {_expected(self.step)}"
            )
        if self.step == 0:
            return CookieFile((*cookies, fresh), 1, self.comments)
        if self.step == 1:
            return CookieFile((cookies[1], cookies[0]), 2, self.comments)
        return CookieFile(cookies[:1], 0, self.comments)


def read_cookie_file(path: str | Path) -> CookieFile:
    """Read a cookie file.

    Raises:
        ConfigError: There is no such file, it is empty or none for cookies, or
            its mode lets others read it (the mode counts, also for root).
    """
    file = Path(path).expanduser()
    content = read_private(file, "the cookie file")
    return CookieFile.parse(content, f"the cookie file {file}")


def read_private(file: Path, what: str) -> bytes:
    """Return the content of a file that nobody but its owner can read.

    Args:
        file: The file.
        what: How errors call it.

    Raises:
        ConfigError: It cannot be read, is too long, or others can read it (the mode
            counts, also for root).
    """
    try:
        content, mode = read_regular(file, MAX_COOKIE)
    except OSError as error:
        raise ConfigError(f"cannot read {what} {file}: {error.strerror}") from error
    if mode & 0o077:
        raise ConfigError(f"others can read {file}; run: chmod 600 {file}")
    return content


def write_cookie_file(
    path: str | Path, content: CookieFile, *, instead_of: CookieFile | None = None
) -> None:
    """Replace a cookie file that is there, at once and with its owner's rights.

    A link stays, and leads to the new file.

    Args:
        path: The file.
        content: What to write.
        instead_of: What has to stand in it; None for anything.

    Raises:
        ConfigError: It cannot be written, or holds something else by now.
    """
    file = Path(path).expanduser()
    try:
        _replace(file.resolve(strict=True), content.to_bytes(), instead_of)
    except OSError as error:
        raise ConfigError(f"cannot write {file}: {error.strerror}") from error


def write_private(file: Path, content: bytes) -> Path:
    """Write `content` beside `file`, for its owner alone; return where.

    Raises:
        OSError: It cannot be written.
    """
    fresh = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as out:
            out.write(content)
            out.flush()
            os.fsync(descriptor)
    except OSError:
        fresh.unlink()
        raise
    return fresh


def _replace(file: Path, content: bytes, instead_of: CookieFile | None) -> None:
    before = file.stat()
    fresh = write_private(file, content)
    try:
        made = fresh.stat()
        if (before.st_uid, before.st_gid) != (made.st_uid, made.st_gid):
            # By root, for the user that the node runs as: it must read it again.
            os.chown(fresh, before.st_uid, before.st_gid)
        _expect(file, instead_of)
        fresh.replace(file)
    except (OSError, ConfigError):
        with suppress(OSError):
            fresh.unlink()
        raise
    sync_folder(file.parent)


def _expect(file: Path, before: CookieFile | None) -> None:
    """Refuse to replace what is not what it was; the later asked, the better.

    Another operator may be at it, whose cookie nodes may have by now: it would be
    nowhere any more.

    Raises:
        ConfigError: It is something else.
    """
    if before is not None and read_cookie_file(file) != before:
        raise ConfigError(f"{file} was changed meanwhile; look at it, and try again")


def _text(content: bytes, what: str) -> str:
    """Return the content as text.

    Random bytes would be cut into cookies wherever one of them ends a line.

    Raises:
        ConfigError: It is none.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigError(f"{what} is no text; a cookie is a line of it") from None
    if not all(line.strip().isprintable() for line in text.split("\n")):
        raise ConfigError(f"{what} has control characters; a cookie is a line of text")
    return text


def _expected(step: int) -> str:
    """Say what a file without, or within, a rotation has to hold."""
    if step:
        return f"after step {step} of {STEPS} there are two"
    return (
        "no note of a rotation; leave one, or write `# step 1 of 3` above two "
        "(the second is new) or `# step 2 of 3` (the first is new)"
    )
