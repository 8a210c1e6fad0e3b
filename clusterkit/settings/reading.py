"""Settings from a file, the environment and arguments, each stronger than the last.

Everything that is wrong is found in one go, and said with where it stands: whoever
corrects a file should not have to start a node for each of its mistakes. A value that a
stronger one hides is checked all the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from clusterkit.errors import ConfigError
from clusterkit.settings.environment import (
    AUTH_VARIABLE,
    COOKIE_VARIABLE,
    OPERATOR_VARIABLE,
    variables,
)
from clusterkit.settings.kinds import PATH, told
from clusterkit.settings.spelling import shown, unknown, unknown_key, ways
from clusterkit.settings.table import CONFIG, FILE_VARIABLE, ROWS
from clusterkit.settings.values import Setting, Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from clusterkit.settings.table import Row
    from clusterkit.settings.toml_file import TomlFile
    from clusterkit.settings.values import Source


def read_settings(
    path: str | None,
    environ: Mapping[str, str],
    arguments: Mapping[str, object],
    spelled: Callable[[Row], str],
) -> Settings:
    """Return the settings; `name` may be missing among them.

    Args:
        path: The file; None for that of the variable `CLUSTERKIT_CONFIG`, if any.
        environ: The environment.
        arguments: By name; None for what was not given. Knobs are in a `config`.
        spelled: Says how an argument is called where it was given.

    Raises:
        ConfigError: The file cannot be read, something is unknown or impossible; the
            text says what and where, one line each.
    """
    wrong: list[str] = []
    found = {row.name: Setting(row.name, row.default) for row in ROWS.values()}
    file = (environ.get(FILE_VARIABLE) or None) if path is None else path
    if file is not None:
        from clusterkit.settings.toml_file import read_toml  # noqa: PLC0415

        content = _hinted(read_toml, file, variable=path is None)
        found |= _checked(_of_file(content, wrong), "file", wrong)
    found |= _checked(_of_environment(environ, wrong), "variable", wrong)
    found |= _checked(_of_arguments(arguments, spelled, wrong), "argument", wrong)
    if wrong:
        raise ConfigError("\n".join(wrong))
    names = (COOKIE_VARIABLE, AUTH_VARIABLE, OPERATOR_VARIABLE)
    cookie, auth, operator = (environ.get(name) or None for name in names)
    settings = Settings(found, cookie, auth, operator, file)
    _check_together(settings)
    return settings


def require_name(settings: Settings) -> str:
    """Return the node's name.

    Raises:
        ConfigError: It has none; the text says every way to give one.
    """
    if settings["name"] is None:
        raise ConfigError(f"the node has no name: {ways(ROWS['name'])}")
    name: str = settings["name"]
    return name


def _hinted(read: Callable[[str], TomlFile], file: str, *, variable: bool) -> TomlFile:
    try:
        return read(file)
    except ConfigError as error:
        if variable:
            raise ConfigError(f"{FILE_VARIABLE}: {error}") from error
        raise


def _of_file(file: TomlFile, wrong: list[str]) -> Iterator[tuple[Row, Any, str]]:
    """Yield rows, their values, and where each stands."""
    for names, value in _keys(file.values):
        table, key = ".".join(names[:-1]), names[-1]
        row = ROWS.get(".".join(names))
        place = file.place(*names)
        if row is None or row.key != key or row.table != table:
            where = f" in [{table}]" if table else ""
            what = "table" if isinstance(value, dict) else "key"
            near = unknown_key(key, table)
            wrong.append(f"{place}: unknown {what} {shown(key)!r}{where}{near}")
            continue
        if row.kind is PATH and isinstance(value, str) and value[:1] not in {"", "~"}:
            yield row, str(file.folder / value), place
        else:
            yield row, value, place


def _keys(values: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in values.items():
        if key == CONFIG and isinstance(value, dict):
            yield from (((CONFIG, knob), turned) for knob, turned in value.items())
        else:
            yield (key,), value


def _of_environment(
    environ: Mapping[str, str], wrong: list[str]
) -> Iterator[tuple[Row, Any, str]]:
    for row, text in variables(environ, wrong):
        yield row, row.kind.from_text(text), row.variable


def _of_arguments(
    arguments: Mapping[str, object],
    spelled: Callable[[Row], str],
    wrong: list[str],
) -> Iterator[tuple[Row, Any, str]]:
    given = dict(arguments)
    knobs = given.pop(CONFIG, None)
    if isinstance(knobs, Mapping):
        given |= {f"{CONFIG}.{name}": value for name, value in knobs.items()}
    elif knobs is not None:
        wrong.append(f"config: it is a mapping of knobs, not {told(knobs)}")
    for name, value in given.items():
        row = ROWS.get(name)
        if row is None:
            near = unknown(name, ROWS)
            wrong.append(f"unknown argument {shown(name)!r}{near}")
        elif value is not None:
            yield row, value, spelled(row)


def _checked(
    given: Iterator[tuple[Row, Any, str]], source: Source, wrong: list[str]
) -> dict[str, Setting]:
    found = {}
    for row, value, origin in given:
        try:
            read = row.read(value)
        except ConfigError as error:
            said = source != "file" or str(error).startswith(row.key)
            wrong.append(f"{origin}: {'' if said else f'{row.key}: '}{error}")
        else:
            found[row.name] = Setting(row.name, read, source, origin)
    return found


def _check_together(settings: Settings) -> None:
    """Check what depends on more than one setting.

    Raises:
        ConfigError: Knobs contradict each other, or TLS is not whole.
    """
    try:
        _ = settings.config
    except ConfigError as error:
        text = str(error)
        named = [
            f"{setting.name} = {setting.value} ({setting.origin})"
            for setting in settings
            if setting.name.removeprefix(f"{CONFIG}.") in text.replace(",", "").split()
        ]
        raise ConfigError(f"{text}: {', '.join(named)}") from error
    _ = settings.tls
