"""What an unknown setting may have been meant to be; and every way to give a known one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from clusterkit.settings.table import CONFIG, PREFIX, ROWS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from clusterkit.settings.table import Row

MOST_SHOWN: Final = 100
"""Characters of an unknown word that an error shows."""

_COOKIE: Final = (
    "a cookie is no setting, for settings are shown, copied and committed: write it "
    "to a file of its own, which nobody else may read, and name that as cookie_file"
)
_OTHER_WORDS: Final = {
    "id": "name",
    "seeds": "meet",
    "bind": "host",
    "address": "advertise",
    "certificate": "tls_cert",
}
"""What is called otherwise elsewhere, or by `create_cluster`."""


def unknown(word: str, known: Iterable[str]) -> str:
    """Return what to add to an error about an unknown word; "" if nothing is near.

    Args:
        word: What was written: a key, an argument, or a variable.
        known: What could have been, of the same sort.
    """
    prefix = PREFIX * word.startswith(PREFIX)
    bare = _bare(word)
    if bare == "cookie":
        return f": {_COOKIE}"
    if bare in _OTHER_WORDS:
        other = _OTHER_WORDS[bare]
        return f"; did you mean {(prefix + (other.upper() if prefix else other))!r}?"
    from difflib import get_close_matches  # noqa: PLC0415 - for mistakes only

    bared = {_bare(other): other for other in known}
    near = get_close_matches(bare[:MOST_SHOWN], bared, n=1)
    return f"; did you mean {bared[near[0]]!r}?" if near else ""


def shown(word: str) -> str:
    """Return an unknown word as an error shows it."""
    return word if len(word) <= MOST_SHOWN else f"{word[:MOST_SHOWN]}…"


def _bare(word: str) -> str:
    """Return a word without what many begin with, which would make any two alike."""
    bare = word.removeprefix(PREFIX).lower()
    return bare.removeprefix(f"{CONFIG}.").removeprefix(f"{CONFIG}_")


def unknown_key(key: str, table: str) -> str:
    """Return what to add to an error about an unknown key of a file.

    Args:
        key: What was written.
        table: The table it stands in, "" for the top.
    """
    if key == CONFIG and not table:
        return f": it is a table, [{CONFIG}]"
    here = {row.key for row in ROWS.values() if row.table == table}
    here |= {CONFIG} - {table}
    there = {row.key: row.table for row in ROWS.values() if row.table != table}
    if key in there:
        return f": it belongs {_place(there[key])}"
    near = unknown(key, sorted(here))
    if near:
        return near
    elsewhere = unknown(key, sorted(there))
    return elsewhere and f"{elsewhere[:-1]} {_place(CONFIG * (not table))}?"


def _place(table: str) -> str:
    return f"under [{table}]" if table else "at the top, before the first [table]"


def ways(row: Row) -> str:
    """Return every way to give a setting, for an error that it is missing."""
    key = f'{row.key} = "…"'
    where = f"{key} under [{row.table}]" if row.table else key
    argument = f"{row.flag} to cluster-cli run" if row.flag else ""
    given = ", ".join(filter(None, [argument, f"{row.name}= to load_settings"]))
    return f"give {given}, set {row.variable}, or write {where} in the file"
