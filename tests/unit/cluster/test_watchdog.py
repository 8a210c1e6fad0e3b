"""Who holds the event loop, and the guard against forks."""

import logging
import os
import subprocess
import sys
import time

import trio

from clusterkit import GenServer, call, create_cluster
from clusterkit.cluster.watchdog import culprit
from clusterkit.config import Config


class Hog(GenServer):
    @call
    async def spin(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            pass

    @call
    async def look(self) -> dict[str, object]:
        return culprit(sys._getframe())


async def test_the_actor_and_the_event_on_a_stack_are_named():
    async with create_cluster("a", port=0, cookie="c", actors={"hog": Hog}) as node:
        found = await node.call("hog", "look")
    assert found["actor"] == "hog"
    assert found["handling"] == "look"
    assert __file__ in found["at"]


async def test_a_stack_without_an_actor_names_the_place_alone():
    assert culprit(sys._getframe()).keys() == {"at"}
    assert culprit(None) == {}


async def test_a_held_loop_is_measured_and_logged_with_its_actor(caplog):
    config = Config(held_after=0.2)
    with caplog.at_level(logging.WARNING, "clusterkit.cluster"):
        async with create_cluster(
            "a", port=0, cookie="c", actors={"hog": Hog}, config=config
        ) as node:
            await node.call("hog", "spin", 0.7)
            with trio.fail_after(10):
                while not node.statistics().loop_lag:
                    await trio.sleep(0.01)
            assert node.statistics().loop_lag >= 0.2
    [line] = [r.getMessage() for r in caplog.records if "loop_held" in r.getMessage()]
    assert "actor=hog" in line
    assert "handling=spin" in line


def test_a_forked_child_is_told_that_the_node_is_not_its_own():
    # In a process of its own: pytest's threads do not survive a fork.
    program = """
import os, sys, trio
from clusterkit import GenServer, create_cluster

async def main():
    async with create_cluster("a", port=0, cookie="c") as node:
        child = os.fork()
        if child == 0:
            try:
                node.cast_nowait("nobody", "x")
            except Exception as error:
                print(type(error).__name__, error, flush=True)
            os._exit(0)
        os.waitpid(child, 0)
        node.cast_nowait("nobody", "x")  # the parent goes on

trio.run(main)
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("ClusterError this node belongs to the parent")
