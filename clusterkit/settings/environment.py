"""The variables of the environment that are settings, and those that are not.

Whatever begins with `CLUSTERKIT_` is either known or an error: a slip in a name must not
leave a default in force. A few have another purpose, and Kubernetes makes some of its
own for a Service that is called `clusterkit`; those are passed over.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from clusterkit.settings.spelling import shown, unknown
from clusterkit.settings.table import FILE_VARIABLE, PREFIX, VARIABLES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from clusterkit.settings.table import Row

COOKIE_VARIABLE: Final = f"{PREFIX}COOKIE"
"""The variable that holds the cookie itself; it is no row, so that nothing shows it."""

AUTH_VARIABLE: Final = f"{PREFIX}MASTER_LIST_AUTH"
"""The variable with what a master list is told as `Authorization`, likewise."""

OPERATOR_VARIABLE: Final = f"{PREFIX}OPERATOR_SECRET"
"""The variable with the secret of operators over HTTP, likewise."""

NO_SETTINGS: Final = frozenset(
    {COOKIE_VARIABLE, AUTH_VARIABLE, OPERATOR_VARIABLE, FILE_VARIABLE}
)
"""What a node takes beside its settings: secrets, and where those are."""

TEST_VARIABLES: Final = frozenset(
    f"{PREFIX}{name}" for name in ("SEEDS", "SCHEDULES", "CHAOS", "FUZZ", "YARDSTICKS")
)
"""What the tests and the benchmark of clusterkit itself take."""

_LINKS: Final = re.compile(
    rf"{PREFIX}(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_\w+)?)"
)
_LINK: Final = re.compile(r"(tcp|udp|sctp)://.*")


def variables(
    environ: Mapping[str, str], wrong: list[str]
) -> Iterator[tuple[Row, str]]:
    """Yield the settings that variables have, with their text.

    An empty variable is as good as none.

    Args:
        environ: The environment.
        wrong: Gets a line for each that is unknown.
    """
    for name in sorted(environ):
        text = environ[name]
        if not name.startswith(PREFIX) or not text or is_link(name, text):
            continue
        if name in VARIABLES:
            yield VARIABLES[name], text
        elif name not in NO_SETTINGS and not _of_tests(name, text):
            near = unknown(name, VARIABLES)
            wrong.append(f"unknown variable {shown(name)}{near}")


def is_link(name: str, text: str) -> bool:
    """Say whether Kubernetes has made a variable, for a Service of such a name.

    `CLUSTERKIT_PORT` is among them: it is `tcp://10.0.0.1:7022` then.
    """
    if _LINKS.fullmatch(name):
        return True
    return name.endswith("_PORT") and bool(_LINK.fullmatch(text))


def _of_tests(name: str, text: str) -> bool:
    """Say whether a variable is meant for tests: numbers are, addresses are not."""
    return name in TEST_VARIABLES and (name != f"{PREFIX}SEEDS" or text.isdigit())
