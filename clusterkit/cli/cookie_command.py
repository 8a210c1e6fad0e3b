"""`cluster-cli cookie`: make one, or take the next step of changing it.

A rotation changes the file on this machine and has nodes read their own again:
a cookie never goes over a link. The invariant is that a step is taken only when
every member is known to have taken the one before, unless it is forced.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import trio

from clusterkit.cli.client import open_client
from clusterkit.cli.command_table import COMMANDS
from clusterkit.cli.destination import destination
from clusterkit.cli.output import OK, result_line
from clusterkit.cli.reading import UsageError
from clusterkit.cluster.cookie_file import (
    STEPS,
    read_cookie_file,
    write_cookie_file,
)
from clusterkit.cluster.cookies import (
    COOKIE_FILE,
    fingerprint,
    fresh_cookie,
    new_cookie,
)
from clusterkit.errors import ClusterError

if TYPE_CHECKING:
    from clusterkit.cli.client import Client, Destination
    from clusterkit.cli.output import Output
    from clusterkit.cli.parser import Request
    from clusterkit.cluster.cookie_file import CookieFile

_DONE: Final = {
    1: "the new cookie is accepted by",
    2: "the new cookie is dialled with by",
    3: "the old cookie is refused by",
}
_NEXT: Final = {
    1: "cluster-cli cookie rotate: all dial with it then",
    2: "give the file to people and tools, then cluster-cli cookie rotate: the old "
    "cookie is refused then",
    3: "nothing: the rotation is over",
}
_RELOAD: Final = "cluster-cli reload --all"


def carry_out_cookie(request: Request, output: Output) -> int:
    """Carry out `cookie new` or `cookie rotate`; return the exit status.

    Raises:
        ClusterError: It came to nothing; the text says what to do.
    """
    values, options = request.values, request.options
    path = values.get("path") or options["cookie_file"] or COOKIE_FILE
    if values["action"] == "new":
        file = str(new_cookie(path, force=values.get("force", False)))
        output.text(result_line(file) if output.as_json else f"wrote {file}")
        return OK
    if options["key"] is not None:
        raise UsageError("rotate changes a file: give its path instead of -a")
    before = read_cookie_file(path)
    to = destination({**options, "cookie_file": path}, output.note)
    told = trio.run(_rotate, path, before, to, values)
    output.text(result_line(told) if output.as_json else _as_text(told))
    return OK


async def _rotate(
    path: str, before: CookieFile, to: Destination, values: dict[str, Any]
) -> dict[str, Any]:
    """Take one step; return what is told of it."""
    after = before.rotated(fresh_cookie())
    step = before.step + 1
    async with open_client(to) as client:
        if not values.get("force"):
            _check_ready(path, before, await _rows(client, to))
        write_cookie_file(path, after, instead_of=before)
        failure = await _reload(client, to, everywhere=bool(values.get("all")))
        rows = await _rows(client, to)
    waiting = _behind(rows, after)
    if failure is not None:
        raise ClusterError(
            f"{path} is at step {step} of {STEPS}, but was not read again: "
            f"{failure}; mend that, then: {_RELOAD}"
        )
    done = [row["node"] for row in rows if row["node"] not in waiting]
    told = {"file": str(path), "step": step, "of": STEPS}
    return told | {"done": done, "waiting": waiting, "next": _next(path, step, waiting)}


async def _rows(client: Client, to: Destination) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = await client.ask(COMMANDS["cookies"], {}, to.timeout)
    return rows


async def _reload(
    client: Client, to: Destination, *, everywhere: bool
) -> ClusterError | None:
    """Have the file read again; return what went wrong with that."""
    values = {"all": True} if everywhere else {}
    try:
        await client.ask(COMMANDS["reload"], values, to.timeout)
    except ClusterError as error:
        return error
    return None


def _check_ready(path: str, file: CookieFile, rows: list[dict[str, Any]]) -> None:
    """Refuse a step that would part the cluster.

    Raises:
        ClusterError: A member has not taken the step before, or none knows.
    """
    behind = _behind(rows, file)
    if not behind:
        return
    what = "; ".join(f"{node} {why}" for node, why in behind.items())
    raise ClusterError(
        f"not every member has what {path} says, and the next step would cut it off: "
        f"{what}. Copy the file to where it is not, then: {_RELOAD}. Remove members "
        "that are gone for good, or use --force"
    )


def _behind(rows: list[dict[str, Any]], file: CookieFile) -> dict[str, str]:
    """Return who does not accept just what the file says, and why."""
    wanted = [fingerprint(cookie) for cookie in file.cookies]
    behind = {}
    for row in rows:
        if row["error"] is not None:
            behind[row["node"]] = f"did not say what it has ({row['error']})"
        elif row["accepts"] != wanted:
            source = row["file"]
            told = f"has not read this ({source})" if source else "has no cookie file"
            behind[row["node"]] = told
    return behind


def _next(path: str, step: int, waiting: dict[str, str]) -> str:
    if not waiting:
        return _NEXT[step]
    return f"copy {path} to where {', '.join(waiting)} read it, then {_RELOAD}"


def _as_text(told: dict[str, Any]) -> str:
    step = told["step"]
    who = ", ".join(told["done"]) or "nobody yet"
    lines = [f"step {step} of {STEPS}: {_DONE[step]} {who}"]
    lines += [f"{node} {why}" for node, why in told["waiting"].items()]
    return "\n".join([*lines, f"next: {told['next']}"])
