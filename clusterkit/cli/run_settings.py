"""What `cluster-cli run` is told, by a file, variables and its command line.

A file is read if it is named, and no other: whoever runs a node in a folder that others
may write to would have them say which code it runs, and to whom it listens.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from clusterkit.cli.history import state_folder
from clusterkit.cli.run_actors import places
from clusterkit.errors import ConfigError
from clusterkit.settings.reading import read_settings
from clusterkit.settings.table import FILE_VARIABLE, ROWS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from clusterkit.settings.values import Settings

USUAL_FILE: Final = "clusterkit.toml"

_OTHERWISE: Final = {"name": "id", "meet": "seeds"}
"""Settings that the command table calls something else."""


def run_settings(
    values: Mapping[str, Any],
    warn: Callable[[str], None],
    environ: Mapping[str, str] = os.environ,
) -> Settings:
    """Return the settings of a node that is run.

    Args:
        values: The arguments and options of `run`.
        warn: Tells the user that a file is there, and is not read.
        environ: The environment.

    Raises:
        ConfigError: As `load_settings`, but that the name may be missing.
        UsageError: An actor is written in another form.
    """
    arguments = {name: values.get(_OTHERWISE.get(name, name)) for name in _flagged()}
    if arguments["actors"] is not None:
        arguments["actors"] = places(arguments["actors"])
    settings = read_settings(
        values.get("config"), environ, arguments, lambda row: row.flag
    )
    if settings.file is None and Path(USUAL_FILE).exists():
        warn(
            f"{USUAL_FILE} is here, and not read: --config {USUAL_FILE} or "
            f"{FILE_VARIABLE}={USUAL_FILE} has it read"
        )
    return settings


def default_state(settings: Settings) -> Path:
    """Return the file that keeps a node's membership, if no other is said."""
    return state_folder().joinpath(settings["ring"], f"{settings['name']}.state")


def made_folder(file: Path) -> Path:
    """Return the file, whose folder is there now.

    Raises:
        ConfigError: The folder cannot be made.
    """
    folder = file.parent
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"cannot make {folder}: {error.strerror}; choose a file with --state"
        ) from error
    return file


def _flagged() -> list[str]:
    return [row.name for row in ROWS.values() if row.flag]
