"""HashRing, operation by operation; CH numbers are the named scenarios."""

from __future__ import annotations

import copy
import doctest
import json
from base64 import b64encode
from hashlib import sha256

import pytest

from clusterkit.core import HashRing, hash_ring, ring_placement
from clusterkit.core.ring_input import MAX_WEIGHT
from clusterkit.errors import ConfigError, RingError
from clusterkit.names import NodeInfo

FOO = NodeInfo("foo", "127.0.0.1", 7022)
BAR = NodeInfo("bar", "127.0.0.1", 7023)
BAZ = NodeInfo("baz", "127.0.0.1", 7024)
QUX = NodeInfo("qux", "127.0.0.1", 7025)
FOO_MOVED = NodeInfo("foo", "10.0.0.1", 7022)

ID = NodeInfo("id", "localhost", 8000)
ID2 = NodeInfo("id2", "localhost", 8001)

FOO_1 = "kzMt7C+SJZbxNQmrL3vhpfJ+a0RgPiGlRhrxwS57RWI="
FOO_2 = "kL2YfHLEuxHGaEz4nOxWYyPSiFlGBsFMzoYDXXxuXK0="
FOO_3 = "avmox6bKHfmLdzmObwjwIrh2WC6XM471ods56FWbDo0="

NOT_POSITIVE = [0, -1, True, 1.0, 1.5, "1", float("nan"), float("inf")]


@pytest.fixture
def ring():
    """The ring of the known answers: foo, bar, baz at rfactor 3."""
    return HashRing(3, 2).insert(FOO).insert(BAR).insert(BAZ)


def position(key):
    return b64encode(sha256(key.encode()).digest()).decode()


def ids(nodes):
    return [node.id for node in nodes]


# Known answers: positions and lookups


def test_a_position_is_the_base64_of_the_sha256_of_id_and_number():
    assert HashRing(rfactor=1).insert(FOO).positions() == ((FOO_1, FOO),)


# CH7
def test_positions_ascend_in_the_order_of_their_texts():
    positions = HashRing(rfactor=3).insert(FOO).positions()
    assert [key for key, _ in positions] == [FOO_3, FOO_2, FOO_1]


def test_the_known_ring_has_its_nodes_in_the_known_order(ring):
    owners = [node for _, node in ring.positions()]
    assert " ".join(ids(owners)) == "bar baz foo foo foo baz bar baz bar"


# CH8
@pytest.mark.parametrize(
    ("key", "owner"),
    [
        ("a", "bar"),
        ("b", "baz"),
        ("c", "bar"),
        ("key", "bar"),
        ("hello", "bar"),
        ("id", "baz"),
        ("user:1", "baz"),
        ("user:2", "bar"),
    ],
)
def test_find_gives_the_known_owner(ring, key, owner):
    assert ring.find(key).id == owner


# CH9
@pytest.mark.parametrize(
    ("keys", "owners"),
    [
        ("a c key hello user:2", "bar baz foo"),
        ("b", "baz foo bar"),
        ("id user:1", "baz bar foo"),
    ],
)
def test_range_next_gives_the_known_owners(ring, keys, owners):
    for key in keys.split():
        assert ids(ring.range_next(key, 3)) == owners.split()


# CH9
def test_range_prev_gives_the_known_owners(ring):
    assert ids(ring.range_prev("a", 3)) == ["bar", "baz", "foo"]


# CH9
@pytest.mark.parametrize(
    ("id", "after", "before"),
    [
        ("foo", "baz bar", "baz bar"),
        ("bar", "baz foo", "baz foo"),
        ("baz", "bar foo", "bar foo"),
    ],
)
def test_next_and_prev_give_the_known_neighbours(ring, id, after, before):
    assert ids(ring.next(id)) == after.split()
    assert ids(ring.prev(id)) == before.split()


def test_a_key_is_the_same_as_text_and_as_utf8():
    ring = HashRing().insert(FOO).insert(BAR).insert(BAZ)
    for key in ("user:42", "grüße", "日本", ""):
        assert ring.find(key) is ring.find(key.encode())
        assert ring.range_next(key) == ring.range_next(key.encode())
        assert ring.range_prev(key) == ring.range_prev(key.encode())


# CH6
def test_a_key_at_a_position_belongs_to_the_next_one():
    alone = HashRing(rfactor=1).insert(ID)
    both = alone.insert(ID2)
    assert alone.find("asdf") == alone.find("id_1") == ID
    assert both.find("id_1") == ID2
    assert both.find("id2_1") == ID


def test_range_prev_of_a_key_at_a_position_starts_before_it():
    both = HashRing(rfactor=1).insert(ID).insert(ID2)
    assert both.range_prev("id_1") == (ID2, ID)
    assert both.range_prev("id2_1") == (ID, ID2)


# CH13
def test_a_key_past_the_last_position_wraps_to_the_smallest(ring):
    (_, first), (largest, last) = ring.positions()[0], ring.positions()[-1]
    key = next(key for key in map(str, range(1000)) if position(key) > largest)
    assert ring.find(key) == first
    assert ring.range_next(key)[0] == first
    assert ring.range_prev(key)[0] == last


# CH13
def test_a_key_before_the_first_position_wraps_anticlockwise_to_the_largest(ring):
    (smallest, first), (_, last) = ring.positions()[0], ring.positions()[-1]
    key = next(key for key in map(str, range(1000)) if position(key) < smallest)
    assert ring.find(key) == first
    assert ring.range_prev(key)[0] == last


# CH11
def test_range_next_gives_pfactor_and_1_distinct_nodes(ring):
    owners = ring.insert(QUX).range_next("key")
    assert len(set(ids(owners))) == len(owners) == 3


# CH11
def test_range_next_of_fewer_is_the_beginning_of_more(ring):
    four = ring.insert(QUX)
    assert four.range_next("key", 2) == four.range_next("key")[:2]
    assert four.range_prev("key", 2) == four.range_prev("key")[:2]


# CH11
def test_ranges_of_an_empty_ring_are_empty():
    assert HashRing().range_next("key") == HashRing().range_prev("key") == ()


def test_a_range_of_more_than_the_ring_gives_every_node_once(ring):
    assert sorted(ids(ring.range_next("a", 99))) == ["bar", "baz", "foo"]
    assert sorted(ids(ring.range_prev("a", 99))) == ["bar", "baz", "foo"]


def test_find_in_an_empty_ring_is_a_ring_error():
    with pytest.raises(RingError, match="empty"):
        HashRing().find("key")


def test_find_in_a_ring_that_was_emptied_is_a_ring_error(ring):
    ring.find("key")
    with pytest.raises(RingError):
        ring.remove("foo").remove("bar").remove("baz").find("key")


def test_a_key_that_is_no_text_and_no_bytes_is_a_type_error(ring):
    with pytest.raises(TypeError):
        ring.find(5)


def test_next_of_a_lone_or_unknown_node_is_empty(ring):
    assert HashRing().insert(FOO).next("foo") == ()
    assert HashRing().insert(FOO).prev("foo") == ()
    assert ring.next("nobody") == ring.prev("nobody") == ()


def test_next_gives_at_most_as_many_as_asked(ring):
    assert ids(ring.next("foo", 1)) == ["baz"]
    assert ids(ring.next("foo", 99)) == ["baz", "bar"]


def test_pfactor_0_means_no_neighbours_and_one_owner(ring):
    single = HashRing(3, 0).merge(ring)
    assert single.next("foo") == single.prev("foo") == ()
    assert ids(single.range_next("a")) == ["bar"]


# CH19
@pytest.mark.parametrize("n", NOT_POSITIVE)
def test_a_number_of_nodes_that_is_not_positive_is_refused(ring, n):
    for ask in (ring.range_next, ring.range_prev, ring.next, ring.prev):
        with pytest.raises(ValueError, match="number of nodes"):
            ask("foo", n)


def test_a_bad_number_of_nodes_is_refused_by_an_empty_ring_too():
    for ask in (HashRing().range_next, HashRing().range_prev):
        with pytest.raises(ValueError, match="number of nodes"):
            ask("key", 0)
    for ask in (HashRing().next, HashRing().prev):
        with pytest.raises(ValueError, match="number of nodes"):
            ask("foo", 0)


# Insert, update, remove


def test_the_defaults_are_128_positions_and_2_neighbours():
    assert (HashRing().rfactor, HashRing().pfactor) == (128, 2)
    assert HashRing().insert(FOO).size() == 128


def test_insert_without_a_weight_takes_the_rfactor():
    assert HashRing(rfactor=5).insert(FOO).weight("foo") == 5


def test_insert_takes_text_as_well_as_a_record():
    assert HashRing().insert("foo@127.0.0.1:7022") == HashRing().insert(FOO)


def test_insert_of_a_present_id_returns_the_same_ring(ring):
    assert ring.insert(FOO, 9) is ring
    assert ring.insert(FOO_MOVED) is ring


def test_only_the_id_places_a_node():
    here, there = HashRing().insert(FOO), HashRing().insert(FOO_MOVED)
    assert [key for key, _ in here.positions()] == [key for key, _ in there.positions()]
    assert here != there


# CH3
def test_remove_takes_exactly_the_positions_of_the_node():
    ring = HashRing(rfactor=3).insert(ID).insert(ID2, 2)
    assert ring.remove("id2").positions() == HashRing(3).insert(ID).positions()


# CH3
def test_remove_of_an_unknown_node_returns_the_same_ring(ring):
    assert ring.remove("nobody") is ring


@pytest.mark.parametrize("node", [FOO, FOO_MOVED, "foo", "foo@10.0.0.1:1"])
def test_remove_goes_by_the_id_alone(ring, node):
    assert ids(ring.remove(node).nodes()) == ["bar", "baz"]


# CH5
def test_update_of_the_weight_moves_to_that_many_positions():
    ring = HashRing().insert(ID, 1).update(ID, 2)
    assert (ring.size(), ring.weight("id"), ring.number_nodes()) == (2, 2, 1)


# A4
def test_update_without_a_weight_leaves_it_as_it_is():
    ring = HashRing(rfactor=3).insert(FOO, 7).update(FOO_MOVED)
    assert ring.weight("foo") == 7
    assert ring.get("foo") == FOO_MOVED


def test_update_of_the_address_shows_at_every_position():
    ring = HashRing(rfactor=3).insert(FOO)
    ring.find("key")
    assert {node for _, node in ring.update(FOO_MOVED).positions()} == {FOO_MOVED}


def test_update_of_an_absent_node_inserts_it():
    assert HashRing(rfactor=3).update(FOO) == HashRing(rfactor=3).insert(FOO)
    assert HashRing(rfactor=3).update(FOO, 5).weight("foo") == 5


def test_update_that_changes_nothing_returns_the_same_ring(ring):
    assert ring.update(FOO) is ring
    assert ring.update(FOO, 3) is ring


# CH19
@pytest.mark.parametrize("weight", [*NOT_POSITIVE, MAX_WEIGHT + 1, 2**70])
def test_a_weight_that_is_not_positive_or_beyond_the_bound_is_refused(weight):
    for operation in (HashRing().insert, HashRing().insert(FOO).insert):
        with pytest.raises(ValueError, match="weight"):
            operation(FOO, weight)
    with pytest.raises(ValueError, match="weight"):
        HashRing().update(FOO, weight)
    with pytest.raises(ValueError, match="weight"):
        HashRing.of({FOO: weight})
    with pytest.raises(ValueError, match="rfactor"):
        HashRing(rfactor=weight)


@pytest.mark.parametrize("pfactor", [-1, True, 1.0, None, float("nan")])
def test_a_pfactor_that_is_no_natural_number_is_refused(pfactor):
    with pytest.raises(ValueError, match="pfactor"):
        HashRing(3, pfactor)


def test_a_node_of_an_invalid_id_is_refused():
    with pytest.raises(ConfigError):
        HashRing().insert(NodeInfo("not a name", "h", 1))
    with pytest.raises(ConfigError):
        HashRing().insert("foo")


def test_of_is_as_inserting_one_by_one(ring):
    assert HashRing.of([FOO, "bar@127.0.0.1:7023", BAZ], 3, 2) == ring
    assert HashRing.of([FOO, FOO_MOVED], 3).nodes() == (FOO,)
    assert HashRing.of([]) == HashRing()


def test_of_takes_the_weights_of_a_map():
    assert HashRing.of({FOO: 5, BAR: 2}).weights() == {"bar": 2, "foo": 5}


def test_operations_leave_the_old_ring_as_it_was(ring):
    before = ring.to_json()
    ring.insert(QUX).find("a")
    ring.update(FOO_MOVED, 9).find("a")
    ring.remove("foo").find("a")
    ring.merge(HashRing().insert(QUX)).find("a")
    ring.intersect(HashRing().insert(FOO_MOVED)).find("a")
    assert ring.to_json() == before


def test_attributes_cannot_be_set(ring):
    for name in ("rfactor", "pfactor", "weight", "colour"):
        with pytest.raises(AttributeError):
            setattr(ring, name, 1)


# Questions


# CH4
def test_get_returns_the_node_or_the_default(ring):
    assert ring.get("foo") == FOO
    assert ring.get("nobody") is None
    assert ring.get("nobody", QUX) == QUX


def test_a_node_is_defined_by_its_id(ring):
    assert ring.is_defined("foo")
    assert "foo" in ring
    assert FOO_MOVED in ring
    assert "nobody" not in ring
    assert 5 not in ring


def test_the_weight_of_an_absent_node_is_none(ring):
    assert ring.weight("nobody") is None


def test_weights_and_nodes_are_in_order_of_id(ring):
    assert list(ring.insert(QUX, 1).weights().items()) == [
        ("bar", 3),
        ("baz", 3),
        ("foo", 3),
        ("qux", 1),
    ]
    assert ring.nodes() == (BAR, BAZ, FOO)


def test_size_counts_positions_and_number_nodes_counts_nodes(ring):
    assert (ring.size(), len(ring), ring.number_nodes()) == (9, 9, 3)
    assert (len(HashRing()), HashRing().number_nodes()) == (0, 0)


# Merge, intersect, equality


# CH14
def test_merge_with_an_equal_ring_returns_the_same_ring(ring):
    assert ring.merge(HashRing.of([BAZ, FOO, BAR], 3)) is ring


# CH14
def test_merge_takes_all_nodes_and_the_greater_weight():
    merged = HashRing().insert(ID, 1).merge(HashRing().insert(ID, 2).insert(ID2, 1))
    assert (merged.size(), merged.weights()) == (3, {"id": 2, "id2": 1})
    merged = HashRing().insert(ID, 2).merge(HashRing().insert(ID, 4))
    assert merged.weight("id") == 4


def test_merge_keeps_its_own_record_of_a_node_at_every_position():
    merged = HashRing().insert(FOO, 2).merge(HashRing().insert(FOO_MOVED, 4))
    assert [node for _, node in merged.positions()] == [FOO] * 4


def test_merge_keeps_its_own_factors(ring):
    merged = ring.merge(HashRing(9, 7).insert(QUX))
    assert (merged.rfactor, merged.pfactor) == (3, 2)


def test_intersect_keeps_common_positions_with_the_others_records():
    ours = HashRing(3, 1).insert(FOO, 3).insert(BAR)
    common = ours.intersect(HashRing(9, 9).insert(FOO_MOVED, 2).insert(QUX))
    assert (common.weights(), common.nodes()) == ({"foo": 2}, (FOO_MOVED,))
    assert (common.rfactor, common.pfactor) == (3, 1)


def test_intersect_with_an_equal_ring_returns_the_same_ring(ring):
    assert ring.intersect(HashRing.of([BAZ, FOO, BAR], 3)) is ring


def test_rings_are_equal_whatever_their_factors():
    ours, theirs = HashRing(3, 2).insert(FOO), HashRing(9, 7).insert(FOO, 3)
    assert ours == theirs
    assert hash(ours) == hash(theirs)


def test_rings_are_equal_in_whatever_order_they_were_made(ring):
    assert HashRing.of([BAZ, FOO, BAR], 3) == ring


def test_rings_of_other_nodes_addresses_or_weights_are_unequal(ring):
    assert ring != ring.remove("foo")
    assert ring != ring.update(FOO_MOVED)
    assert ring != ring.update(FOO, 4)
    assert ring != ring.to_json()


# JSON


def test_to_json_is_the_factors_and_the_positions_in_order():
    assert HashRing(2, 1).insert(FOO).to_json() == {
        "rfactor": 2,
        "pfactor": 1,
        "tree": [
            {"key": FOO_2, "value": {"id": "foo", "host": "127.0.0.1", "port": 7022}},
            {"key": FOO_1, "value": {"id": "foo", "host": "127.0.0.1", "port": 7022}},
        ],
    }


def test_from_json_reads_what_to_json_wrote(ring):
    mixed = HashRing(9, 4).merge(ring.update(FOO, 5))
    read = HashRing.from_json(json.loads(json.dumps(mixed.to_json())))
    assert read == mixed
    assert (read.rfactor, read.pfactor) == (9, 4)
    assert read.weights() == {"bar": 3, "baz": 3, "foo": 5}


def test_from_json_reads_an_empty_ring():
    assert HashRing.from_json(HashRing().to_json()) == HashRing()


def test_from_json_ignores_unknown_fields(ring):
    value = ring.to_json()
    value["colour"] = "red"
    value["tree"][0]["colour"] = "red"
    value["tree"][0]["value"]["colour"] = "red"
    assert HashRing.from_json(value) == ring


def test_from_json_does_not_mind_the_order_of_the_tree(ring):
    value = ring.to_json()
    value["tree"].reverse()
    assert HashRing.from_json(value).positions() == ring.positions()


@pytest.mark.parametrize("value", [None, [], "{}", 7, {}, {"tree": []}])
def test_from_json_of_another_shape_is_a_value_error(value):
    with pytest.raises(ValueError, match="object"):
        HashRing.from_json(value)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("rfactor", 0),
        ("rfactor", "3"),
        ("rfactor", True),
        ("rfactor", None),
        ("pfactor", -1),
        ("pfactor", 2.0),
        ("tree", None),
        ("tree", {}),
        ("tree", "foo"),
        ("tree", [None]),
        ("tree", [[FOO_1, {"id": "foo", "host": "h", "port": 1}]]),
        ("tree", [{"key": FOO_1}]),
        ("tree", [{"key": FOO_1, "value": "foo"}]),
        ("tree", [{"key": 5, "value": {"id": "foo", "host": "h", "port": 1}}]),
        ("tree", [{"key": FOO_1, "value": {"id": "foo", "host": "h"}}]),
        ("tree", [{"key": FOO_1, "value": {"id": ["foo"], "host": "h", "port": 1}}]),
        ("tree", [{"key": FOO_1, "value": {"id": "foo", "host": "h", "port": 0}}]),
        ("tree", [{"key": FOO_1, "value": {"id": "foo", "host": "", "port": 1}}]),
    ],
)
def test_from_json_of_a_field_of_another_kind_is_a_value_error(ring, field, value):
    with pytest.raises(ValueError, match=r"\w"):
        HashRing.from_json({**ring.to_json(), field: value})


def test_from_json_refuses_a_position_that_is_there_twice(ring):
    value = ring.to_json()
    value["tree"].append(value["tree"][0])
    with pytest.raises(ValueError, match="once"):
        HashRing.from_json(value)


def test_from_json_refuses_a_position_of_another_id():
    value = HashRing(1).insert(FOO).to_json()
    value["tree"][0]["value"]["id"] = "bar"
    with pytest.raises(ValueError, match="positions of bar"):
        HashRing.from_json(value)


def test_from_json_refuses_a_position_that_no_hash_gives(ring):
    value = ring.to_json()
    value["tree"][0]["key"] = "A" * 44
    with pytest.raises(ValueError, match="positions of"):
        HashRing.from_json(value)


def test_from_json_refuses_a_node_that_lacks_one_of_its_first_positions():
    value = HashRing(3).insert(FOO).to_json()
    value["tree"] = [entry for entry in value["tree"] if entry["key"] != FOO_2]
    with pytest.raises(ValueError, match="positions of foo"):
        HashRing.from_json(value)


def test_from_json_refuses_an_id_with_two_addresses(ring):
    value = ring.to_json()
    value["tree"][0]["value"]["host"] = "elsewhere"
    with pytest.raises(ValueError, match="two addresses"):
        HashRing.from_json(value)


@pytest.mark.parametrize("port", [1.0, True, "1", None])
def test_from_json_checks_the_port_at_every_position(port):
    value = HashRing(3).insert(NodeInfo("foo", "h", 1)).to_json()
    value["tree"][2]["value"]["port"] = port
    with pytest.raises(ValueError, match="port"):
        HashRing.from_json(value)


# The value itself


def test_repr_is_short_and_counts(ring):
    assert repr(ring) == "<HashRing 3 nodes, 9 positions, rfactor 3, pfactor 2>"


def test_a_copy_equals_its_ring_and_answers_alike(ring):
    ring.find("a")
    copied = copy.deepcopy(ring)
    assert copied == ring
    assert copied.insert(QUX).positions() == ring.insert(QUX).positions()


def test_a_node_heavier_than_is_remembered_has_all_its_positions():
    ring = HashRing().insert(FOO, 2000)
    assert len({key for key, _ in ring.positions()}) == 2000
    assert ring.find(position("x")) == FOO


def test_the_examples_in_the_docstrings_hold():
    results = [doctest.testmod(module) for module in (hash_ring, ring_placement)]
    assert [result.failed for result in results] == [0, 0]
    assert min(result.attempted for result in results) > 1
