"""The ring as characters."""

from __future__ import annotations

from clusterkit.cli.ring_picture import POINTS, RADIUS, bar, draw, marks, owners
from clusterkit.cluster.ring_shares import shares
from clusterkit.core import HashRing


def test_the_circle_has_the_size_it_says():
    lines = draw({"foo": 128}).splitlines()
    assert len(lines) == 2 * RADIUS + 1
    assert max(map(len, lines)) == 4 * RADIUS + 1


def test_one_node_owns_the_whole_circle():
    picture = draw({"foo": 128}).replace("1 node", "")
    assert set(picture) == {"a", " ", "\n"}


def test_points_are_owned_in_proportion_to_shares():
    weights = {"bar": 128, "baz": 64, "foo": 32}
    ring = HashRing.of({f"{name}@-:1": weight for name, weight in weights.items()})
    found = owners(weights, 5_000)
    for name, share in shares(ring).items():
        assert abs(found.count(name) / 5_000 - share) < 0.01


def test_the_points_begin_at_the_smallest_position():
    ring = HashRing.of({"bar@-:1": 3, "foo@-:1": 3})
    assert owners({"bar": 3, "foo": 3}, POINTS)[0] == ring.positions()[0][1].id


def test_nodes_beyond_the_letters_share_a_mark():
    found = marks(f"n{i:03}" for i in range(60))
    assert list(found.values())[:2] == ["a", "b"]
    assert list(found.values())[51:] == ["Z"] + ["*"] * 8


def test_the_smallest_share_is_still_seen():
    assert bar(0.0) == "▏"
    assert bar(1.0) == "▇" * 30
