"""Who is measured, with which programs, and what each needs.

Our own programs stand beside this file. The yardsticks of other systems are a
folder of programs of their own: `CLUSTERKIT_YARDSTICKS`, or one called
`shared/bench` beside the checkout. What is absent is named with the reason, never left out
silently.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from processes import HERE, ROOT, Failed, last_line, result_of, serving

CACHE = ROOT / ".bench"
"""Where peers' virtual environments are kept; it ignores itself for git."""

REMOTE, LOCAL = ("W1", "W2", "W3", "W4"), ("W5", "W6")
WORKLOADS = (*REMOTE, *LOCAL, "ring", "import", "cli")
LONG = ("overload", "heartbeat")
"""Workloads that run only when they are named."""


@dataclass(frozen=True)
class Program:
    """One program of a peer, run once a round.

    Args:
        file: Its path, in this folder or the yardsticks'.
        arguments: What it is called with; ours get the port of their server
            and the workloads wanted behind them.
        workloads: What it measures.
        server: The arguments that make it node B, if it does not start it.
    """

    file: str
    arguments: tuple[str, ...]
    workloads: tuple[str, ...]
    server: tuple[str, ...] = ()


@dataclass(frozen=True)
class Peer:
    """A column of the table.

    Args:
        name: The column's heading, and its name for `--only`.
        programs: What measures it.
        yardstick: Whether the programs are in the yardsticks' folder.
        packages: What its own virtual environment needs; none: it runs in ours.
        executables: What must be on the PATH.
        usual: Whether it runs when no peer is named.
    """

    name: str
    programs: tuple[Program, ...]
    yardstick: bool = True
    packages: tuple[str, ...] = ()
    executables: tuple[str, ...] = ()
    usual: bool = True


def near(variant: str, *, usual: bool) -> Peer:
    """Return a variant of the yardsticks' own prototype."""
    program = Program("near/near.py", (variant,), REMOTE)
    packages = (ours("trio"), ours("msgpack"), "msgspec")
    return Peer(f"near:{variant}", (program,), packages=packages, usual=usual)


def foreign(name: str, *packages: str, workloads: tuple[str, ...]) -> Peer:
    """Return another framework's yardstick; only some are usual."""
    program = Program(f"{name}/bench.py", (), workloads)
    return Peer(name, (program,), packages=packages, usual=name == "pykka")


def without(part: str) -> Peer:
    """Return clusterkit with one of its parts switched off."""
    program = Program("without.py", (part, "client"), REMOTE, server=(part, "server"))
    return Peer(f"-{part}", (program,), yardstick=False, usual=False)


def ours(package: str) -> str:
    """Return the requirement for the version that we run with ourselves."""
    return f"{package}=={version(package)}"


PEERS = (
    Peer(
        "clusterkit",
        (
            Program("workloads.py", ("client",), REMOTE, server=("server",)),
            Program("workloads.py", ("local",), LOCAL),
            Program("ring.py", ("clusterkit",), ("ring",)),
            Program("startup.py", ("clusterkit",), ("import",)),
            Program("startup.py", ("cli",), ("cli",)),
            Program("overload.py", ("client",), ("overload",), server=("server",)),
            Program("heartbeat.py", ("client",), ("heartbeat",), server=("server",)),
        ),
        yardstick=False,
    ),
    without("seal"),
    without("resume"),
    without("lanes"),
    Peer(
        "+tls",
        (Program("with_tls.py", ("client",), REMOTE, server=("server",)),),
        yardstick=False,
        usual=False,
    ),
    Peer(
        "bare",
        (
            Program(
                "baseline.py",
                ("client", "bare"),
                ("W1", "W4", "W5", "W6"),
                server=("server", "bare"),
            ),
            Program("startup.py", ("trio",), ("import",)),
        ),
        yardstick=False,
    ),
    Peer(
        "sealed",
        (
            Program(
                "baseline.py", ("client", "sealed"), REMOTE, server=("server", "sealed")
            ),
        ),
        yardstick=False,
    ),
    Peer(
        "erlang",
        (Program("erlang/run.py", (), REMOTE + LOCAL),),
        executables=("erl", "erlc", "epmd"),
    ),
    near("raw", usual=False),
    near("trioraw", usual=False),
    near("d", usual=False),
    near("d+mb", usual=True),
    near("e", usual=True),
    foreign("pykka", "pykka", workloads=LOCAL),
    foreign("xoscar", "xoscar", workloads=REMOTE + LOCAL),
    foreign("pyro5", "Pyro5", "msgpack", workloads=(*REMOTE, "W6")),
    foreign("rpyc", "rpyc", workloads=REMOTE),
    foreign("aiozmq", "aiozmq", "msgpack", workloads=REMOTE),
    foreign("zerorpc", "zerorpc", workloads=("W1", "W2", "W4")),
    foreign("grpc", "grpcio", "msgpack", workloads=REMOTE),
    Peer(
        "uhashring",
        (Program("ring.py", ("uhashring",), ("ring",)),),
        yardstick=False,
        packages=("uhashring", ours("trio")),
    ),
)


@dataclass(frozen=True)
class Runnable:
    """A program with all that it needs in place."""

    peer: str
    program: Program
    python: str
    folder: Path

    def run(self, only: str) -> dict[str, Any]:
        """Run it once and return its result.

        Raises:
            Failed: It gave none.
        """
        command = [self.python, str(self.folder / self.program.file)]
        ask = [*command, *self.program.arguments]
        if self.folder != HERE:
            return result_of(ask)
        if not self.program.server:
            return result_of([*ask, only])
        with serving([*command, *self.program.server]) as port:
            return result_of([*ask, port, only])


def prepare(peer: Peer, only: str) -> list[Runnable]:
    """Return those programs of `peer` that measure what `only` names.

    Raises:
        Failed: The peer cannot run here.
    """
    chosen = set(only.split(",")) if only else set(WORKLOADS)
    programs = [p for p in peer.programs if chosen & set(p.workloads)]
    if not programs:
        return []
    folder = yardsticks() if peer.yardstick else HERE
    missing = [name for name in peer.executables if shutil.which(name) is None]
    if missing:
        raise Failed(f"{', '.join(missing)} not on the PATH (try --install-erlang)")
    for program in programs:
        if not (folder / program.file).is_file():
            raise Failed(f"no {program.file} among the yardsticks")
    python = interpreter(peer) if peer.packages else sys.executable
    return [Runnable(peer.name, program, python, folder) for program in programs]


def yardsticks() -> Path:
    """Return the folder of the other systems' programs.

    Raises:
        Failed: There is none.
    """
    named = os.environ.get("CLUSTERKIT_YARDSTICKS")
    folder = Path(named) if named else ROOT.parent / "shared" / "bench"
    if folder.is_dir():
        return folder.resolve()
    raise Failed("no yardsticks: point CLUSTERKIT_YARDSTICKS at their folder")


def interpreter(peer: Peer) -> str:
    """Return the Python of the peer's virtual environment, made on demand.

    Raises:
        Failed: It cannot be made.
    """
    venv = CACHE / peer.name.partition(":")[0]
    python, stamp = venv / "bin" / "python", venv / "stamp"
    wanted = f"{sys.version} {venv} {' '.join(peer.packages)}"
    if not stamp.is_file() or stamp.read_text() != wanted:
        CACHE.mkdir(exist_ok=True)
        (CACHE / ".gitignore").write_text("*\n")
        print(f"making {venv.relative_to(ROOT)} …", file=sys.stderr)
        install(sys.executable, "venv", "--clear", str(venv))
        install(str(python), "pip", "install", "-q", "--retries", "1", *peer.packages)
        stamp.write_text(wanted)
    return str(python)


def install(python: str, *arguments: str) -> None:
    """Run `python -m …`.

    Raises:
        Failed: It did not succeed.
    """
    done = subprocess.run(
        [python, "-m", *arguments], check=False, capture_output=True, text=True
    )
    if done.returncode:
        raise Failed(f"no virtual environment: {last_line(done.stderr)}")
