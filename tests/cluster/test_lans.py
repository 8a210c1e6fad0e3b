"""Two machines on a switch, as network namespaces of Linux: with real interfaces.

Skipped where these cannot be made: on other systems, and for users without rights.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

PROGRAM = Path(__file__).with_name("lan_program.py")


def ip(*words):
    return subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


def can_make_namespaces():
    if not shutil.which("ip"):
        return False
    name = f"ckt{os.getpid()}"
    try:
        ip("netns", "add", name)
        ip("netns", "del", name)
    except subprocess.CalledProcessError:
        return False
    return True


pytestmark = pytest.mark.skipif(
    not can_make_namespaces(), reason="network namespaces need rights, and iproute2"
)


class Lan:
    """Hosts x and y, on which nothing but loopback is up."""

    def __init__(self):
        self.x, self.y = f"ck{os.getpid()}x", f"ck{os.getpid()}y"

    def make(self):
        for space in (self.x, self.y):
            ip("netns", "add", space)
            ip("-n", space, "link", "set", "lo", "up")

    def join(self, name, network):
        """Lay a cable; x has address 1 at its end, y 2."""
        end = ["type", "veth", "peer", "name", name, "netns", self.y]
        ip("link", "add", name, "netns", self.x, *end)
        self._begin(name, network)

    def plug(self, name, network):
        """Give each host an interface that leads nowhere, with such addresses."""
        for space in (self.x, self.y):
            end = ["type", "veth", "peer", "name", f"{name}-end"]
            ip("-n", space, "link", "add", name, *end)
            ip("-n", space, "link", "set", f"{name}-end", "up")
        self._begin(name, network)

    def _begin(self, name, network):
        for number, space in enumerate((self.x, self.y), start=1):
            ip("-n", space, "addr", "add", f"{network}.{number}/24", "dev", name)
            ip("-n", space, "link", "set", name, "up")
        for space in (self.x, self.y):
            # The system takes its time to see that there is a cable.
            tries = iter(range(1000))
            while "state UP" not in ip("-n", space, "link", "show", name).stdout:
                assert next(tries, None) is not None, f"{name} does not come up"

    def unplug(self, name):
        """Take the interfaces away."""
        for space in (self.x, self.y):
            ip("-n", space, "link", "del", name)

    def lead_out(self, network):
        """Have the way to everywhere else lead by an interface."""
        for space in (self.x, self.y):
            ip("-n", space, "route", "add", "default", "via", f"{network}.254")

    def remove(self):
        for space in (self.x, self.y):
            subprocess.run(["ip", "netns", "del", space], check=False)


@pytest.fixture
def lan():
    made = Lan()
    try:
        made.make()
        yield made
    finally:
        made.remove()


class Node:
    def __init__(self, process):
        self.process = process
        self._rest = b""

    async def says(self, expected):
        """Wait until it says a line that begins so; return the line."""
        with trio.fail_after(60):
            while not (line := await self._line()).startswith(expected):
                pass
            return line

    async def _line(self):
        while b"\n" not in self._rest:
            data = await self.process.stdout.receive_some()
            assert data, "it has ended"
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode()


@asynccontextmanager
async def node(space, name, **options):
    words = [sys.executable, str(PROGRAM), name, json.dumps(options)]
    process = await trio.lowlevel.open_process(
        ["ip", "netns", "exec", space, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        yield Node(process)
        await process.stdin.aclose()
        with trio.fail_after(30):
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            with trio.CancelScope(shield=True):
                await process.wait()
        await process.stdout.aclose()


async def test_two_hosts_find_each_other_without_a_word(lan):
    lan.join("lan", "10.77.0")
    lan.lead_out("10.77.0")
    async with node(lan.x, "a") as a, node(lan.y, "b") as b:
        assert await a.says("at") == "at a@10.77.0.1:7022"
        assert await b.says("at") == "at b@10.77.0.2:7022"
        for each in (a, b):
            await each.says("ring a b")


WAYS = pytest.mark.parametrize(
    "way", [{"group": None}, {"broadcast": None}], ids=["broadcast", "multicast"]
)


@WAYS
async def test_a_switch_from_which_no_way_leads_out_will_do(lan, way):
    lan.join("lan", "10.77.0")
    async with node(lan.x, "a", **way) as a, node(lan.y, "b", **way) as b:
        assert await a.says("at") == "at a@10.77.0.1:7022"
        for each in (a, b):
            await each.says("ring a b")


@WAYS
async def test_beacons_leave_by_the_interface_that_was_named(lan, way):
    lan.join("lan", "10.77.0")
    lan.plug("other", "10.78.0")
    lan.lead_out("10.78.0")
    async with (
        node(lan.x, "a", interface="10.77.0.1", **way) as a,
        node(lan.y, "b", interface="10.77.0.2", **way) as b,
    ):
        assert await a.says("at") == "at a@10.77.0.1:7022"
        for each in (a, b):
            await each.says("ring a b")


@WAYS
@pytest.mark.parametrize("named", [True, False], ids=["named", "any"])
async def test_an_interface_that_goes_and_comes_again_is_used_again(lan, way, named):
    lan.plug("lan", "10.77.0")
    lan.lead_out("10.77.0")
    one, two = ({"interface": f"10.77.0.{i}"} if named else {} for i in (1, 2))
    async with (
        node(lan.x, "a", **way, **one) as a,
        node(lan.y, "b", **way, **two) as b,
    ):
        await a.says("ring a")
        await b.says("ring b")
        lan.unplug("lan")
        for each in (a, b):
            # not_sent; or no_socket, where it had not got as far as to have one.
            await each.says("refused no")
        lan.join("lan", "10.77.0")
        lan.lead_out("10.77.0")
        for each in (a, b):
            await each.says("ring a b")


async def test_without_a_network_it_says_so(lan):
    program = [sys.executable, str(PROGRAM), "a", "{}"]
    words = ["ip", "netns", "exec", lan.x, *program]
    done = await trio.run_process(words, capture_stderr=True, check=False)
    assert b"ConfigError: no interface leads to a network: give host=" in done.stderr


async def test_of_several_networks_none_of_which_leads_out_it_asks_for_one(lan):
    lan.plug("lan", "10.77.0")
    lan.plug("other", "10.78.0")
    program = [sys.executable, str(PROGRAM), "a", "{}"]
    words = ["ip", "netns", "exec", lan.x, *program]
    done = await trio.run_process(words, capture_stderr=True, check=False)
    assert b"give host=, one of 10.77.0.1, 10.78.0.1" in done.stderr
