"""A simulated host connects, listens and dies as a machine does."""

from __future__ import annotations

import errno

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from clusterkit.names import Address
from clusterkit.net.transport import StreamBroken
from clusterkit.testing import MemoryNetwork
from clusterkit.testing.stream import BACKLOG

from .pairs import JITTER, PORT, breaks, is_silent, open_pair, play


def test_nobody_listening_refuses():
    async def main():
        network = MemoryNetwork()
        network.host("b")
        with pytest.raises(StreamBroken, match="refused"):
            await network.host("a").connect(Address("b", PORT))

    play(main)


def test_a_host_that_never_was_is_unknown():
    async def main():
        with pytest.raises(StreamBroken, match="no host"):
            await MemoryNetwork().host("a").connect(Address("b", PORT))

    play(main)


def test_connecting_takes_a_round_trip():
    async def main():
        network = MemoryNetwork()
        network.delay("a", "b", 0.5)
        await open_pair(network)
        assert trio.current_time() == pytest.approx(1.0, abs=JITTER)

    play(main)


def test_a_refusal_takes_a_round_trip():
    async def main():
        network = MemoryNetwork()
        network.host("b")
        network.delay("a", "b", 0.5)
        with pytest.raises(StreamBroken):
            await network.host("a").connect(Address("b", PORT))
        assert trio.current_time() == pytest.approx(1.0, abs=JITTER)

    play(main)


def test_a_taken_port_is_refused():
    async def main():
        host = MemoryNetwork().host("a")
        await host.listen(Address("a", PORT))
        with pytest.raises(OSError, match="in use") as caught:
            await host.listen(Address("127.0.0.1", PORT))
        assert caught.value.errno == errno.EADDRINUSE

    play(main)


def test_every_host_has_all_ports_to_itself():
    async def main():
        network = MemoryNetwork()
        for name in ("a", "b"):
            listener = await network.host(name).listen(Address(name, PORT))
            assert listener.address == Address(name, PORT)

    play(main)


def test_port_0_takes_a_free_one():
    async def main():
        host = MemoryNetwork().host("a")
        ports = {(await host.listen(Address("a", 0))).address.port for _ in range(3)}
        assert len(ports) == 3
        assert 0 not in ports

    play(main)


def test_the_address_of_another_host_cannot_be_bound():
    async def main():
        network = MemoryNetwork()
        network.host("b")
        with pytest.raises(OSError, match="not of a") as caught:
            await network.host("a").listen(Address("b", PORT))
        assert caught.value.errno == errno.EADDRNOTAVAIL

    play(main)


def test_a_closed_listener_frees_its_port():
    async def main():
        host = MemoryNetwork().host("a")
        (await host.listen(Address("a", PORT))).close()
        await host.listen(Address("a", PORT))

    play(main)


def test_accept_tells_the_peers_host():
    async def main():
        network = MemoryNetwork()
        listener = await network.host("b").listen(Address("b", PORT))
        await network.host("a").connect(Address("b", PORT))
        _, peer = await listener.accept()
        assert peer == "a"

    play(main)


def test_loopback_is_the_own_host():
    async def main():
        network = MemoryNetwork()
        for name in ("a", "b"):
            await network.host(name).listen(Address("127.0.0.1", PORT))
        await network.host("a").connect(Address("127.0.0.1", PORT))
        assert len(network.host("a").streams) == 2
        assert not network.host("b").streams

    play(main)


def test_a_task_that_accepts_is_woken():
    async def main():
        network = MemoryNetwork()
        listener = await network.host("b").listen(Address("b", PORT))
        with trio.fail_after(10):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(listener.accept)
                await wait_all_tasks_blocked()
                await network.host("a").connect(listener.address)

    play(main)


def test_a_full_backlog_lets_the_next_one_wait():
    async def main():
        network = MemoryNetwork()
        listener = await network.host("b").listen(Address("b", PORT))
        for _ in range(BACKLOG):
            await network.host("a").connect(listener.address)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(network.host("a").connect, listener.address)
            await trio.sleep(0.5)
            assert nursery.child_tasks
            await listener.accept()
            await trio.sleep(0.6)
            assert not nursery.child_tasks

    play(main)


def test_closing_the_listener_resets_what_nobody_accepted():
    async def main():
        network = MemoryNetwork()
        listener = await network.host("b").listen(Address("b", PORT))
        stream = await network.host("a").connect(listener.address)
        listener.close()
        with pytest.raises(StreamBroken):
            await stream.receive()
        with pytest.raises(StreamBroken):
            await listener.accept()

    play(main)


def test_closing_the_listener_breaks_the_task_that_accepts():
    async def main():
        listener = await MemoryNetwork().host("a").listen(Address("a", PORT))

        async def accept():
            with pytest.raises(StreamBroken):
                await listener.accept()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(accept)
            await wait_all_tasks_blocked()
            listener.close()

    play(main)


# Crashes


def test_a_crash_resets_the_peers():
    async def main():
        network = MemoryNetwork()
        ours, theirs = await open_pair(network)
        network.crash("b")
        with pytest.raises(StreamBroken):
            await ours.receive()
        with pytest.raises(StreamBroken):
            await theirs.receive()

    play(main)


def test_what_a_dead_process_had_written_still_arrives():
    async def main():
        network = MemoryNetwork()
        ours, theirs = await open_pair(network)
        network.delay("a", "b", 1.0)
        theirs.send_nowait(b"testament")
        await trio.sleep(0.5)
        network.crash("b")
        assert await ours.receive() == b"testament"
        with pytest.raises(StreamBroken):
            await ours.receive()

    play(main)


def test_after_a_crash_dials_are_refused():
    async def main():
        network = MemoryNetwork()
        await network.host("b").listen(Address("b", PORT))
        network.crash("b")
        with pytest.raises(StreamBroken, match="refused"):
            await network.host("a").connect(Address("b", PORT))

    play(main)


def test_after_a_crash_the_ports_are_free():
    async def main():
        network = MemoryNetwork()
        await network.host("b").listen(Address("b", PORT))
        network.crash("b")
        await network.host("b").listen(Address("b", PORT))
        await network.host("a").connect(Address("b", PORT))

    play(main)


def test_a_crash_breaks_the_task_that_accepts():
    async def main():
        network = MemoryNetwork()
        listener = await network.host("b").listen(Address("b", PORT))
        async with trio.open_nursery() as nursery:

            async def accept():
                with pytest.raises(StreamBroken):
                    await listener.accept()

            nursery.start_soon(accept)
            await wait_all_tasks_blocked()
            network.crash("b")

    play(main)


def test_the_transport_of_a_past_life_is_dead():
    async def main():
        network = MemoryNetwork()
        old = network.host("a")
        await network.host("b").listen(Address("b", PORT))
        network.crash("a")
        new = network.host("a")
        with pytest.raises(StreamBroken, match="crashed"):
            await old.connect(Address("b", PORT))
        with pytest.raises(OSError, match="crashed"):
            await old.listen(Address("a", PORT))
        await new.connect(Address("b", PORT))

    play(main)


def test_a_dial_does_not_survive_its_host():
    async def main():
        network = MemoryNetwork()
        network.delay("a", "b", 1.0)
        await network.host("b").listen(Address("b", PORT))
        async with trio.open_nursery() as nursery:

            async def dial():
                with pytest.raises(StreamBroken, match="crashed"):
                    await network.host("a").connect(Address("b", PORT))

            nursery.start_soon(dial)
            await trio.sleep(1.5)
            network.crash("a")

    play(main)


def test_a_silent_crash_tells_nobody():
    async def main():
        network = MemoryNetwork()
        ours, _ = await open_pair(network)
        network.crash("b", silent=True)
        ours.send_nowait(b"hello?")
        assert await is_silent(ours)
        with trio.move_on_after(10) as scope:
            await network.host("a").connect(Address("b", PORT))
        assert scope.cancelled_caught

    play(main)


def test_a_silent_crash_takes_along_what_it_had_under_way():
    async def main():
        network = MemoryNetwork()
        ours, theirs = await open_pair(network)
        network.delay("a", "b", 1.0)
        theirs.send_nowait(b"never heard")
        network.crash("b", silent=True)
        network.host("b")
        assert await is_silent(ours)
        ours.send_nowait(b"anyone?")
        assert await breaks(ours) == b""

    play(main)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_host_that_comes_back_resets_streams_of_its_past_life(when):
    async def main():
        network = MemoryNetwork()
        ours, _ = await open_pair(network)
        network.crash("b", silent=True)
        await trio.sleep(1)
        if when == "before":
            ours.send_nowait(b"under way")
        await trio.sleep(1)
        network.host("b")
        if when == "after":
            assert await is_silent(ours)
            ours.send_nowait(b"anyone?")
        assert await breaks(ours) == b""

    play(main)


def test_a_host_that_comes_back_can_be_dialled():
    async def main():
        network = MemoryNetwork()
        network.host("b")
        network.crash("b", silent=True)
        with trio.move_on_after(1):
            await network.host("a").connect(Address("b", PORT))
        with trio.fail_after(10):
            ours, theirs = await open_pair(network)
            theirs.send_nowait(b"back again")
            assert await ours.receive() == b"back again"

    play(main)


def test_a_crash_of_an_unknown_host_does_nothing():
    MemoryNetwork().crash("a")
