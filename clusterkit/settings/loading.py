"""`load_settings`: the door for programs. All that reads is loaded when it is used."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clusterkit.settings.values import Settings


def load_settings(
    file: str | os.PathLike[str] | None = None,
    environ: Mapping[str, str] | None = None,
    **arguments: object,
) -> Settings:
    """Read what a node is told by a file, the environment and arguments.

        settings = load_settings()
        async with create_cluster(**settings.options) as node:
            ...

    Arguments are stronger than variables `CLUSTERKIT_…`, those than the file, and that
    than defaults. Every name, its variable and its key are in the reference of settings.

    Args:
        file: A file of TOML. None: that which the variable `CLUSTERKIT_CONFIG` names,
            and if there is no such variable, none. A file in the current folder is not
            looked for.
        environ: The environment; None for that of the process.
        arguments: Settings by name, of which None counts as not given; knobs of
            `Config` as a mapping `config`.

    Returns:
        The settings, all of them checked.

    Raises:
        ConfigError: The node has no name, the file cannot be read, a setting is
            unknown or impossible. The text has a line for each, which says where it
            stands, and what may have been meant.
    """
    from clusterkit.settings.reading import (  # noqa: PLC0415 - it would burden imports
        read_settings,
        require_name,
    )

    path = None if file is None else os.fspath(file)
    around = os.environ if environ is None else environ
    settings = read_settings(path, around, arguments, lambda row: f"{row.name}=")
    require_name(settings)
    return settings
