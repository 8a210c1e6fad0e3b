"""Gossip in parts: what is joined, what is not, and how much is kept."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from clusterkit.cluster import ring_post
from clusterkit.cluster.ring_post import Parts, RingPost
from clusterkit.core.membership import Membership
from clusterkit.wire import messages as m
from clusterkit.wire.codec import Codec
from clusterkit.wire.frame import array_header

MESSAGE = ("state", [[1], [], {"x" * 100: 1}, 7], list(range(200)))


class FakeLink:
    """Takes what is posted."""

    name = "b"
    down = full = False
    given_up = None

    def __init__(self, max_message):
        self.max_message = max_message
        self.posted = []

    def post(self, data, kind, about):
        assert (kind, about) == (m.CAST, "_ring")
        self.posted.append(data)

    def wake(self):
        pass


class FakeKernel:
    def __init__(self, link):
        self.codec, self.peers = Codec(1 << 20), {"b": link}

    def link_to(self, name):
        return self.peers[name]


def post_to(link):
    membership = Membership("a@a:1", incarnation=1, rng=Random(0))
    return RingPost(FakeKernel(link), membership, Counter())


def casts(link):
    """What was posted, as the receiver decodes it: event and arguments."""
    data = array_header(len(link.posted)) + b"".join(link.posted)
    return [(r[m.EVENT], r[m.ARGS]) for r in Codec(1 << 20).decode(data)]


@pytest.mark.parametrize("limit", [128, 200, 300, 400])
def test_parts_fit_into_the_peers_limit_and_make_the_message_again(limit):
    link, parts = FakeLink(limit), Parts()
    assert post_to(link).send("ring", "b", MESSAGE)
    assert max(map(len, link.posted)) <= limit
    *before, last = casts(link)
    for event, args in before:
        assert event == "part"
        assert parts.take("a", *args) is None
    assert parts.take("a", *last[1]) == ("ring", list(MESSAGE))
    assert repr(parts) == "<Parts from 0 peers>"


def test_what_fits_travels_whole():
    link = FakeLink(4096)
    post_to(link).send("ring", "b", MESSAGE)
    assert casts(link) == [("gossip", ["ring", list(MESSAGE)])]


def test_a_peer_that_takes_next_to_nothing_is_logged_once(caplog):
    link = FakeLink(8)
    post = post_to(link)
    long = ("state", ["x" * (ring_post.MOST_PARTS + 1)])
    assert not post.send("ring", "b", long)
    assert not post.send("ring", "b", long)
    assert link.posted == []
    assert post._dropped == {"unsent": 2}
    assert caplog.text.count("larger max_message") == 1


def test_parts_of_several_peers_do_not_mix():
    link, parts = FakeLink(200), Parts()
    post_to(link).send("ring", "b", MESSAGE)
    found = []
    for _, args in casts(link):
        found += [parts.take("a", *args), parts.take("c", *args)]
    assert found[-2:] == [("ring", list(MESSAGE))] * 2


def test_a_part_out_of_its_turn_ends_the_message():
    link, parts = FakeLink(200), Parts()
    post_to(link).send("ring", "b", MESSAGE)
    (_, first), (_, second), (_, third), *_ = casts(link)
    for wrong in (third, [second[0] + 1, *second[1:]], [*second[:3], 7]):
        parts.take("a", *first)
        with pytest.raises(ValueError, match=r"this part|parts are"):
            parts.take("a", *wrong)
        with pytest.raises(ValueError, match="not the next one"):
            parts.take("a", *second)


def test_a_peer_keeps_a_bounded_number_of_bytes_here(monkeypatch):
    monkeypatch.setattr(ring_post, "MOST_BYTES", 1000)
    parts = Parts()
    for i in range(10):
        parts.take("a", 1, i, 99, bytes(100))
    with pytest.raises(ValueError, match="1000 together at most"):
        parts.take("a", 1, 10, 99, b"x")
    assert repr(parts) == "<Parts from 0 peers>"


def test_a_peer_that_speaks_of_something_else_has_given_its_parts_up():
    parts = Parts()
    parts.take("a", 1, 0, 2, b"x")
    parts.forget("a")
    with pytest.raises(ValueError, match="not the next one"):
        parts.take("a", 1, 1, 2, b"x")


def test_all_peers_together_keep_a_bounded_number_of_bytes_here(monkeypatch):
    monkeypatch.setattr(ring_post, "MOST_BEGUN", 1000)
    parts = Parts()
    for i in range(30):
        parts.take(f"n{i}", 1, 0, 3, bytes(100))
    assert repr(parts) == "<Parts from 10 peers>"
    with pytest.raises(ValueError, match="not the next one"):
        parts.take("n0", 1, 1, 3, b"x")  # the oldest went
    assert parts.take("n29", 1, 1, 3, b"x") is None


def test_one_peer_may_keep_more_than_all_the_others(monkeypatch):
    monkeypatch.setattr(ring_post, "MOST_BEGUN", 1000)
    parts = Parts()
    for i in range(20):
        assert parts.take("a", 1, i, 99, bytes(100)) is None
    assert repr(parts) == "<Parts from 1 peers>"


def test_peers_that_keep_next_to_nothing_are_bounded_in_number(monkeypatch):
    monkeypatch.setattr(ring_post, "MOST_SPEAKERS", 10)
    parts = Parts()
    for i in range(30):
        parts.take(f"n{i}", 1, 0, 3, b"")
    assert repr(parts) == "<Parts from 10 peers>"


@pytest.mark.parametrize("wrong", [None, "1", b"x" * 1000, [1], 1.0, True], ids=repr)
def test_numbers_of_parts_are_whole_numbers(wrong):
    for numbers in ([wrong, 0, 2], [1, wrong, 2], [1, 0, wrong]):
        parts = Parts()
        with pytest.raises(ValueError, match="numbers"):
            parts.take("a", *numbers, b"x")
        assert repr(parts) == "<Parts from 0 peers>"
