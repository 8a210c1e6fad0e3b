"""Nodes in processes of their own, as a test holds them."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import trio

import clusterkit
from clusterkit.names import NodeInfo

PROGRAM = Path(__file__).with_name("program.py")


class Running:
    """A process with a node; its address, and what else it says."""

    def __init__(self, process, address):
        self.process = process
        self.address = address
        self.port = NodeInfo.parse(address).port
        self._rest = b""

    async def line(self):
        while b"\n" not in self._rest:
            data = await self.process.stdout.receive_some()
            assert data, "it said nothing more"
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode()

    async def say(self, text):
        await self.process.stdin.send_all(text.encode() + b"\n")

    async def end(self, number):
        self.process.send_signal(number)
        await self.process.wait()


@asynccontextmanager
async def process(name, *arguments, program=PROGRAM):
    """A process with a node; its program prints the address first."""
    root = Path(clusterkit.__file__).parent.parent
    path = os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])
    child = await trio.lowlevel.open_process(
        [sys.executable, str(program), name, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path},
    )
    node = Running(child, "b@127.0.0.1:1")
    try:
        with trio.fail_after(20):
            address = await node.line()
        node.address, node.port = address, NodeInfo.parse(address).port
        yield node
    finally:
        with trio.CancelScope(shield=True):
            if child.returncode is None:
                child.kill()
            await child.wait()
            await child.stdin.aclose()
            await child.stdout.aclose()
