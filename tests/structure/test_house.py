"""The structure that reviews would otherwise have to watch."""

import ast
import inspect
import re
import tokenize
from dataclasses import fields, is_dataclass
from itertools import pairwise
from pathlib import Path

import pytest

import clusterkit
import clusterkit.core
import clusterkit.discovery
import clusterkit.testing
import clusterkit.web
from clusterkit import errors, events
from clusterkit.actors.statistics import ActorStatistics
from clusterkit.cluster.broadcast import Events
from clusterkit.cluster.channels import Channels
from clusterkit.cluster.gossip import GossipRing
from clusterkit.cluster.keyring import Keyring
from clusterkit.cluster.masters import Masters
from clusterkit.cluster.members import Members
from clusterkit.cluster.node_state import NodeState
from clusterkit.cluster.node_statistics import NodeStatistics
from clusterkit.cluster.services import Services
from clusterkit.httpcluster.cluster import HttpCluster
from clusterkit.httpcluster.members import HttpMembers
from clusterkit.httpcluster.state import HttpState
from clusterkit.net.kernel import Kernel
from clusterkit.net.peer import LinkStatistics

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


def caught(handler):
    """The names of the exceptions that an `except` catches; "" for a bare one."""
    if handler.type is None:
        return [""]
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return [ast.unparse(kind).rpartition(".")[2] for kind in kinds]


def always_raises(handler):
    last = handler.body[-1]
    return isinstance(last, ast.Raise)


def comments(module):
    """The lines of a module that have a comment, and what it says."""
    with module.open("rb") as file:
        return {
            token.start[0]: token.string
            for token in tokenize.tokenize(file.readline)
            if token.type == tokenize.COMMENT
        }


@pytest.mark.parametrize("module", MODULES, ids=lambda m: str(m.relative_to(ROOT)))
def test_whoever_catches_everything_raises_it_again_or_says_why_not(module):
    said = comments(module)
    for handler in ast.walk(ast.parse(module.read_text())):
        if not isinstance(handler, ast.ExceptHandler):
            continue
        if not {"", "Exception", "BaseException"} & set(caught(handler)):
            continue
        beside = range(handler.lineno, handler.body[0].lineno)
        text = " ".join(said.get(line, "") for line in beside)
        reason = re.sub(r"# noqa: [A-Z0-9, ]+", "", text)
        assert always_raises(handler) or len(reason) > 10, (
            f"{module.name}:{handler.lineno}"
        )


@pytest.mark.parametrize("module", MODULES, ids=lambda m: str(m.relative_to(ROOT)))
def test_an_error_that_is_passed_over_has_its_reason_beside_it(module):
    said = comments(module)
    for handler in ast.walk(ast.parse(module.read_text())):
        if isinstance(handler, ast.ExceptHandler):
            last = handler.body[-1]
            if isinstance(handler.body[0], (ast.Pass, ast.Continue)):
                where = range(handler.lineno, last.end_lineno + 1)
                assert any(line in said for line in where), (
                    f"{module.name}:{handler.lineno}"
                )


def is_of_clusterkit(thing):
    return getattr(thing, "__module__", "").startswith("clusterkit")


def given_out_by(module):
    return [thing for name, thing in vars(module).items() if name[0] != "_"]


# What a program gets hold of without importing it; with names, these only: the
# rest is for the node itself.
REACHED = {
    ActorStatistics: None,
    Events: {"__aiter__"},
    GossipRing: set(vars(GossipRing)) - {"init", "handle_info"},
    HttpCluster: None,
    HttpMembers: {"all", "alive", "state"},
    HttpState: None,
    NodeState: {"set", "get", "delete", "peers", "keys", "value"},
    Members: {"all", "alive", "state", "why", "health"},
    Services: None,
    Masters: None,
    Channels: {"join", "leave", "send", "members", "forget_kept", "statistics"},
    Keyring: {"replace", "reload", "fingerprints"},
    Kernel: {"connect", "disconnect", "is_connected", "links"},
    LinkStatistics: None,
    NodeStatistics: None,
}
GIVEN_OUT = [
    thing
    for module in (
        clusterkit,
        clusterkit.core,
        clusterkit.discovery,
        clusterkit.testing,
        clusterkit.web,
        errors,
        events,
    )
    for thing in given_out_by(module)
    if is_of_clusterkit(thing)
]
CLASSES = list(dict.fromkeys(filter(inspect.isclass, [*GIVEN_OUT, *REACHED])))


def public_functions():
    """Every function, method and property that a program may use, by name."""
    found = {f.__qualname__: (f, None) for f in GIVEN_OUT if inspect.isfunction(f)}
    for cls in CLASSES:
        for name in REACHED.get(cls) or dir(cls):
            member = inspect.getattr_static(cls, name)
            member = getattr(member, "__func__", getattr(member, "fget", member))
            ours = inspect.isfunction(member) and is_of_clusterkit(member)
            if ours and name[0] != "_":
                found.setdefault(f"{cls.__name__}.{name}", (member, cls))
    return found


FUNCTIONS = public_functions()
ELSEWHERE = re.compile(r"([Ss]ee|[Aa]s (for|by)?|[Ll]ike|to) ?`[\w.]+`|`\w+` mirrored")
"""How a docstring says that another one holds for it, too."""


def test_every_public_class_has_a_docstring_of_its_own():
    assert [cls.__name__ for cls in CLASSES if "__doc__" not in vars(cls)] == []


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_public_function_says_what_it_does_and_takes(name):
    function, _ = FUNCTIONS[name]
    text = inspect.getdoc(function) or ""
    assert text
    parameters = set(inspect.signature(function).parameters) - {"self", "cls"}
    untold = {
        p
        for p in parameters
        if not re.search(
            rf"^ +(\w+, )*{p}(, \w+)*:|`[^`]*\b{p}\b[^`]*`", text, re.MULTILINE
        )
    }
    assert not untold or ELSEWHERE.search(text), untold


@pytest.mark.parametrize(
    "name", [n for n, (f, _) in FUNCTIONS.items() if inspect.iscoroutinefunction(f)]
)
def test_every_public_coroutine_says_what_its_cancellation_does(name):
    function, cls = FUNCTIONS[name]
    said = [inspect.getdoc(function) or "", (cls and cls.__doc__) or ""]
    assert any("Cancellation:" in text for text in said) or ELSEWHERE.search(said[0])


@pytest.mark.parametrize(
    "cls", [*filter(is_dataclass, CLASSES)], ids=lambda cls: cls.__name__
)
def test_every_field_of_a_public_dataclass_is_explained(cls):
    (tree,) = ast.parse(inspect.getsource(cls)).body
    said = {
        field.target.id
        for field, text in pairwise(tree.body)
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr)
    }
    said |= set(re.findall(r"^ +(\w+):", cls.__doc__, re.MULTILINE))
    own = {f.name for f in fields(cls) if f.name in vars(cls)["__annotations__"]}
    assert own - said == set()


@pytest.mark.parametrize("cls", ERRORS, ids=lambda cls: cls.__name__)
def test_every_attribute_of_an_error_is_explained(cls):
    own = set(re.findall(r"self\.(\w+) =", inspect.getsource(cls)))
    assert {name for name in own if f" {name}: " not in cls.__doc__} == set()


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
