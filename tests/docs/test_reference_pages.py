"""The generated pages are current, and tell of every name that is public."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from dataclasses import fields
from itertools import pairwise
from pathlib import Path

import pytest

import clusterkit
from clusterkit import events

from . import reference_pages as pages

ROOT = Path(clusterkit.__file__).parent

# What a release promises, apart from the code, so that neither can lose a name
# without somebody noticing.
PROMISED = {
    "clusterkit": "create_cluster ClusterNode GenServer call cast later Caller ActorRef "
    "Answer Down Rejected NodeInfo Config register",
    "ClusterNode": "name host port address incarnation kernel gossip ring start stop "
    "pause resume ref call cast cast_nowait multi_call abcast meet ping events "
    "statistics serve_forever shutdown",
    "Kernel": "connect disconnect is_connected links",
    "GossipRing": "join meet insert minsert update remove mremove leave name ring clock "
    "find next prev range select_random on_process",
    "GenServer": "restart intensity mailbox node name ref caller init terminate "
    "handle_call handle_cast handle_info on_call on_cast monitor monitor_node demonitor",
    "Caller": "node reply",
    "ActorRef": "call cast cast_nowait within name node",
    "Answer": "node value error ok",
    "NodeInfo": "id host port",
    "NodeStatistics": "links actors pending_calls dropped busy late_replies undelivered refused "
    "unknown_casts undecodable foreign_gossip rejected handshakes loop_lag",
    "LinkStatistics": "peer address state outbox outbox_bytes unacked unacked_bytes "
    "dropped reconnects last_seen",
    "ActorStatistics": "name type state mailbox handled dropped restarts",
    "VectorClock": "insert update increment remove merge descends concurrent trim get "
    "get_count get_insert get_timestamp has nodes size to_json from_json",
    "Entry": "count insert time",
    "HashRing": "insert update remove get is_defined weight weights nodes size "
    "number_nodes positions find next prev range_next range_prev merge intersect "
    "to_json from_json",
    "ClusterSimulation": "start partition heal cut delay loss crash restart converged "
    "rng now",
    "Trace": "hash lines seconds",
    "Functions and seams": "rounds simulate MemoryNetwork MemoryDisk",
    "`clusterkit.events`": "RingChanged RingConflict Left Removed EventsLost LinkUp "
    "LinkDown LinkGivenUp Undelivered Refused ActorRestarted ActorGaveUp",
}


def names(heading):
    """The names in the table under a heading of api.md."""
    text = (pages.FOLDER / "api.md").read_text()
    heading = f"`{heading}`" if heading == "clusterkit" else heading
    table = text.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `(?:await )?([\w.]+)", table, re.MULTILINE)
    return {name.rpartition(".")[2] for name in rows}


@pytest.mark.parametrize("file", pages.PAGES)
def test_the_committed_page_is_what_the_code_says(file):
    assert (pages.FOLDER / file).read_text() == pages.PAGES[file](), (
        "run: python tests/docs/reference_pages.py"
    )


@pytest.mark.parametrize("heading", PROMISED)
def test_every_promised_name_is_on_the_page(heading):
    assert set(PROMISED[heading].split()) - names(heading) == set()


def test_every_name_that_the_package_gives_out_is_on_the_page():
    public = {
        name
        for name, thing in vars(clusterkit).items()
        if not name.startswith("_")
        and not inspect.ismodule(thing)
        and name != "annotations"
    }
    assert public == names("clusterkit")


EVENTS = [
    kind
    for kind in vars(events).values()
    if inspect.isclass(kind) and issubclass(kind, events.Event) and kind != events.Event
]


def test_every_event_is_on_the_page():
    kinds = {kind.__name__ for kind in EVENTS}
    assert {*kinds, "RingEntry"} == names("`clusterkit.events`")


@pytest.mark.parametrize("kind", [*EVENTS, events.RingEntry])
def test_every_field_of_every_event_is_explained(kind):
    tree = ast.parse(inspect.getsource(kind)).body[0].body
    said = {
        field.target.id
        for field, text in pairwise(tree)
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr)
    }
    assert said == {f.name for f in fields(kind)}


def test_every_row_of_every_page_says_something():
    for file in pages.PAGES:
        text = (pages.FOLDER / file).read_text()
        assert re.findall(r"^.*\|\s*\|$", text, re.MULTILINE) == []


def numbers(file):
    """The public numbers that a module defines, by name."""
    parts = file.relative_to(ROOT).with_suffix("").parts
    module = importlib.import_module(".".join(("clusterkit", *parts)))
    for node in ast.parse(file.read_text()).body:
        targets = getattr(node, "targets", None) or [getattr(node, "target", None)]
        for target in targets:
            name = getattr(target, "id", "_")
            if name[0] != "_" and type(vars(module).get(name)) in (int, float):
                yield ".".join(parts), name


def test_every_number_is_listed_or_said_to_be_no_bound():
    found = {
        number
        for file in ROOT.rglob("*.py")
        if not file.stem.startswith("__") and file.parent.name != "testing"
        for number in numbers(file)
    }
    listed = {(module, name) for module, name, _ in pages.all_bounds()}
    exempt = {
        (module, name)
        for module, name in found
        if pages.NO_BOUNDS.keys() & {module, f"{module} {name}"}
    }
    assert found - exempt == listed


def test_every_error_has_a_code_of_its_own():
    codes = [cls.code for cls in pages.error_tree()]
    assert len(set(codes)) == len(codes)
