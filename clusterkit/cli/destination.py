"""From options to a destination: the address, and the cookie that lets in."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from clusterkit.cli.client import Destination
from clusterkit.cluster.cookies import (
    COOKIE_FILE,
    COOKIE_VARIABLE,
    Found,
    checked_cookies,
    cookies_in,
    surrounding_cookies,
)
from clusterkit.errors import ConfigError
from clusterkit.names import Address

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

KEY_WARNING: Final = (
    "-a shows the cookie to everybody who lists processes; prefer --cookie-file"
)


def destination(
    options: Mapping[str, Any],
    warn: Callable[[str], None],
    environ: Mapping[str, str] = os.environ,
) -> Destination:
    """Return where to connect, as the options say.

    Args:
        options: Of a request.
        warn: Tells the user.
        environ: The environment.

    Raises:
        ConfigError: There is no cookie, or it is not kept secret.
    """
    return Destination(
        address=Address(options["hostname"], options["node_port"]),
        cookies=tuple(chosen_cookies(options, warn, environ).cookies),
        instance=options["instance"],
        timeout=options["timeout"],
    )


def chosen_cookies(
    options: Mapping[str, Any],
    warn: Callable[[str], None],
    environ: Mapping[str, str] = os.environ,
) -> Found:
    """Return the cookies: `-a`, else the file given, else the surroundings'.

    Raises:
        ConfigError: There is none, it is empty, or others can read its file.
    """
    if options.get("key") is not None:
        warn(KEY_WARNING)
        return Found(checked_cookies(options["key"]))
    if options.get("cookie_file") is not None:
        return cookies_in(options["cookie_file"])
    found = surrounding_cookies(environ)
    if found is None:
        raise ConfigError(
            f"no cookie: give --cookie-file, set {COOKIE_VARIABLE}, or make "
            f"{COOKIE_FILE} with `cluster-cli cookie new`"
        )
    return found
