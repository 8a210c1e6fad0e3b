"""Settings, read and checked: what each is, and where it comes from.

How they are read is `reading`. The invariant is that no secret is among what is shown.
"""

from __future__ import annotations

import os
from codecs import BOM_UTF8
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from clusterkit.cluster.cookie_file import read_private
from clusterkit.config import Config
from clusterkit.errors import ConfigError
from clusterkit.frozen import frozen
from clusterkit.net.certificates import Tls
from clusterkit.settings.spelling import ways
from clusterkit.settings.table import CONFIG, ROWS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from clusterkit.discovery.source import Source as AddressSource

Source: TypeAlias = Literal["default", "file", "variable", "argument"]
"""Who says a setting; each is stronger than those before it."""


@frozen
class Setting:
    """One setting.

    Attributes:
        name: What it is called; `config.` and the name, for a knob of `Config`.
        value: What it is; None for nothing.
        source: Who says so: `default`, `file`, `variable` or `argument`.
        origin: The same in words: a file with the line, the name of a variable, or an
            argument.
    """

    name: str
    value: Any
    source: Source = "default"
    origin: str = "default"


SOURCES: Final = ("discover", "dns", "srv", "seed_file", "master_list")
"""Settings that name sources of addresses."""


@frozen
class Settings:
    """All settings of a node; made by `load_settings`.

    Iterating gives each as a `Setting`.

    Attributes:
        file: The file that was read; None for none.
    """

    _all: Mapping[str, Setting] = field(repr=False)
    _cookie: str | None = field(repr=False)
    _auth: str | None = field(repr=False)
    _operator: str | None = field(repr=False)
    file: str | None

    def __iter__(self) -> Iterator[Setting]:
        return iter(self._all.values())

    def __getitem__(self, name: str) -> Any:
        """Return the value of a setting; `config.` and its name for a knob.

        Raises:
            KeyError: There is none of that name.
        """
        return self._all[name].value

    def setting(self, name: str) -> Setting:
        """Return a setting, with its origin.

        Args:
            name: What it is called.

        Raises:
            KeyError: There is none of that name.
        """
        return self._all[name]

    @property
    def options(self) -> dict[str, Any]:
        """What `create_cluster` is to be given: `create_cluster(**settings.options)`.

        Options that nobody has said anything of are left out, so that a program may
        give them itself. The classes of `actors` are imported.

        Raises:
            ConfigError: TLS is not configured whole, or the class of an actor is not
                there.
        """
        actors = {n: self._factory(n, place) for n, place in self["actors"].items()}
        return self.plain_options | ({"actors": actors} if actors else {})

    @property
    def plain_options(self) -> dict[str, Any]:
        """The same without actors, of which nothing is imported.

        Raises:
            ConfigError: TLS is not configured whole.
        """
        where = ("name", "host", "port", "advertise", "ring", "state", "on_exit")
        names = (*where, "rfactor", "pfactor")
        found = {name: self[name] for name in names if self._is_said(name)}
        more = {
            "seeds": self["meet"] or None,
            "cookie": self.cookie,
            "config": self.config,
            "tls": self.tls,
            "discover": self.sources or None,
        }
        return found | {n: value for n, value in more.items() if value is not None}

    @property
    def sources(self) -> tuple[AddressSource, ...]:
        """Where addresses of nodes come from; nothing is loaded if nothing is said.

        Raises:
            ConfigError: One is impossible, or its package is not installed.
        """
        if not any(self[name] for name in SOURCES):
            return ()
        from clusterkit.settings.sources import chosen_sources  # noqa: PLC0415

        return chosen_sources(self, self._auth)

    @property
    def cookie(self) -> bytes | Path | None:
        """The cookie, or the file that it is in; None to look for it at home.

        An argument counts before the variable `CLUSTERKIT_COOKIE`, and that before
        another variable or the file.
        """
        file = self._all["cookie_file"]
        if self._cookie is not None and file.source != "argument":
            return os.fsencode(self._cookie)
        return None if file.value is None else Path(file.value)

    @property
    def operator_secret(self) -> bytes | None:
        """The secret of operators over HTTP; None if nobody is one.

        An argument counts before the variable `CLUSTERKIT_OPERATOR_SECRET`, and that
        before another variable or the file.

        Raises:
            ConfigError: Its file cannot be read, or others can read it.
        """
        file = self._all["operator_secret_file"]
        if self._operator is not None and file.source != "argument":
            return os.fsencode(self._operator)
        if file.value is None:
            return None
        path = Path(file.value).expanduser()
        content = read_private(path, "the operators' secret in")
        return content.removeprefix(BOM_UTF8)  # some editors begin a file with it

    @property
    def config(self) -> Config | None:
        """The knobs; None if nobody has turned one."""
        knobs = {
            name.removeprefix(f"{CONFIG}."): setting.value
            for name, setting in self._all.items()
            if name.startswith(f"{CONFIG}.") and setting.source != "default"
        }
        return Config(**knobs) if knobs else None

    @property
    def tls(self) -> Tls | None:
        """What to encrypt with; None for links in clear.

        Raises:
            ConfigError: One of the three files is named and another is not.
        """
        names = ("tls_cert", "tls_key", "tls_ca")
        missing = [name for name in names if self[name] is None]
        if len(missing) == len(names) and not self["tls_hostnames"]:
            return None
        if missing:
            raise ConfigError(
                f"TLS needs a certificate, its key, and a CA; {missing[0]} is "
                f"missing: {ways(ROWS[missing[0]])}"
            )
        certificate, key, ca = (self[name] for name in names)
        return Tls(
            certificate=certificate, key=key, ca=ca, hostnames=self["tls_hostnames"]
        )

    def _is_said(self, name: str) -> bool:
        return self._all[name].source != "default"

    def _factory(self, name: str, place: str) -> Any:
        """Return the class of an actor.

        What its module raises otherwise is the program's, and is not caught.
        """
        from pkgutil import resolve_name  # noqa: PLC0415 - for actors only

        try:
            return resolve_name(place)
        except (ModuleNotFoundError, AttributeError) as error:
            origin = self._all["actors"].origin
            raise ConfigError(f"{origin}: actor {name} ({place}): {error}") from error
