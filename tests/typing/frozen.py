"""Frozen classes are checked as dataclasses are: calls, fields, order."""

from __future__ import annotations

from dataclasses import Field, fields, replace
from typing import Any, assert_type

from clusterkit import Answer, Config, NodeInfo
from clusterkit.events import LinkUp

foo = NodeInfo("foo", "127.0.0.1", 7022)
assert_type(foo.port, int)
assert_type(foo < NodeInfo("bar", "127.0.0.1", 7022), bool)
assert_type(replace(foo, id="bar"), NodeInfo)
assert_type(fields(foo), tuple[Field[Any], ...])
assert_type(Answer("foo", 5), Answer[int])
match foo:
    case NodeInfo(_, host, port):
        assert_type((host, port), tuple[str, int])

NodeInfo("foo", "127.0.0.1", "7022")  # type: ignore[arg-type]
NodeInfo("foo", "127.0.0.1")  # type: ignore[call-arg]
Config(1.0)  # type: ignore[call-arg]
Config(call_timeout="5 s")  # type: ignore[arg-type]
Config(nothing=1)  # type: ignore[call-arg]
foo.port = 7023  # type: ignore[misc]
later = LinkUp("foo", "") < LinkUp("bar", "")  # type: ignore[operator]
