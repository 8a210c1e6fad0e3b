"""A node of a later release: it says more than this one knows, or only that.

Made of the very parts of this release, with more in every greeting and behind
every record. Which node is which is told by its name.
"""

from __future__ import annotations

from unittest.mock import patch

import msgpack

from clusterkit.net import client, dialling, reception
from clusterkit.wire import dialer, listener
from clusterkit.wire.dialer import Dialer
from clusterkit.wire.frame import LENGTH, array_header
from clusterkit.wire.listener import Listener
from clusterkit.wire.seal import TAG_BYTES
from clusterkit.wire.session import Session

LATER = "later"
"""The node that speaks this version and the next."""

FUTURE = "future"
"""The node that does not speak this version any more."""

MORE = {"later": {"a": [1, None, "x"]}, "zone": b"\0" * 40, "": 1.5}
TRAILING = ["later", {"x": [1, 2]}, msgpack.ExtType(99, b"unknown")]


class More:
    """Greetings with fields that this release does not know."""

    def _emit(self, greeting, role=b""):
        values = msgpack.unpackb(greeting.to_bytes()[LENGTH.size :])
        if greeting.kind == "hello":
            values["versions"] = [1, 2]
        body = msgpack.packb(MORE | values)
        tag = TAG_BYTES if greeting.sealed else 0
        frame = LENGTH.pack(len(body) + tag) + body
        self._transcript.update(frame)
        if greeting.sealed:
            mac = self._mac(role)
            self._transcript.update(mac)
            frame += mac
        return frame


class LaterDialer(More, Dialer):
    """A dialer of a later release."""


class LaterListener(More, Listener):
    """A listener of a later release."""


class FutureDialer(Dialer):
    """A dialer that shares no version with this release."""

    def hello(self, sessions=0):
        with patch.object(dialer, "VERSIONS", (2, 3)):
            return super().hello(sessions)


class FutureListener(Listener):
    """A listener that shares no version with this release."""

    def challenge(self, sessions):
        with patch.object(listener, "VERSIONS", (2, 3)):
            return super().challenge(sessions)


class LaterSession(Session):
    """A session whose records are longer than this release knows.

    Attributes:
        said: The kinds of records that any has said.
    """

    said = set()

    def _close(self, parts):
        records = msgpack.unpackb(b"".join(map(bytes, parts)), strict_map_key=False)
        self.said.update(record[0] for record in records)
        longer = [msgpack.packb([*record, *TRAILING]) for record in records]
        return super()._close([array_header(len(longer)), *longer])


def with_later_nodes(monkeypatch):
    """Have the nodes called `later` and `future` be of those releases."""
    LaterSession.said = set()
    dialers = {LATER: LaterDialer, FUTURE: FutureDialer}
    listeners = {LATER: LaterListener, FUTURE: FutureListener}

    def choose(kinds, usual):
        return lambda me, *args: kinds.get(me.name, usual)(me, *args)

    for module in (dialling, client):
        monkeypatch.setattr(module, "Dialer", choose(dialers, Dialer))
    monkeypatch.setattr(reception, "Listener", choose(listeners, Listener))
    for module in (dialling, reception):
        opens = module.open_session

        def open_session(greeted, *args, opens=opens, **how):
            session = opens(greeted, *args, **how)
            if greeted.me.name == LATER:
                session.__class__ = LaterSession
            return session

        monkeypatch.setattr(module, "open_session", open_session)
