"""The structure that reviews would otherwise have to watch."""

import ast
import inspect
from pathlib import Path

import pytest

import clusterkit
from clusterkit import errors

ROOT = Path(clusterkit.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))
CAP = 400
ERRORS = [
    cls
    for cls in vars(errors).values()
    if isinstance(cls, type) and issubclass(cls, errors.ClusterError)
]
EXIT_STATUSES = {1, 2, 3, 4, 5}


@pytest.mark.parametrize("module", MODULES, ids=lambda m: str(m.relative_to(ROOT)))
def test_no_module_is_longer_than_the_cap(module):
    assert len(module.read_text().splitlines()) <= CAP


@pytest.mark.parametrize("module", MODULES, ids=lambda m: str(m.relative_to(ROOT)))
def test_every_module_says_what_lives_in_it(module):
    assert ast.get_docstring(ast.parse(module.read_text()))


@pytest.mark.parametrize("module", MODULES, ids=lambda m: str(m.relative_to(ROOT)))
def test_exceptions_are_caught_wholesale_only_with_a_reason(module):
    lines = module.read_text().splitlines()
    for number, line in enumerate(lines):
        if "except Exception" in line or "except BaseException:" in line:
            nearby = "\n".join(lines[number : number + 6])
            excused = "noqa: BLE001" in line or "#" in nearby or "raise" in nearby
            assert excused, f"{module.name}:{number + 1}"


def public_names():
    return [name for name in vars(clusterkit) if not name.startswith("_")]


def test_every_public_name_has_a_docstring():
    bare = [
        name
        for name in public_names()
        if (inspect.isclass(obj := getattr(clusterkit, name)) or inspect.isroutine(obj))
        and not inspect.getdoc(obj)
    ]
    assert bare == []


def test_every_error_has_a_code_of_its_own():
    codes = [cls.code for cls in ERRORS]
    assert sorted(codes) == sorted(set(codes))


@pytest.mark.parametrize("cls", ERRORS, ids=lambda cls: cls.__name__)
def test_every_error_has_an_exit_status_and_names_its_cause(cls):
    assert cls.exit_status in EXIT_STATUSES
    assert "__doc__" in vars(cls)


def test_the_top_level_has_what_it_should_and_nothing_else():
    top = ROOT.parent
    if not (top / "pyproject.toml").exists():
        pytest.skip("not a checkout")
    shown = {p.name for p in top.iterdir() if not p.name.startswith(".")}
    assert shown - {"__pycache__"} == {
        "pyproject.toml",
        "clusterkit",
        "bin",
        "tests",
        "docs",
        "README.md",
    }
