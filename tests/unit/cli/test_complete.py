"""What Tab offers."""

from __future__ import annotations

import pytest

from clusterkit.cli.complete import NOTHING_KNOWN, Offer, Snapshot, offers

KNOWN = Snapshot(
    nodes={"bar": ("10.0.0.2", 7023), "baz": ("10.0.0.3", 7024), "foo": ("::1", 7022)},
    actors={
        "command": {"call": (), "cast": ()},
        "counter": {"call": ("add", "take"), "cast": ("reset",)},
    },
    node="foo",
)


def words(line, known=KNOWN):
    return [offer.word for offer in offers(line, known)]


def test_the_beginning_of_a_command_is_completed():
    assert words("ins") == ["inspect", "insert"]


def test_an_empty_line_offers_every_command_of_the_prompt():
    found = words("")
    assert found[:2] == ["inspect", "nodes"]
    assert "run" not in found


def test_an_offer_says_what_is_there_already_and_what_it_means():
    assert offers("pin", KNOWN) == [
        Offer("ping", "pin", "Ask the node for a sign of life.")
    ]


@pytest.mark.parametrize(
    "command", ["get", "has", "weight", "meet", "update", "remove"]
)
def test_ids_of_members_are_completed(command):
    assert words(f"{command} ba") == ["bar", "baz"]


def test_an_address_follows_the_id_it_belongs_to():
    assert words("update bar ") == ["10.0.0.2"]
    assert words("update bar 10.0.0.2 ") == ["7023"]
    assert words("update bar 10.0.0.2 7023 ") == []


def test_each_triple_is_completed_anew():
    assert words("mremove bar 10.0.0.2 7023 f") == ["foo"]
    assert words("mremove bar 10.0.0.2 7023 foo ") == ["::1"]


def test_options_of_the_command_are_completed():
    assert words("insert --") == ["--force", "--weight", "--json", "--timeout"]
    assert words("ping --f") == []


def test_options_and_their_values_are_no_arguments():
    assert words("insert -f --weight 3 ba") == ["bar", "baz"]


def test_actors_are_completed_and_then_their_nodes():
    assert words("call cou") == ["counter"]
    assert words("call counter@b") == ["counter@bar", "counter@baz"]


def test_handlers_of_the_node_spoken_to_are_completed():
    assert words("call counter ") == ["add", "take"]
    assert words("call counter a") == ["add"]
    assert words("cast counter ") == ["reset"]
    assert words("call counter@foo t") == ["take"]
    assert words("call counter add ") == []
    assert words("call counter@bar ") == []


def test_help_is_completed_with_commands():
    assert words("help wei") == ["weight", "weights"]


@pytest.mark.parametrize(
    "line", ["nonsense ", "get bar ", "ping x", "find us", "call count ad", "join ri"]
)
def test_nothing_is_offered_where_nothing_is_known(line):
    assert words(line) == []


def test_without_a_connection_commands_are_still_completed():
    assert words("wei", NOTHING_KNOWN) == ["weight", "weights"]
    assert words("get ", NOTHING_KNOWN) == []
