"""References: names that compare, hash, print and travel."""

from __future__ import annotations

from clusterkit import GenServer, call
from tests.unit.nodes import alone, pair, virtual


class Echo(GenServer):
    @call
    async def echo(self, value):
        return value


@virtual
async def test_references_are_equal_when_both_names_are():
    async with pair() as (a, b):
        ours = a.ref(Echo, "x", at="b")
        theirs = b.ref(Echo, "x")
        assert ours == theirs
        assert hash(ours) == hash(theirs)
        assert ours != a.ref(Echo, "x")
        assert ours != a.ref(Echo, "y", at="b")
        assert ours != "x@b"


@virtual
async def test_a_reference_prints_as_a_target():
    async with alone() as node:
        assert str(node.ref(Echo, "x", at="b")) == "x@b"
        assert repr(node.ref(Echo, "x", at="b")) == "<ActorRef x@b>"


@virtual
async def test_a_reference_asks_nothing_of_its_actor():
    async with alone() as node:
        ref = node.ref(Echo, "x")
        await node.start("x", Echo)
        assert await ref.call(Echo.echo, 1) == 1


@virtual
async def test_a_reference_outlives_a_restart():
    async with alone() as node:
        ref = await node.start("x", Echo)
        await node.stop("x")
        await node.start("x", Echo)
        assert await ref.call(Echo.echo, 1) == 1


@virtual
async def test_a_reference_comes_back_as_itself():
    async with pair(actors={"x": Echo}) as (a, b):
        remote = a.ref(Echo, "x", at="b")
        for ref in (remote, a.ref(Echo, "mine"), b.ref(Echo, "x")):
            assert await remote.call(Echo.echo, ref) == ref
        assert await remote.call(Echo.echo, [{"k": remote}]) == [{"k": remote}]
