"""What members say, as an operator's tool is told it."""

from __future__ import annotations

import datetime as dt

from clusterkit.cluster.member_rows import state_rows
from clusterkit.errors import DecodeError


class State:
    """Stands for `node.state`."""

    def __init__(self, **books):
        self.books = books

    def peers(self):
        return tuple(self.books)

    def keys(self, peer):
        return tuple(self.books[peer])

    def value(self, peer, key):
        value = self.books[peer][key]
        if isinstance(value, Exception):
            raise value
        return value


def test_values_are_told_as_json():
    state = State(foo={"at": dt.date(2026, 1, 2), "n": 1}, bar={})
    assert state_rows(state, None) == {"foo": {"at": "2026-01-02", "n": 1}, "bar": {}}
    assert state_rows(state, "bar") == {"bar": {}}


def test_what_cannot_be_built_or_told_is_said_to_be_so():
    state = State(foo={"bad": DecodeError("of a class"), "odd": object(), "good": 1})
    row = state_rows(state, None)["foo"]
    assert row["bad"] == {"error": "of a class"}
    assert "error" in row["odd"]
    assert row["good"] == 1
