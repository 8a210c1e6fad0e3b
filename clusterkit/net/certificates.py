"""What links are encrypted with, as an application says it: files, or contexts.

What is wrong with a value by itself is a `ConfigError` here. What is done with
it, and what turns out to be wrong then, is `credentials`.
"""

from __future__ import annotations

import os
import ssl
from typing import TypeAlias

from clusterkit.errors import ConfigError
from clusterkit.frozen import frozen

FilePath: TypeAlias = "str | os.PathLike[str]"


@frozen(kw_only=True)
class Tls:
    """Encrypt all links, with a certificate from a CA that both ends trust.

        tls = Tls(certificate="foo.pem", key="foo.key", ca="ca.pem")
        async with create_cluster("foo", tls=tls) as node:
            ...

    TLS 1.3 at least. Each end verifies the other's certificate, and whoever has
    none from the CA does not get as far as the cookie. Nodes with TLS and nodes
    without have no links with each other.
    """

    certificate: FilePath
    """PEM file with the certificate of this node; after it those between it and
    the CA, if there are any."""

    key: FilePath
    """PEM file with the private key of the certificate, not encrypted."""

    ca: FilePath
    """PEM file with the CA's certificate, or several: each is trusted."""

    hostnames: bool = False
    """Whether the certificate of a node that is dialled must also name the host
    it is dialled at. Without, any certificate of the CA will do."""

    def __post_init__(self) -> None:
        for name in ("certificate", "key", "ca"):
            value = getattr(self, name)
            path = os.fspath(value) if isinstance(value, os.PathLike) else value
            if not isinstance(path, str) or not path or "\0" in path:
                raise ConfigError(f"tls: {name} is the path of a file, not {value!r}")
        if not isinstance(self.hostnames, bool):
            raise ConfigError(f"tls: hostnames is a bool, not {self.hostnames!r}")


@frozen(kw_only=True)
class TlsContexts:
    """Encrypt all links with contexts of one's own; see `Tls` for the usual way.

    Both must ask for the peer's certificate, and speak TLS 1.3 at least. What a
    handshake is tied to is then the `tls-unique` of its connection instead of
    the two certificates, so all nodes of a cluster have to be configured in the
    same way, by `Tls` or by this.
    """

    listener: ssl.SSLContext
    """For connections that are accepted: of `ssl.PROTOCOL_TLS_SERVER`."""

    dialer: ssl.SSLContext
    """For connections that are dialled: of `ssl.PROTOCOL_TLS_CLIENT`."""

    def __post_init__(self) -> None:
        roles = {
            "listener": ssl.PROTOCOL_TLS_SERVER,
            "dialer": ssl.PROTOCOL_TLS_CLIENT,
        }
        for name, protocol in roles.items():
            _check_context(name, getattr(self, name), protocol)


def _check_context(name: str, context: object, protocol: ssl._SSLMethod) -> None:
    if not isinstance(context, ssl.SSLContext):
        raise ConfigError(f"tls: {name} is an ssl.SSLContext, not {context!r:.100}")
    if context.protocol is not protocol:
        raise ConfigError(f"tls: {name} is a context of ssl.{protocol.name}")
    if context.verify_mode is not ssl.CERT_REQUIRED:
        raise ConfigError(
            f"tls: {name} does not ask for the peer's certificate; set its "
            "verify_mode to ssl.CERT_REQUIRED"
        )
    if context.minimum_version is not ssl.TLSVersion.TLSv1_3:
        raise ConfigError(
            f"tls: {name} would speak less than TLS 1.3, which cannot be tied to a "
            "handshake; set its minimum_version to ssl.TLSVersion.TLSv1_3"
        )
