"""Claims merge into one view, in whatever order they come, and however often."""

from __future__ import annotations

from functools import reduce

from hypothesis import given, strategies as st

from clusterkit.core.liveness import ALIVE, Claim, Liveness

names = st.sampled_from("abcdefgh")
claims = st.builds(
    Claim,
    st.integers(1, 3),
    st.integers(0, 3),
    st.integers(0, 3),
    st.lists(names, max_size=4, unique=True).map(lambda by: tuple(sorted(by))),
)


@given(claims, claims, claims)
def test_merging_is_commutative_associative_and_idempotent(one, two, three):
    assert one.merge(two) == two.merge(one)
    assert one.merge(two).merge(three) == one.merge(two.merge(three))
    assert one.merge(one) == one


@given(st.lists(st.tuples(names, claims)), st.randoms(use_true_random=False))
def test_views_agree_whatever_the_order(said, random):
    views = []
    for _ in range(2):
        known = Liveness("me", 1, 0.0)
        known.keep_to("abcdefgh", 0.0)
        order = said + random.sample(said, len(said) // 2)
        random.shuffle(order)
        for name, claim in order:
            known.hear({name: claim}, 0.0)
        views.append({name: known.claim(name) for name in known.names()})
    assert views[0] == views[1]
    told = {name: [c for n, c in said if n == name] for name in "abcdefgh"}
    assert all(
        views[0][name] == reduce(Claim.merge, found)
        for name, found in told.items()
        if found
    )


@given(st.lists(claims))
def test_nobody_has_the_last_word_about_a_node_but_itself(said):
    known = Liveness("me", 1, 0.0)
    for claim in said:
        known.hear({"me": claim}, 0.0)
        assert known.own.state == ALIVE
        assert known.own.rank >= (claim.rank[0], claim.rank[1], ALIVE)
        assert known.own.merge(claim).rank == known.own.rank
