"""`cluster-cli config`: what a node would be told here, and where each of it is said."""

from __future__ import annotations

from math import isinf
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from clusterkit.cli.output import OK, result_line
from clusterkit.cli.reading import UsageError
from clusterkit.cli.run_settings import default_state, run_settings
from clusterkit.cluster.cookies import COOKIE_FILE, COOKIE_VARIABLE
from clusterkit.names import check_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from clusterkit.cli.output import Output
    from clusterkit.cli.parser import Request
    from clusterkit.settings.values import Setting, Settings

NOT_SHOWN: Final = "(not shown)"
"""In the place of a cookie."""


def carry_out_config(request: Request, output: Output) -> int:
    """Carry out `config show` or `config check`; return the exit status.

    Raises:
        ConfigError: Something is wrong with the settings; the text says what, and where.
        UsageError: `check` is given no file.
    """
    values = dict(request.values)
    what = values.pop("what", None)
    if values["action"] == "check":
        if what is None:
            raise UsageError("missing <path>: config check clusterkit.toml")
        run_settings({"config": what}, output.note)
        output.text(result_line(None) if output.as_json else "ok")
        return OK
    if what is not None:
        values["id"] = check_name(what, "node id")
    settings = run_settings(values, output.note)
    output.result(request, list(_rows(settings, values)))
    return OK


def _rows(settings: Settings, values: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for setting in settings:
        yield _row(setting.name, *_shown(setting, settings))
        if setting.name == "cookie_file":
            yield _row("cookie", *_cookie(settings, values))


def _row(name: str, value: Any, origin: str) -> dict[str, Any]:
    return {"name": name, "value": value, "origin": origin}


def _shown(setting: Setting, settings: Settings) -> tuple[Any, str]:
    value = setting.value
    if setting.name == "state" and value is None and settings["name"] is not None:
        value = str(default_state(settings))
    if isinstance(value, float) and isinf(value):
        value = str(value)  # JSON has no such number
    return list(value) if isinstance(value, tuple) else value, setting.origin


def _cookie(settings: Settings, values: Mapping[str, Any]) -> tuple[str | None, str]:
    """Return whether there is a cookie, and where."""
    if values.get("key") is not None:
        return NOT_SHOWN, "-a"
    found = settings.cookie
    if isinstance(found, bytes):
        return NOT_SHOWN, COOKIE_VARIABLE
    there = (found or Path(COOKIE_FILE)).expanduser().exists()
    return NOT_SHOWN if there else None, str(found or COOKIE_FILE)
