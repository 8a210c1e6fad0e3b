"""Errors between nodes: what of them arrives."""

from __future__ import annotations

import pytest

from clusterkit import errors
from clusterkit.actors.faults import MAX_TEXT, describe, from_fault, text_of, to_fault
from clusterkit.errors import CallError, Rejected, RemoteFault, subclasses

WHERE = {"call_id": 7, "to": "x@b", "event": "e"}
ANSWERS = [
    cls
    for cls in vars(errors).values()
    if isinstance(cls, type)
    and issubclass(cls, CallError)
    and not issubclass(cls, (Rejected, RemoteFault))
]


class Broke(Rejected):
    code = "broke"


class Nameless(Rejected):
    """Has no code of its own."""


class Strange(CallError):
    """An application's own, with a constructor that fits nobody."""

    code = "strange"

    def __new__(cls, one, two):
        return super().__new__(cls, one, two)

    def __init__(self, one, two):
        super().__init__(one)


def travelled(error, **options):
    return from_fault(*to_fault(error, **options), WHERE)


@pytest.mark.parametrize("cls", ANSWERS, ids=lambda cls: cls.__name__)
def test_every_error_about_a_call_arrives_as_its_own_class(cls):
    arrived = travelled(cls("the reason"))
    assert type(arrived) is cls
    assert arrived.args == ("the reason",)
    assert (arrived.call_id, arrived.to, arrived.event) == (7, "x@b", "e")


def test_a_rejection_arrives_with_its_arguments():
    arrived = travelled(Broke("why", 1, [2]))
    assert type(arrived) is Broke
    assert arrived.args == ("why", 1, [2])
    assert arrived.to == "x@b"


def test_a_rejection_without_a_code_of_its_own_arrives_as_the_plain_one():
    assert type(travelled(Nameless("why"))) is Rejected


def test_a_rejection_of_an_unknown_code_keeps_it():
    arrived = from_fault("rejected", ["unheard-of", ["why"]], WHERE)
    assert type(arrived) is Rejected
    assert arrived.code == "unheard-of"
    assert Rejected.code == "rejected"


def test_any_other_error_arrives_as_a_fault_with_its_type_and_text():
    arrived = travelled(KeyError("k"))
    assert (arrived.type, arrived.message) == ("KeyError", "'k'")


def test_a_fault_of_a_fault_keeps_the_first_type():
    arrived = travelled(RemoteFault("KeyError", "'k'"))
    assert (arrived.type, arrived.message) == ("KeyError", "'k'")


@pytest.mark.parametrize(
    ("code", "details"),
    [
        ("fault", []),
        ("fault", ["only a type"]),
        ("fault", [1, 2, 3]),
        ("rejected", []),
        ("rejected", ["code"]),
        ("rejected", ["code", "not a list"]),
        ("noproc", []),
        ("from a later version", ["text"]),
        ("nodedown", ["not about a call"]),
        ("", []),
    ],
)
def test_a_malformed_fault_is_an_error_all_the_same(code, details):
    assert isinstance(from_fault(code, details, WHERE), CallError)


def test_no_constructor_of_the_application_is_run():
    arrived = from_fault("strange", ["text"], WHERE)
    assert type(arrived) is Strange
    assert arrived.args == ("text",)


def test_a_long_text_is_cut():
    arrived = travelled(ValueError("x" * 10 * MAX_TEXT))
    assert len(arrived.message) == MAX_TEXT + 1
    assert arrived.message.endswith("x…")


def test_arguments_go_as_text_if_told_so():
    arrived = travelled(Broke(object(), "x" * 1000), most=10)
    assert arrived.args == ("<object ob…", "xxxxxxxxxx…")


def test_arguments_stay_at_home_if_nothing_else_helps():
    assert travelled(Broke("x" * 1000), most=0).args == ()


class Mute(Exception):
    def __str__(self):
        raise KeyError

    __repr__ = __str__


def test_an_error_without_a_text_has_one_to_travel_with():
    assert text_of(Mute()) == "(its text raised KeyError)"
    assert describe(Mute()) == "Mute: (its text raised KeyError)"
    assert describe(KeyError()) == "KeyError"


def test_a_text_can_always_be_encoded():
    text_of(ValueError("\ud800 and more")).encode()


def test_the_class_nearest_the_root_stands_for_a_shared_code():
    assert subclasses(Rejected)["rejected"] is Rejected
    assert subclasses(Rejected)["broke"] is Broke
