"""A config that cannot work is refused where it is made, not where it fails."""

from __future__ import annotations

from dataclasses import fields
from math import inf, nan

import pytest

from clusterkit.config import MAX_MESSAGE, MIN_MESSAGE, Config
from clusterkit.errors import ConfigError

COUNTS = [field.name for field in fields(Config) if field.type == "int"]
TIMES = [field.name for field in fields(Config) if field.type == "float"]


CHOICES = ("outbox_policy", "mailbox_policy", "detector", "phi_form")


def test_every_knob_is_a_count_a_time_or_a_choice():
    names = {field.name for field in fields(Config)}
    assert {*COUNTS, *TIMES, *CHOICES} == names


@pytest.mark.parametrize("name", COUNTS)
@pytest.mark.parametrize("value", [0, -1, 1.5, 8192.0, inf, nan, "1", None, True])
def test_a_count_is_a_whole_number_above_0(name, value):
    with pytest.raises(ConfigError, match=name):
        Config(**{name: value})


@pytest.mark.parametrize("name", TIMES)
@pytest.mark.parametrize("value", [0, -1.0, nan, "1", None, True])
def test_a_time_is_a_number_above_0(name, value):
    with pytest.raises(ConfigError, match=name):
        Config(**{name: value})


@pytest.mark.parametrize("name", TIMES)
def test_a_time_is_no_number_beyond_all_clocks(name):
    with pytest.raises(ConfigError, match=name):
        Config(**{name: 10**400})


def test_a_time_may_be_a_whole_number_or_endless():
    assert Config(call_timeout=3, idle_close=inf).call_timeout == 3


@pytest.mark.parametrize("value", [8, MIN_MESSAGE - 1, MAX_MESSAGE + 1])
def test_a_limit_that_answers_or_frames_do_not_fit_in_is_refused(value):
    with pytest.raises(ConfigError, match="max_message"):
        Config(max_message=value)


@pytest.mark.parametrize("value", [MIN_MESSAGE, MAX_MESSAGE])
def test_the_limit_may_be_either_bound(value):
    assert Config(max_message=value).max_message == value


@pytest.mark.parametrize(
    "pauses",
    [
        {"backoff_first": 0.4},
        {"backoff_cap": 6.0},
        {"backoff_long_cap": 0.2},
    ],
)
def test_pauses_between_dials_only_grow(pauses):
    with pytest.raises(ConfigError, match="backoff_first"):
        Config(**pauses)


@pytest.mark.parametrize("dead_after", [0.5, 1.0, 1.99])
def test_a_peer_gets_time_to_answer_a_ping(dead_after):
    with pytest.raises(ConfigError, match="ping_after"):
        Config(ping_after=1.0, dead_after=dead_after)


@pytest.mark.parametrize("name", CHOICES)
def test_a_choice_is_one_of_those_there_are(name):
    with pytest.raises(ConfigError, match=f"{name}.*'never'"):
        Config(**{name: "never"})


@pytest.mark.parametrize("value", [0.99, 100.1, inf])
def test_a_threshold_of_phi_is_one_that_silence_reaches(value):
    with pytest.raises(ConfigError, match="phi_threshold"):
        Config(phi_threshold=value)
