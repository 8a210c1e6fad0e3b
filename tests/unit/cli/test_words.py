"""Typed lines as words."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from clusterkit.cli.reading import UsageError
from clusterkit.cli.words import commands_of, split


def test_words_are_divided_by_blanks():
    assert split("  get \t bar ") == ["get", "bar"]


def test_an_empty_line_has_no_words():
    assert split("   ") == []


def test_json_needs_no_quotes_around_it():
    line = 'call counter add {"by": [1, 2]} [3, 4] 5'
    assert split(line) == ["call", "counter", "add", '{"by": [1, 2]}', "[3, 4]", "5"]


def test_quoted_text_stays_json_where_json_is_taken():
    assert split('call c e "a b" "5"') == ["call", "c", "e", '"a b"', '"5"']


def test_quoted_text_is_the_text_elsewhere():
    assert split('get "bar"') == ["get", "bar"]
    assert split('find "user 42"') == ["find", "user 42"]


def test_single_quotes_keep_everything():
    assert split("""call c e '{"a": 1}'""") == ["call", "c", "e", '{"a": 1}']


@pytest.mark.parametrize("line", ["get 'bar", 'get "bar', "call c e {1", "call c e ["])
def test_what_is_not_closed_is_refused(line):
    with pytest.raises(UsageError):
        split(line)


@given(st.text())
def test_any_line_is_words_or_a_usage_error(line):
    try:
        words = split(line)
    except UsageError:
        return
    assert all(isinstance(word, str) for word in words)


@pytest.mark.parametrize(
    ("text", "commands"),
    [
        ("ping", ["ping"]),
        ("", []),
        ("ping\nhas foo\n\n", ["ping", "has foo"]),
        ("ping\r\nhas foo", ["ping", "has foo"]),
        ('call c e {"a":\n 1}\nping', ['call c e {"a":\n 1}', "ping"]),
        ("call c e 'a\nb'\nping", ["call c e 'a\nb'", "ping"]),
        ("# don't\nping", ["# don't", "ping"]),
        ("call c e {a\nping", ["call c e {a\nping"]),
    ],
)
def test_what_is_pasted_has_a_command_in_each_line(text, commands):
    assert list(commands_of(text)) == commands
