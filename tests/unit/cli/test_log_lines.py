"""The shape of a log line."""

from __future__ import annotations

import logging

from clusterkit.cli.log_lines import LineFormatter
from clusterkit.logs import log


def lines(caplog, act):
    logger = logging.getLogger("clusterkit.net")
    with caplog.at_level(logging.INFO, "clusterkit"):
        act(logger)
    found = []
    for record in caplog.records:
        record.created = 1_795_000_000.25
        found.append(LineFormatter().format(record))
    return found


def test_a_line_is_time_level_logger_event_and_fields(caplog):
    found = lines(
        caplog,
        lambda logger: log(
            logger,
            logging.WARNING,
            "link_refused",
            peer="bar",
            reason="two words",
            n=None,
        ),
    )
    (line,) = found
    assert line == (
        "2026-11-18T11:06:40.250Z WARNING clusterkit.net "
        "link_refused peer=bar reason='two words'"
    )


def test_an_event_without_fields_has_no_trailing_blank(caplog):
    (line,) = lines(caplog, lambda logger: log(logger, logging.INFO, "link_up"))
    assert line.endswith("INFO clusterkit.net link_up")


def test_a_text_that_is_no_event_is_kept(caplog):
    (line,) = lines(caplog, lambda logger: logger.error("Traceback\n  line"))
    assert line.endswith("ERROR clusterkit.net Traceback\n  line")


def test_a_traceback_follows_its_line(caplog):
    def act(logger):
        try:
            int("boom")
        except ValueError:
            logger.exception("crashed")

    (line,) = lines(caplog, act)
    assert line.splitlines()[-1] == (
        "ValueError: invalid literal for int() with base 10: 'boom'"
    )


def test_what_a_stranger_sends_cannot_move_the_cursor(caplog):
    log(logging.getLogger("clusterkit.test"), logging.WARNING, "x", name="\x1b[2J")
    assert caplog.messages == [r"x name='\x1b[2J'"]
