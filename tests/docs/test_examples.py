"""Every file in docs/examples runs to its end and prints what it should."""

from __future__ import annotations

import re

import pytest

from .checkouts import ROOT, run_python

EXAMPLES = ROOT / "docs" / "examples"

PRINTED = {
    "hello.py": r"""
        the counter says 42
        user:42 belongs to (foo|bar)
    """,
    "counter.py": r"""
        add 5: 15
        after the reset: 1
        refused: .*1 is less than 100
        still there: 1
        crashed: ZeroDivisionError
        built anew: 10
        restarts: 1
    """,
    "database.py": r"""
        ready at once: False
        connecting to the database of db1
        ready, with db1
        rows: 1
        ServicesReady\(\)
        ServicesNotReady\(missing=\('db',\)\)
        connecting to the database of db2
        ready again, with db2
    """,
    "found.py": r"""
        members: bar baz foo
        found by: beacons
    """,
    "master.py": r"""
        ccc is the master now
        taken: job of ccc
        bb is the master now
        taken: job of bb
        the epoch of ccc is over: True
    """,
    "fanout.py": r"""
        bar eaba11c2
        baz eaba11c2
        nowhere NodeUnknown
    """,
    "files.py": r"""
        written: 10000000
        read: 10000000 of 10000000
        it begins with b'\\x00\\x00\\x00' and that is enough
        refused: files@bar read: none
        found: \['apple pie', 'an apple'\]
    """,
    "jobs.py": r"""
        ann does sweep
        bob takes paint and is never seen again
        ann does paint
    """,
    "ping.py": r"""
        members: bar foo
        ping bar: pong
        hello from another process
        1000 calls, one after the other: \d+ µs each
        bar ended with status 0
        members: foo
    """,
    "pressure.py": r"""
        orders: all 1000 are sent
        thumbnails: 150 are put off
        Busy\(reason='mailbox_full', peer='foo', actor='thumbnails', n=150\)
        Dropped\(reason='mailbox_oldest', peer='foo', actor='temperature', n=900\)
        busy: {'mailbox_full': 150} dropped: {'mailbox_oldest': 900}
    """,
    "kv.py": r"""
        100 keys found: bar=100 foo=100
        100 keys found: bar=67 baz=69 foo=64
        100 keys found: bar=100 foo=100
    """,
    "service.py": r"""
        apple 1
        pear 1
        apple 2
        tally: \{'apple': 2, 'pear': 1\} shutdown
        stopped
    """,
    "simulate.py": r"""
        (\d+\.\d+ .*\n)+\d+\.\d+ the call failed: .*
        (\d+\.\d+ .*\n)+the same seed gives the same run: True
    """,
}
"""What each prints, line by line, as regular expressions."""


@pytest.mark.parametrize("example", sorted(EXAMPLES.glob("*.py")), ids=lambda p: p.name)
def test_example_prints_what_it_should(example) -> None:
    lines = PRINTED[example.name].strip().splitlines()
    expected = "".join(f"{line.strip()}\n" for line in lines)
    run = run_python(example)
    assert (run.stderr, run.returncode) == ("", 0)
    assert re.fullmatch(expected, run.stdout), run.stdout
