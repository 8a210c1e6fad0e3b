"""Many calls at once: order, partial results, and what they cost."""

import trio
import trio.testing

from clusterkit.cluster.answers import Answer, gather
from clusterkit.errors import NodeDown


async def test_answers_stand_in_the_order_of_the_nodes(autojump_clock):
    async def ask(node):
        await trio.sleep({"a": 3, "b": 1, "c": 2}[node])
        return node.upper()

    answers = await gather(["a", "b", "c"], ask)
    assert answers == [Answer("a", "A"), Answer("b", "B"), Answer("c", "C")]
    assert trio.current_time() == 3  # the slowest, not the sum


async def test_a_failure_is_in_its_place_and_spoils_no_other():
    error = NodeDown("b is down")

    async def ask(node):
        if node == "b":
            raise error
        return 1

    good, bad, last = await gather(["a", "b", "c"], ask)
    assert (good.ok, bad.ok, last.ok) == (True, False, True)
    assert bad.error is error
    assert bad.value is None


async def test_a_node_that_stands_twice_is_asked_twice():
    asked = []

    async def ask(node):
        asked.append(node)
        return len(asked)

    answers = await gather(["b", "b"], ask)
    assert sorted(answer.value for answer in answers) == [1, 2]


async def test_nobody_to_ask_gives_no_answers():
    async def ask(node):
        raise AssertionError(node)

    assert await gather([], ask) == []
