"""Log lines: a constant event name, then `key=value` fields.

The fields are in the text and in `extra`, so a plain handler prints them and a
JSON formatter finds them. Payloads and cookies are never logged.
"""

from __future__ import annotations

import logging

logging.getLogger("clusterkit").addHandler(logging.NullHandler())


def log(logger: logging.Logger, level: int, event: str, /, **fields: object) -> None:
    """Log `event` with its fields, if anybody listens at that level.

    A value with spaces, quotes or control characters is quoted; None is left out.
    """
    if not logger.isEnabledFor(level):
        return
    told = {key: value for key, value in fields.items() if value is not None}
    text = " ".join(f"{key}={_quoted(value)}" for key, value in told.items())
    logger.log(level, "%s %s", event, text, extra={"event": event, "fields": told})


def _quoted(value: object) -> str:
    text = str(value)
    plain = text.isprintable() and not set(text) & set(" \"'=")
    return text if text and plain else repr(text)
