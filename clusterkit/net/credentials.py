"""Certificates, keys and whom to believe, loaded and tried out.

`load` makes `Credentials` of a `Tls` or of `TlsContexts`. All that can be wrong
with them is found there, by shaking hands with ourselves before anybody else
does, and is a `ConfigError` that names the file and the remedy.
"""

from __future__ import annotations

import hashlib
import ssl
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from clusterkit.errors import ConfigError, ProtocolError
from clusterkit.frozen import frozen
from clusterkit.net.certificates import Tls, TlsContexts
from clusterkit.net.disk import read_regular

if TYPE_CHECKING:
    from clusterkit.net.certificates import FilePath

MAX_PEM: Final = 1024 * 1024
"""Bytes of the largest file of certificates or of a key: some times what the
bundle of all public CAs has."""

_CERTIFICATE: Final = "-----BEGIN CERTIFICATE-----"
_UNIQUE: Final = "tls-unique"

_REMEDIES: Final = {
    9: "it is not valid yet: set the clock right",
    10: "it, or one it was signed with, has expired: make a new one",
    18: "it is signed by itself: have the CA sign it",
    19: "give the CA that signed it, with ca= or --tls-ca",
    20: "give the CA that signed it, with ca= or --tls-ca",
    26: "let it name no use, or those of a server and of a client",
    62: "have it name that host, or do not ask for host names",
    64: "have it name that host, or do not ask for host names",
}
"""By OpenSSL's numbers: see X509_STORE_CTX_get_error(3)."""


@frozen
class Credentials:
    """What a connection's TLS is made of.

    Attributes:
        listener: The context of accepted connections.
        dialer: The context of dialled ones.
        own: SHA-256 of the certificate that both show, b"" if it is not known.
    """

    listener: ssl.SSLContext = field(repr=False)
    dialer: ssl.SSLContext = field(repr=False)
    own: bytes = b""

    def binding(self, tls: ssl.SSLObject, *, dialer: bool) -> bytes:
        """Return what ties a handshake to this connection.

        Both ends get the same, and nobody in between two connections does: the
        certificates at their ends, the dialer's first, or the Finished that the
        dialer sent. It begins with a letter, which no frame does.

        Args:
            tls: The connection, whose own handshake is done.
            dialer: Whether this end has dialled.

        Raises:
            ProtocolError: The connection gives nothing to tie to.
        """
        if not self.own:
            finished = _finished(tls)
            if not finished:
                raise ProtocolError(f"this end has no {_UNIQUE} of it", "tls")
            return b"tls finished " + finished
        theirs = _digest(tls.getpeercert(binary_form=True) or b"")
        ends = (self.own, theirs) if dialer else (theirs, self.own)
        return b"tls certificates " + b"".join(ends)


def load(tls: Tls | TlsContexts, host: str | None = None) -> Credentials:
    """Return what to encrypt with.

    Args:
        tls: Files, or contexts.
        host: By which peers dial this node; None for a tool, which nobody dials.

    Raises:
        ConfigError: A file cannot be read or used, the key is of another
            certificate, that is out of date, not for this use, or not signed by
            the CA, or this Python has no TLS 1.3.
    """
    if not ssl.HAS_TLSv1_3:
        raise ConfigError("the OpenSSL of this Python has no TLS 1.3; take a newer one")
    if isinstance(tls, TlsContexts):
        return _checked(tls, host)
    files = _Files(tls)
    return Credentials(
        files.context(ssl.PROTOCOL_TLS_SERVER),
        files.context(ssl.PROTOCOL_TLS_CLIENT),
        _digest(files.proven(host)),
    )


class _Files:
    """The three files, found to be what they should be."""

    def __init__(self, tls: Tls) -> None:
        self._hostnames = tls.hostnames
        self._certificate = _pem(tls.certificate, "certificate", _CERTIFICATE)
        self._key = _pem(tls.key, "private key", "PRIVATE KEY-----")
        self._ca = _pem(tls.ca, "CA certificate", _CERTIFICATE)

    def context(
        self, protocol: ssl._SSLMethod, verify: ssl.VerifyMode = ssl.CERT_REQUIRED
    ) -> ssl.SSLContext:
        """Return a context for one role, or one that does not look at the peer."""
        context = ssl.SSLContext(protocol)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.check_hostname = False  # it must be off before `verify` can be
        context.verify_mode = verify
        # What is in the file is trusted, whether or not it signed itself.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        if protocol is ssl.PROTOCOL_TLS_SERVER:
            context.num_tickets = 0  # no connection is the continuation of another
        elif verify is ssl.CERT_REQUIRED:
            context.check_hostname = self._hostnames
        self._load_into(context)
        return context

    def _load_into(self, context: ssl.SSLContext) -> None:
        try:
            context.load_cert_chain(self._certificate, self._key, self._no_password)
        except ssl.SSLError as error:
            if error.reason == "KEY_VALUES_MISMATCH":
                raise ConfigError(
                    f"the key {self._key} does not belong to the certificate "
                    f"{self._certificate}"
                ) from error
            raise ConfigError(
                f"{self._certificate} and {self._key} are no certificate and its key "
                f"in PEM form: {said(error)}"
            ) from error
        except OSError as error:  # taken away since it was looked at
            raise ConfigError(
                f"cannot read {self._certificate} or {self._key}: {error.strerror}"
            ) from error
        try:
            context.load_verify_locations(self._ca)
        except ssl.SSLError as error:
            raise ConfigError(
                f"{self._ca} holds no certificate of a CA in PEM form: {said(error)}"
            ) from error
        except OSError as error:
            raise ConfigError(f"cannot read {self._ca}: {error.strerror}") from error

    def _no_password(self) -> NoReturn:
        # OpenSSL would ask for it at the terminal.
        raise ConfigError(
            f"the key {self._key} is encrypted; decrypt it, and let nobody else read "
            f"it: openssl pkey -in {self._key} -out FILE"
        )

    def proven(self, host: str | None) -> bytes:
        """Return the certificate, once it has passed as a peer would judge it.

        Both roles are tried apart, so that what is wrong can be told, and since
        a tool never listens.
        """
        server = self.context(ssl.PROTOCOL_TLS_SERVER)
        client = self.context(ssl.PROTOCOL_TLS_CLIENT, ssl.CERT_NONE)
        listener, _ = self._tried(server, client, "dial with")
        if host is not None:
            server = self.context(ssl.PROTOCOL_TLS_SERVER, ssl.CERT_NONE)
            client = self.context(ssl.PROTOCOL_TLS_CLIENT)
            self._tried(server, client, f"be dialled with at {host}", host)
        return listener.getpeercert(binary_form=True) or b""

    def _tried(
        self,
        listener: ssl.SSLContext,
        dialer: ssl.SSLContext,
        use: str,
        host: str | None = None,
    ) -> tuple[ssl.SSLObject, ssl.SSLObject]:
        try:
            return _met(listener, dialer, host)
        except ssl.SSLError as error:
            code = getattr(error, "verify_code", 0)
            remedy = _REMEDIES.get(code)
            raise ConfigError(
                f"the certificate {self._certificate} is none to {use}: {said(error)}"
                + (f"; {remedy}" if remedy else "")
            ) from error


def said(error: ssl.SSLError) -> str:
    """Return what an error of OpenSSL says, in few words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message.rstrip(".")
    return (error.reason or str(error.args[-1])).replace("_", " ").lower()


def _pem(path: FilePath, what: str, mark: str) -> str:
    """Return the path of a file that has such a line in it."""
    file = Path(path).expanduser()
    try:
        content, _ = read_regular(file, MAX_PEM)
    except OSError as error:
        raise ConfigError(f"cannot read the {what} {file}: {error.strerror}") from error
    if mark.encode() not in content:
        raise ConfigError(f"{file} holds no {what}: there is no line with {mark}")
    return str(file)


def _checked(tls: TlsContexts, host: str | None) -> Credentials:
    """Return contexts that can speak to each other, and be tied to."""
    try:
        ends = _met(tls.listener, tls.dialer, host)
    except ssl.SSLError as error:
        raise ConfigError(
            f"tls: the listener's and the dialer's context do not get on: {said(error)}"
        ) from error
    finished = {_finished(end) for end in ends}
    if len(finished) != 1 or not all(finished):
        raise ConfigError(
            f"tls: no {_UNIQUE} is the same at both ends of a connection, so a "
            "handshake could not be tied to it; configure TLS by files, with Tls"
        )
    return Credentials(tls.listener, tls.dialer)


def _finished(tls: ssl.SSLObject) -> bytes:
    """Return the Finished of the dialer, b"" if this Python does not give it.

    In TLS 1.3 it is a MAC over the whole handshake, its key shares and both
    certificates among it, under a key that only the two ends have.
    """
    if _UNIQUE not in ssl.CHANNEL_BINDING_TYPES:
        return b""
    return tls.get_channel_binding(_UNIQUE) or b""


def _met(
    listener: ssl.SSLContext, dialer: ssl.SSLContext, host: str | None
) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    """Shake hands in memory; return both ends.

    Raises:
        ssl.SSLError: One of them refuses the other.
        ConfigError: The host's name has to be checked, and none could have it.
    """
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    name = host if dialer.check_hostname else None
    try:
        ends = (
            listener.wrap_bio(there, back, server_side=True),
            dialer.wrap_bio(back, there, server_hostname=name),
        )
    except ValueError as error:
        raise ConfigError(f"no certificate can name the host {name}") from error
    unready = {0, 1}
    while unready:
        for end in (1, 0):
            try:
                ends[end].do_handshake()
                unready.discard(end)
            except ssl.SSLWantReadError:
                continue  # the other one's turn
    return ends


def _digest(certificate: bytes) -> bytes:
    return hashlib.sha256(certificate).digest()
