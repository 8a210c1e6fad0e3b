"""Who may ask for what: a secret of the operator's, compared in constant time."""

from __future__ import annotations

import hmac
import re
from collections import Counter
from hashlib import sha256
from typing import Final

from clusterkit.errors import ConfigError

LEAST_SECRET: Final = 16
"""Bytes that a secret has at least: it can be tried from anywhere."""

SCHEME: Final = "bearer "

_NO_HEADER: Final = re.compile(rb"[\x00-\x1f\x7f]")


class Gate:
    """Lets an operator in.

    Args:
        secret: The operator's; None lets nobody in.

    Attributes:
        refused: How often somebody was not let in, by route.

    Raises:
        ConfigError: It is no secret, or too short.
    """

    def __init__(self, secret: str | bytes | None) -> None:
        self.refused: Counter[str] = Counter()
        self._digest = None if secret is None else sha256(_checked(secret)).digest()

    def __repr__(self) -> str:
        return f"<Gate open={self.is_there} refused={self.refused.total()}>"

    @property
    def is_there(self) -> bool:
        """Whether there is a secret at all."""
        return self._digest is not None

    def admits(self, authorization: str) -> bool:
        """Say whether a header has the secret; takes as long whatever it has."""
        given = authorization if authorization.lower().startswith(SCHEME) else ""
        # As it came: bytes of headers are read as Latin-1.
        digest = sha256(given[len(SCHEME) :].encode("latin-1", "replace").strip())
        wanted = self._digest or b""
        return hmac.compare_digest(digest.digest(), wanted) and self.is_there

    def refuse(self, route: str) -> None:
        """Count one that was not let in, by route: of those there are few."""
        self.refused[route] += 1


def _checked(secret: object) -> bytes:
    data = secret.encode() if isinstance(secret, str) else secret
    if (
        not isinstance(data, bytes)
        or len(data.strip()) < LEAST_SECRET
        or _NO_HEADER.search(data.strip())
    ):
        raise ConfigError(
            f"operator_secret is one line of at least {LEAST_SECRET} bytes, as "
            "`python -c 'import secrets; print(secrets.token_urlsafe())'` makes it"
        )
    return data.strip()
