"""Events: to whom, in which order, and what a slow subscriber is told."""

import trio
import trio.testing

from clusterkit.cluster.broadcast import Broadcast
from clusterkit.events import EventsLost, Left, LinkDown, LinkUp, Removed


async def take(events, n):
    return [await anext(events) for _ in range(n)]


async def test_events_come_in_the_order_of_publishing():
    broadcast = Broadcast(10)
    async with broadcast.events() as events:
        broadcast.publish(Removed("a"))
        broadcast.publish(Left())
        assert await take(events, 2) == [Removed("a"), Left()]


async def test_only_the_kinds_asked_for_come():
    broadcast = Broadcast(10)
    async with broadcast.events(LinkUp, LinkDown) as events:
        broadcast.publish(Left())
        broadcast.publish(LinkUp("bar", "h:1"))
        broadcast.publish(LinkDown("bar", "bye"))
        assert await take(events, 2) == [LinkUp("bar", "h:1"), LinkDown("bar", "bye")]


async def test_each_subscriber_gets_its_own():
    broadcast = Broadcast(10)
    async with broadcast.events() as one, broadcast.events() as two:
        broadcast.publish(Left())
        assert await take(one, 1) == await take(two, 1) == [Left()]


async def test_nothing_is_kept_outside_the_block():
    broadcast = Broadcast(10)
    events = broadcast.events()
    broadcast.publish(Removed("before"))
    async with events:
        broadcast.publish(Removed("within"))
        assert await take(events, 1) == [Removed("within")]
    broadcast.publish(Removed("after"))
    with trio.move_on_after(0) as scope:
        await anext(events)
    assert scope.cancelled_caught


async def test_overflow_drops_the_oldest_and_says_how_many():
    broadcast = Broadcast(3)
    async with broadcast.events() as events:
        for n in range(5):
            broadcast.publish(Removed(str(n)))
        assert await take(events, 4) == [
            EventsLost(2),
            Removed("2"),
            Removed("3"),
            Removed("4"),
        ]


async def test_a_loss_is_told_once():
    broadcast = Broadcast(1)
    async with broadcast.events() as events:
        for n in range(3):
            broadcast.publish(Removed(str(n)))
        await take(events, 2)
        broadcast.publish(Left())
        assert await take(events, 1) == [Left()]


async def test_a_waiting_subscriber_is_woken(nursery):
    broadcast = Broadcast(10)
    async with broadcast.events() as events:
        found = []

        async def wait():
            found.append(await anext(events))

        nursery.start_soon(wait)
        await trio.testing.wait_all_tasks_blocked()
        assert found == []
        broadcast.publish(Left())
        await trio.testing.wait_all_tasks_blocked()
        assert found == [Left()]


async def test_a_cancelled_wait_loses_no_event():
    broadcast = Broadcast(10)
    async with broadcast.events() as events:
        broadcast.publish(Left())
        with trio.CancelScope() as scope:
            scope.cancel()
            await anext(events)
        assert scope.cancelled_caught
        assert await take(events, 1) == [Left()]


async def test_a_subscription_ends_with_the_node_after_what_it_still_holds(nursery):
    broadcast = Broadcast(2)
    seen = []

    async def listen(events):
        async for event in events:
            seen.append(event)
        seen.append("over")

    async with broadcast.events() as waiting, broadcast.events() as late:
        nursery.start_soon(listen, waiting)
        await trio.testing.wait_all_tasks_blocked()
        for name in "abc":
            broadcast.publish(Removed(name))
        broadcast.close()
        await trio.testing.wait_all_tasks_blocked()
        assert seen[-1] == "over"
        seen.clear()
        await listen(late)
        assert seen == [EventsLost(1), Removed("b"), Removed("c"), "over"]


async def test_a_subscription_to_a_node_that_has_ended_is_over_at_once():
    broadcast = Broadcast(10)
    broadcast.close()
    async with broadcast.events() as events:
        assert [event async for event in events] == []
