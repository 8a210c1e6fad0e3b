"""The sorted points: made anew or spliced, they are the same."""

from __future__ import annotations

import pytest

from clusterkit.core import ring_index
from clusterkit.core.ring_index import EMPTY, RingIndex, node_points, point_text
from clusterkit.names import NodeInfo


def members(*numbers, weight=4, host="here"):
    nodes = (NodeInfo(f"n{number}", host, 7022) for number in numbers)
    return {node.id: (node, weight) for node in nodes}


TWENTY = members(*range(20))


def same(one, other):
    return (one.points, one.owners) == (other.points, other.owners)


@pytest.mark.parametrize(
    "changed",
    [
        TWENTY | members(20),
        members(*range(19)),
        TWENTY | members(7, host="there"),
        TWENTY | members(7, weight=6),
        TWENTY | members(7, weight=2),
        members(*range(19)) | members(20),
    ],
    ids=["one in", "one out", "one moved", "one heavier", "one lighter", "one for one"],
)
def test_a_small_change_is_spliced_in(changed, monkeypatch):
    index, fresh = RingIndex.build(TWENTY), RingIndex.build(changed)
    monkeypatch.setattr(RingIndex, "build", None)
    assert same(index.derive(changed), fresh)


def test_a_large_change_is_sorted_anew():
    changed = members(*range(10, 40), weight=3)
    assert same(RingIndex.build(TWENTY).derive(changed), RingIndex.build(changed))


def test_no_change_gives_the_same_index():
    index = RingIndex.build(TWENTY)
    assert index.derive(dict(reversed(TWENTY.items()))) is index


def test_the_first_owner_closes_the_circle():
    index = RingIndex.build(TWENTY)
    assert len(index.owners) == len(index.points) + 1
    assert index.owners[-1] == index.owners[0]


def test_the_empty_index_has_no_owners():
    assert EMPTY.owners == RingIndex.build({}).owners == []


def test_a_walk_goes_round_once_at_most():
    assert len(RingIndex.build(members(1, 2)).walk(0, 1, 99)) == 2
    assert len(RingIndex.build(members(1, 2)).walk(-1, -1, 99)) == 2


def test_points_are_remembered_up_to_a_weight():
    bound = ring_index.CACHED_WEIGHT
    assert node_points("n", bound) is node_points("n", bound)
    assert node_points("n", bound + 1) is not node_points("n", bound + 1)


def test_a_heavier_node_has_the_points_of_a_lighter_one_and_more():
    assert node_points("n", 2000)[:3] == node_points("n", 3)
    assert len(set(node_points("n", 2000))) == 2000


def test_the_text_of_a_point_is_44_characters_of_base64():
    text = point_text(node_points("foo", 1)[0])
    assert text == "kzMt7C+SJZbxNQmrL3vhpfJ+a0RgPiGlRhrxwS57RWI="
