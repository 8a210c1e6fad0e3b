"""Help and the reference page, both from the table."""

from __future__ import annotations

from pathlib import Path

import pytest

from clusterkit.cli.command_table import COMMANDS
from clusterkit.cli.help_pages import STATUSES, overview, overview_json, page, page_json
from clusterkit.cli.reading import UsageError
from clusterkit.cli.reference import reference
from clusterkit.errors import ClusterError, subclasses

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "cli.md"


@pytest.mark.parametrize("name", COMMANDS)
def test_the_page_of_a_command_has_all_that_the_table_has(name):
    command, text = COMMANDS[name], page(COMMANDS[name])
    told, _, rest = text.partition("\n\n")
    assert " ".join(told.split()) == f"usage: cluster-cli {command.usage}"
    assert max(map(len, told.splitlines())) <= 79
    assert rest.startswith(command.help)
    for row in (*command.arguments, *command.options):
        assert row.help in text
    assert command.example[0] in text


@pytest.mark.parametrize("name", COMMANDS)
def test_the_overview_has_every_command(name):
    assert f"  {name} " in overview()
    assert name in [row["name"] for row in overview_json()]


def test_the_prompt_shows_only_what_it_takes():
    names = {row["name"] for row in overview_json(at_prompt=True)}
    assert names.isdisjoint({"cookie", "run", "demo"})
    assert "\n  run " not in overview(at_prompt=True)


def test_at_the_prompt_nothing_stands_before_a_command():
    assert page(COMMANDS["get"], at_prompt=True).startswith("usage: get <id>\n")


@pytest.mark.parametrize("width", [110, 80, 60, 40])
def test_a_page_fits_its_terminal(width):
    pages = [overview(width=width), overview(at_prompt=True, width=width)]
    pages += [page(command, width=width) for command in COMMANDS.values()]
    for text in pages:
        wide = [line for line in text.splitlines() if len(line) > width]
        assert not any(" " in line.strip() for line in wide)  # one word, kept whole
    assert pages[2].split() == page(next(iter(COMMANDS.values()))).split()
    assert pages[0].split() == overview().split()


def test_the_page_for_a_program_has_the_flags():
    found = page_json(COMMANDS["insert"])
    assert found["options"][0]["flags"] == ["-f", "--force"]
    assert found["usage"] == COMMANDS["insert"].usage


def test_every_exit_status_of_an_error_is_explained():
    statuses = {cls.exit_status for cls in subclasses(ClusterError).values()}
    assert statuses | {0, UsageError.exit_status, 130} == set(STATUSES)


def test_the_reference_page_is_current():
    remedy = "python -m clusterkit.cli.reference > docs/reference/cli.md"
    assert PAGE.read_text(encoding="utf-8") == reference(), remedy


@pytest.mark.parametrize("name", COMMANDS)
def test_the_reference_page_has_every_command(name):
    assert f"#### `{COMMANDS[name].usage}`" in reference()
