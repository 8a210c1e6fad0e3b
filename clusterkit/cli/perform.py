"""One request, carried out and printed: by the node, or right here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clusterkit.cli.bench import bench
from clusterkit.cli.client import open_client
from clusterkit.cli.command_table import COMMANDS
from clusterkit.cli.help_pages import overview, overview_json, page, page_json
from clusterkit.cli.output import OK, result_line
from clusterkit.cli.parser import unknown_command
from clusterkit.cluster.command_spec import View
from clusterkit.errors import ClusterError

if TYPE_CHECKING:
    from clusterkit.cli.client import Client, Destination
    from clusterkit.cli.output import Output
    from clusterkit.cli.parser import Request
    from clusterkit.cluster.command_spec import Command


async def perform_once(request: Request, to: Destination, output: Output) -> int:
    """Connect, carry out one request, print what came of it.

    Returns:
        The exit status.
    """
    try:
        async with open_client(to) as client:
            await perform(request, _row(request), client, to.timeout, output)
    except ClusterError as error:
        return output.error(error)
    return OK


async def perform(
    request: Request, command: Command, client: Client, timeout: float, output: Output
) -> None:
    """Have the node carry out a request, and print the result.

    Args:
        request: What was asked for.
        command: Its row of the table.
        client: Connected.
        timeout: Seconds for each question to the node.
        output: Where the result goes.

    Raises:
        ClusterError: It was refused, or there was no answer.
    """
    if command.view is View.EVENTS:
        async for event in client.watch():
            output.event(event)
        return
    if command.view is View.BENCH:
        output.result(request, await bench(request.values, client, timeout, output))
        return
    data = await client.ask(command, request.values, timeout)
    beside = {}
    if not output.as_json:
        for name in command.beside:
            beside[name] = await client.ask(COMMANDS[name], {}, timeout)
    output.result(request, data, beside)


def perform_here(request: Request, output: Output, *, at_prompt: bool = False) -> None:
    """Carry out a request that needs no node: `help` or `exit`.

    Raises:
        UsageError: Help is wanted about what is no command.
    """
    if _row(request).name == "exit":
        if not at_prompt:
            output.result(request, None)
        return
    # Help is for people, also where they read it through a pager.
    as_json = output.as_json if at_prompt else bool(request.options.get("json"))
    name, width = request.values.get("command"), output.width
    if name is None:
        text = overview(at_prompt=at_prompt, width=width)
        data = overview_json(at_prompt=at_prompt)
        output.text(result_line(data) if as_json else text)
        return
    command = COMMANDS.get(name)
    if command is None:
        raise unknown_command(name, COMMANDS)
    text = page(command, at_prompt=at_prompt, width=width)
    output.text(result_line(page_json(command)) if as_json else text)


def _row(request: Request) -> Command:
    assert request.command is not None  # noqa: S101 - a prompt has no request
    return request.command
