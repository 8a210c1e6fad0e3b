"""The cookies of a node that runs: replaced, or read again from their file.

What stands in the file is `cookie_file`, where it is looked for `cookies`.
Sessions that are up go on whatever happens here. The invariant is that a node
always holds cookies that it can be reached with: what is broken, empty or
foreign changes nothing.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

import trio

from clusterkit.cluster.cookies import checked_cookies, cookies_in, fingerprint
from clusterkit.errors import ConfigError
from clusterkit.logs import log
from clusterkit.wire.seal import stretch

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path


logger = logging.getLogger("clusterkit.cluster")


class Holder(Protocol):
    """What uses cookies: the first signs, or dials, any is accepted."""

    cookies: list[bytes]

    def use_cookies(self, cookies: Sequence[bytes]) -> None:
        """Use others from now on."""


class Keyring:
    """The cookies of one node while it runs.

    Args:
        holder: Dials and accepts with them.
        run_blocking: Runs what takes tens of milliseconds.
        file: Where they are kept, None if they were told some other way.

    Attributes:
        file: Where they are kept; `reload` reads it again.
    """

    def __init__(
        self,
        holder: Holder,
        run_blocking: Callable[..., Awaitable[Any]],
        file: Path | None,
    ) -> None:
        self.file = file
        self._holder = holder
        self._run_blocking = run_blocking
        # One change after the other: each is compared with what it replaces.
        self._lock = trio.Lock()

    def __repr__(self) -> str:
        return f"<Keyring {len(self._holder.cookies)} from {self.file}>"

    async def replace(
        self, cookie: str | bytes | Sequence[str | bytes], *, force: bool = False
    ) -> bool:
        """Take other cookies: the first dials, all are accepted.

        To change the cookie of a cluster, let every node accept the new one,
        then every node dial with it, and then drop the old one:
        `replace([old, new])`, `replace([new, old])`, `replace(new)`, each at
        all nodes before the next at any.

        Args:
            cookie: One, or several.
            force: Take them even if none was valid before. What is connected
                stays so, but finds its way back only where the other end has
                one of them, too.

        Returns:
            Whether they are others than before.

        Raises:
            ConfigError: One is empty, or no cookie; or none was valid before.
                Nothing has changed.

        Guarantees:
            From its return on, a new session needs one of them; there is no
            moment at which none is valid. Sessions that are up go on.

        Cancellation:
            They are as before, or all replaced.
        """
        fresh = checked_cookies(cookie)
        async with self._lock:
            return await self._take(fresh, force=force)

    async def reload(self, *, force: bool = False) -> bool:
        """Read the cookie file again, as SIGHUP makes `serve_forever` do.

        Args:
            force: As for `replace`.

        Returns:
            Whether the cookies are others than before.

        Raises:
            ConfigError: There is no file, or it is unfit: it cannot be read,
                is empty, or others can read it; or none of its cookies was
                valid before. It is logged, too, and nothing has changed.

        Guarantees, cancellation:
            Those of `replace`.
        """
        async with self._lock:
            try:
                return await self._take(await self._read(), force=force)
            except ConfigError as error:
                log(logger, logging.ERROR, "cookies_not_reloaded", error=error)
                raise

    async def reload_or_log(self) -> None:
        """Read the file again; why that failed is in the log."""
        with suppress(ConfigError):
            await self.reload()

    def fingerprints(self) -> list[str]:
        """Return what tells the cookies apart without telling them.

        Returns:
            One for each, in their order: that of the cookie that dials first.
        """
        return [fingerprint(cookie) for cookie in self._holder.cookies]

    async def _read(self) -> list[bytes]:
        if self.file is None:
            raise ConfigError(
                "this node was given its cookie without a file: change it where it "
                "came from and restart the node, or let its program replace it"
            )
        return list((await self._run_blocking(cookies_in, self.file)).cookies)

    async def _take(self, fresh: list[bytes], *, force: bool) -> bool:
        before = list(self._holder.cookies)
        if fresh == before:
            return False
        if not (force or set(fresh) & set(before)):
            raise ConfigError(
                "none of the new cookies is valid now: the node would be cut off from "
                "all that have not got one, too. Keep an old one beside, or force it"
            )
        for cookie in fresh:
            # Before anybody waits for it: it takes as long as many calls.
            await self._run_blocking(stretch, cookie)
        self._holder.use_cookies(fresh)
        dials = "as before" if fresh[0] == before[0] else "another"
        log(logger, logging.INFO, "cookies_changed", valid=len(fresh), dials=dials)
        return True
