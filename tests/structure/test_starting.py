"""What an import and a command cost, kept small by what they do not do."""

import importlib
import pkgutil
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

import clusterkit
from clusterkit.frozen import frozen

ROOT = Path(clusterkit.__file__).parent


def classes_of(module):
    own = [c for c in vars(module).values() if isinstance(c, type)]
    return [c for c in own if c.__module__ == module.__name__]


def own_dataclasses():
    names = pkgutil.walk_packages([str(ROOT)], "clusterkit.")
    modules = [
        importlib.import_module(m.name) for m in names if "__main__" not in m.name
    ]
    return [
        cls
        for module in modules
        for cls in classes_of(module)
        if "__dataclass_fields__" in vars(cls)
    ]


DATACLASSES = own_dataclasses()
FROZEN = [cls for cls in DATACLASSES if cls.__dataclass_params__.frozen]


@pytest.mark.parametrize("cls", FROZEN, ids=lambda cls: cls.__qualname__)
def test_every_frozen_class_makes_its_methods_late(cls):
    assert vars(cls)["__setattr__"].__module__ == frozen.__module__


@pytest.mark.parametrize("cls", DATACLASSES, ids=lambda cls: cls.__qualname__)
def test_every_dataclass_has_slots_for_its_own_fields(cls):
    own = [f.name for f in fields(cls) if f.name in vars(cls)["__annotations__"]]
    assert [*vars(cls)["__slots__"]] == own


IMPORT = """
import inspect, sys
import clusterkit
ours = [m for name, m in [*sys.modules.items()] if name.startswith("clusterkit")]
classes = {c for m in ours for c in vars(m).values() if isinstance(c, type)}
frozen = [c for c in classes if "__dataclass_fields__" in vars(c)]
print(len(frozen))
print(*(c.__name__ for c in frozen if inspect.isfunction(vars(c)["__init__"])))
print(*sys.modules)
"""

FOR_A_NODE = (
    "clusterkit.actors.runtime",
    "clusterkit.cluster.assembly",
    "clusterkit.cluster.command_server",
    "clusterkit.core.membership",
    "clusterkit.net.kernel",
    "clusterkit.wire.session",
)
FOR_A_TOOL = ("argparse", "clusterkit.cli.main", "json", "prompt_toolkit")
FOR_SETTINGS = ("clusterkit.settings.table", "clusterkit.settings.values", "tomllib")


def test_an_import_makes_no_methods_and_loads_neither_node_nor_tool():
    done = subprocess.run(
        [sys.executable, "-c", IMPORT], capture_output=True, text=True, check=True
    )
    count, made, loaded = done.stdout.splitlines()
    assert int(count) > 20
    assert made == ""
    late = {*FOR_A_NODE, *FOR_A_TOOL, *FOR_SETTINGS, "difflib"}
    assert not late.intersection(loaded.split())
