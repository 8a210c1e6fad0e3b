"""From options to a destination: the address, and what lets in and encrypts."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from clusterkit.cli.client import Destination
from clusterkit.cluster.cookies import (
    COOKIE_FILE,
    COOKIE_VARIABLE,
    FILE_VARIABLE,
    Found,
    checked_cookies,
    cookies_in,
    surrounding_cookies,
)
from clusterkit.errors import ConfigError
from clusterkit.names import Address
from clusterkit.net.certificates import Tls
from clusterkit.net.renewal import credentials
from clusterkit.net.tcp import TcpTransport
from clusterkit.net.tls import TlsTransport

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from clusterkit.net.transport import Transport

TLS_VARIABLES: Final = {
    "tls_cert": "CLUSTERKIT_TLS_CERT",
    "tls_key": "CLUSTERKIT_TLS_KEY",
    "tls_ca": "CLUSTERKIT_TLS_CA",
}
"""The variable that counts where an option is not given."""

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
        ConfigError: There is no cookie, or it is not kept secret; or TLS is not
            configured whole, or with files that are no good.
    """
    return Destination(
        address=Address(options["hostname"], options["node_port"]),
        cookies=tuple(chosen_cookies(options, warn, environ).cookies),
        instance=options["instance"],
        timeout=options["timeout"],
        transport=_transport(chosen_tls(options, environ)),
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
            f"{COOKIE_FILE} with `cluster-cli cookie new`; {FILE_VARIABLE}, or "
            "cookie_file in a node's file of settings, may name another file"
        )
    return found


def chosen_tls(
    options: Mapping[str, Any], environ: Mapping[str, str] = os.environ
) -> Tls | None:
    """Return what to encrypt with, None for a connection in clear.

    Raises:
        ConfigError: One of the three files is named and another is not.
    """
    found = {
        name: environ.get(variable) or None for name, variable in TLS_VARIABLES.items()
    }
    # An empty one was meant to be none of them: that must not mean no TLS.
    found |= {name: options[name] for name in found if options.get(name) is not None}
    missing = [name for name, path in found.items() if not path]
    hostnames = bool(options.get("tls_hostnames"))
    if set(found.values()) == {None} and not hostnames:
        return None
    if missing:
        flag = f"--{missing[0].replace('_', '-')}"
        raise ConfigError(
            "TLS needs a certificate, its key, and a CA: give "
            f"{flag}, too, or set {TLS_VARIABLES[missing[0]]}"
        )
    return Tls(
        certificate=str(found["tls_cert"]),
        key=str(found["tls_key"]),
        ca=str(found["tls_ca"]),
        hostnames=hostnames,
    )


def _transport(tls: Tls | None) -> Transport:
    tcp = TcpTransport()
    return tcp if tls is None else TlsTransport(tcp, credentials(tls))
