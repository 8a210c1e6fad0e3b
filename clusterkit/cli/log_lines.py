"""Log lines of a node in the foreground: one event a line, on stderr."""

from __future__ import annotations

import datetime as dt
import logging


class LineFormatter(logging.Formatter):
    """Writes `TIME LEVEL LOGGER EVENT key=value …`; the time is UTC.

    What is no event, like a traceback, has its text in place of the last two.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        time = dt.datetime.fromtimestamp(record.created, dt.UTC)
        stamp = time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        text = record.getMessage().rstrip()
        if record.exc_info:
            text = f"{text}\n{self.formatException(record.exc_info)}"
        return f"{stamp} {record.levelname} {record.name} {text}"


def log_to_stderr(level: int = logging.INFO) -> None:
    """Have the log of clusterkit written to stderr, from `level` on."""
    handler = logging.StreamHandler()
    handler.setFormatter(LineFormatter())
    logger = logging.getLogger("clusterkit")
    logger.addHandler(handler)
    logger.setLevel(level)
