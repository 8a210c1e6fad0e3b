"""Certificates that are made anew while the node runs.

Whoever is to shake hands asks for the credentials. The files are looked at each
time, and read when they are others than before, so a renewed certificate counts
from the next connection on. Connections that are up stay as they are. The
invariant: what cannot be used never takes the place of what could.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from clusterkit.errors import ConfigError
from clusterkit.logs import log
from clusterkit.net.certificates import Tls, TlsContexts
from clusterkit.net.credentials import load

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from clusterkit.net.credentials import Credentials

logger = logging.getLogger("clusterkit.net")

Stamp: TypeAlias = "tuple[int, int, int] | None"


def credentials(
    tls: Tls | TlsContexts, host: str | None = None
) -> Callable[[], Credentials]:
    """Return what gives the credentials of the moment.

    Args:
        tls: Files, or contexts, which are their owner's to renew.
        host: As for `load`.

    Raises:
        ConfigError: As `load`.
    """
    if isinstance(tls, TlsContexts):
        fixed = load(tls, host)
        return lambda: fixed
    return Renewed(tls, host).now


class Renewed:
    """Credentials of files that may change.

    Args:
        tls: The files.
        host: As for `load`.

    Raises:
        ConfigError: As `load`; later on such a thing is a line in the log.
    """

    def __init__(self, tls: Tls, host: str | None) -> None:
        self._tls = tls
        self._host = host
        # First, so that a change while they are read is noticed.
        self._stamps = self._look()
        self._found = load(tls, host)

    def __repr__(self) -> str:
        return f"<Renewed {self._tls.certificate}>"

    def now(self) -> Credentials:
        """Return the credentials of the files as they are, or were last good."""
        stamps = self._look()
        if stamps != self._stamps:
            self._stamps = stamps
            self._read()
        return self._found

    def _read(self) -> None:
        told = {"certificate": self._tls.certificate}
        try:
            self._found = load(self._tls, self._host)
        except ConfigError as error:
            # Half of a change, perhaps: the other half will be noticed, too.
            log(logger, logging.WARNING, "tls_not_renewed", **told, error=error)
        else:
            log(logger, logging.INFO, "tls_renewed", **told)

    def _look(self) -> list[Stamp]:
        return [_stamp(p) for p in (self._tls.certificate, self._tls.key, self._tls.ca)]


def _stamp(path: str | os.PathLike[str]) -> Stamp:
    try:
        found = Path(path).expanduser().stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
