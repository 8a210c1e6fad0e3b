"""What was found once is not there again, and a short run finds nothing new."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import pytest

from clusterkit.wire import messages as m

from . import targets
from .mutator import RECORDS, mutated
from .run import CORPUS, check_memory, corpus, feed, fuzz, inputs_wanted
from .targets import TARGETS

KEPT = [file for target in TARGETS for file in corpus(target)]


@pytest.mark.parametrize(
    "file", KEPT, ids=[str(file.relative_to(CORPUS)) for file in KEPT]
)
def test_what_was_found_once(file):
    data = file.read_bytes()
    feed(file.parent.name, data)
    check_memory(file.parent.name, data)


@pytest.mark.timeout(120 + inputs_wanted() // 100)
@pytest.mark.parametrize("target", TARGETS)
def test_a_run_of_the_mutator(target):
    fuzz(target, inputs_wanted())


def test_every_folder_of_the_corpus_is_of_a_target():
    assert {folder.name for folder in CORPUS.iterdir()} <= TARGETS.keys()


def test_an_input_is_a_function_of_its_numbers():
    again = "from tests.fuzz.mutator import mutated; print(mutated('session', 3, 4))"
    done = subprocess.run(
        [sys.executable, "-c", again], check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == repr(mutated("session", 3, 4))


def test_the_mutator_gets_behind_the_seal_and_through_the_handshake(monkeypatch):
    """Else a run would prove nothing: most that it makes would be refused at once."""
    outcomes = {name: [] for name in ("listener", "dialer", "session")}
    greet, hear = targets._greet, targets.Hearing.hear

    def greeted(*args):
        outcomes[name].append(greet(*args))
        return outcomes[name][-1]

    def heard(*args):
        outcomes[name].append(hear(*args))
        return outcomes[name][-1]

    monkeypatch.setattr(targets, "_greet", greeted)
    monkeypatch.setattr(targets.Hearing, "hear", heard)
    for name in outcomes:
        for number in range(1000):
            feed(name, mutated(name, 0, number))
    for name in ("listener", "dialer"):
        states = Counter(state for _, state, _ in outcomes[name])
        assert states["up"] > 100, name
    received = [received for _, received, _ in outcomes["session"]]
    assert sum(number > 0 for number in received) > 500
    assert max(received) > 10
    assert {kind for kind, *_ in RECORDS} == set(m.FIELDS)
