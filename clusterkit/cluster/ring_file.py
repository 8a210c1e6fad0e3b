"""The file that keeps a node's part in its ring across restarts.

JSON, so that an operator can read it, with a checksum, so that half of one is
never believed. What is in it comes from `Membership.to_plain`.
"""

from __future__ import annotations

import json
import zlib
from typing import TYPE_CHECKING, Any, Final

from clusterkit.errors import StateError

if TYPE_CHECKING:
    from clusterkit.net.transport import Disk

FORMAT: Final = 1

_REMEDY = "move the file away to start without it, and meet a member of the ring again"


class RingFile:
    """One state file, locked for the life of the node.

    Args:
        disk: Where it is.
        path: Its path.
    """

    def __init__(self, disk: Disk, path: str) -> None:
        self.path = path
        self._disk = disk
        self._written: bytes | None = None

    def __repr__(self) -> str:
        return f"<RingFile {self.path}>"

    async def open(self, ring: str) -> dict[str, Any] | None:
        """Lock the file and read it.

        Args:
            ring: The ring it has to be of; a file of a node that has left
                its ring is of any.

        Returns:
            What was saved, None if there is no file yet.

        Raises:
            StateInUse: Another process has it.
            StateError: There cannot be a file, or it is unreadable, damaged, or
                of another ring.
        """
        await self._lock()
        try:
            return self._decode(await self._read(), ring)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Unlock the file."""
        self._disk.unlock(self.path)

    async def save(self, ring: str, plain: dict[str, Any]) -> None:
        """Write what `open` will return; nothing if it is there already.

        Raises:
            StateError: The disk refused; the old content stands.
        """
        data = encode(ring, plain)
        if data == self._written:
            return
        try:
            await self._disk.replace_atomically(self.path, data)
        except OSError as error:
            raise StateError(f"cannot write {self.path}: {error.strerror}") from error
        self._written = data

    async def _lock(self) -> None:
        try:
            await self._disk.lock(self.path)
        except OSError as error:
            raise StateError(
                f"cannot keep the ring in {self.path}: {error.strerror or error}; choose "
                "a file in a folder that this user can write to"
            ) from error

    async def _read(self) -> bytes | None:
        try:
            return await self._disk.read(self.path)
        except OSError as error:
            raise StateError(
                f"cannot read {self.path}: {error.strerror}; {_REMEDY}"
            ) from error

    def _decode(self, data: bytes | None, ring: str) -> dict[str, Any] | None:
        if data is None:
            return None
        loaded, plain = decode(data, self.path)
        if loaded not in ("", ring):
            raise StateError(
                f"loaded ring {loaded!r} does not match {ring!r}: {self.path} is of "
                f"another ring; {_REMEDY}"
            )
        return plain


def encode(ring: str, plain: dict[str, Any]) -> bytes:
    """Return the content of a state file."""
    saved = json.dumps(plain, separators=(",", ":"), sort_keys=True)
    head = {"clusterkit": FORMAT, "ring": ring, "crc32": zlib.crc32(saved.encode())}
    return json.dumps({**head, "saved": plain}, indent=1, sort_keys=True).encode()


def decode(data: bytes, path: str) -> tuple[str, dict[str, Any]]:
    """Return the ring and what was saved.

    Raises:
        StateError: It is no state file, of a later version, or damaged.
    """
    try:
        content = json.loads(data)
        version, ring = content["clusterkit"], content["ring"]
        crc, plain = content["crc32"], content["saved"]
        saved = json.dumps(plain, separators=(",", ":"), sort_keys=True)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise StateError(f"{path} is not a state file; {_REMEDY}") from error
    if not isinstance(plain, dict):
        raise StateError(f"{path} is not a state file; {_REMEDY}")
    if version != FORMAT:
        raise StateError(
            f"{path} has format {version!r}, this version reads {FORMAT}; {_REMEDY}"
        )
    if not isinstance(ring, str) or crc != zlib.crc32(saved.encode()):
        raise StateError(f"{path} is damaged; {_REMEDY}")
    return ring, plain
