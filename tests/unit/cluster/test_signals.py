"""What SIGHUP means to a node in the foreground."""

from __future__ import annotations

import os
import pty
import signal
import sys
from contextlib import aclosing
from subprocess import PIPE, Popen

import pytest
import trio

from clusterkit.cluster import signals
from clusterkit.cluster.signals import Hangups, told_to_end
from tests.unit.nodes import virtual


@pytest.fixture
def terminal(monkeypatch):
    """Whether there is one, as the test says."""
    there = {"is": True}
    monkeypatch.setattr(signals, "has_terminal", lambda: there["is"])
    return there


def test_a_hangup_with_the_terminal_still_there_does_not_end(terminal):
    assert not Hangups().ends()


def test_one_because_the_terminal_was_closed_ends(terminal):
    hangups = Hangups()
    terminal["is"] = False
    assert hangups.ends()


def test_a_daemon_has_none_to_lose(terminal):
    terminal["is"] = False
    assert not Hangups().ends()


def test_who_ignored_them_before_is_not_ended_by_one(terminal):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        hangups = Hangups()
    finally:
        signal.signal(signal.SIGHUP, before)
    terminal["is"] = False
    assert not hangups.ends()


@virtual
async def test_hangups_read_again_until_another_signal_comes(terminal):
    reloads = []

    async def numbers():
        for number in (signal.SIGHUP, signal.SIGHUP, signal.SIGTERM, signal.SIGHUP):
            await trio.lowlevel.checkpoint()
            yield number

    async def reload():
        reloads.append(1)

    async with aclosing(numbers()) as coming:
        await told_to_end(coming, Hangups(), reload)
    assert len(reloads) == 2


PROGRAM = """
import os, signal, sys
os.open(sys.argv[1], os.O_RDWR)  # the first of a session is its own
from clusterkit.cluster.signals import has_terminal
print(has_terminal(), flush=True)
# Waited for, not handled: a handler may not print while something else prints.
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP])
print("ready", flush=True)
signal.sigwait([signal.SIGHUP])
print(has_terminal(), flush=True)
"""


def test_a_terminal_that_is_closed_is_gone():
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", PROGRAM, os.ttyname(theirs)]
    with Popen(command, stdout=PIPE, text=True, start_new_session=True) as program:
        try:
            assert program.stdout.readline() == "True\n"
            assert program.stdout.readline() == "ready\n"
            os.close(theirs)
            os.close(ours)
            assert program.stdout.readline() == "False\n"
        finally:
            program.kill()
