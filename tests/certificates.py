"""A CA for tests, and the files of nodes that it signs."""

from __future__ import annotations

import ssl
import tempfile
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import trustme

from clusterkit import Tls, TlsContexts
from clusterkit.net.credentials import load
from clusterkit.net.tls import TlsTransport


@cache
def folder():
    """Where the files are, for as long as this process lives."""
    return tempfile.TemporaryDirectory(prefix="clusterkit-tls-")


@cache
def authority(name="ours"):
    """A CA; another one for each name."""
    return trustme.CA(organization_name=name)


@cache
def files(node, ca="ours", *, hosts=("127.0.0.1",), days=30, hostnames=False):
    """A `Tls` of a certificate, made for a node, that ends in so many days."""
    root = Path(folder().name)
    base = root / f"{node}-{ca}-{days}-{'-'.join(hosts)}"
    began = datetime.now(UTC) - timedelta(days=60)
    issued = authority(ca).issue_cert(
        *hosts,
        common_name=node,
        not_before=began,
        not_after=datetime.now(UTC) + timedelta(days=days),
    )
    return Tls(
        certificate=_written(f"{base}.pem", *issued.cert_chain_pems),
        key=_written(f"{base}.key", issued.private_key_pem),
        ca=_written(root / f"{ca}.ca.pem", authority(ca).cert_pem),
        hostnames=hostnames,
    )


def contexts(node, ca="ours"):
    """The same as contexts that somebody has made by hand."""
    tls, made = files(node, ca), {}
    for role, protocol in (
        ("listener", ssl.PROTOCOL_TLS_SERVER),
        ("dialer", ssl.PROTOCOL_TLS_CLIENT),
    ):
        context = made[role] = ssl.SSLContext(protocol)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.check_hostname = False
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(tls.certificate, tls.key)
        context.load_verify_locations(tls.ca)
    return TlsContexts(**made)


def secured(transport, tls, trusting=None):
    """A transport with TLS around it, whose dialers trust one more CA."""
    found = load(tls)
    if trusting is not None:
        found.dialer.load_verify_locations(trusting.ca)
    return TlsTransport(transport, lambda: found)


def _written(path, *blobs):
    Path(path).write_bytes(b"".join(blob.bytes() for blob in blobs))
    return str(path)
