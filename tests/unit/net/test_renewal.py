"""Certificates that change under a running node."""

from __future__ import annotations

import shutil
from pathlib import Path
from random import Random

import pytest

from clusterkit import Tls
from clusterkit.errors import ConfigError, TlsRefused
from clusterkit.net.credentials import load
from clusterkit.net.disk import read_regular
from clusterkit.net.renewal import credentials
from clusterkit.testing import MemoryNetwork
from tests.certificates import contexts, files
from tests.unit.nodes import on_network, virtual
from tests.unit.servers import Sink

PARTS = ("certificate", "key", "ca")


class Folder:
    """The three files of a node, which somebody replaces.

    Attributes:
        tls: As the node has them.
    """

    def __init__(self, path, name):
        self.tls = Tls(**{part: str(path / f"{name}.{part}") for part in PARTS})
        self.put(files(name))

    def put(self, tls, parts=PARTS):
        """Replace files as renewal tools do: beside, then by a rename."""
        for part in parts:
            target = Path(getattr(self.tls, part))
            fresh = target.with_suffix(".fresh")
            shutil.copyfile(getattr(tls, part), fresh)
            fresh.replace(target)


@pytest.fixture
def b_folder(tmp_path):
    return Folder(tmp_path, "b")


def test_as_long_as_nothing_changes_nothing_is_read(b_folder):
    now = credentials(b_folder.tls)
    assert now() is now()


def test_new_files_count_at_once(b_folder):
    now = credentials(b_folder.tls)
    assert now().own == load(files("b")).own
    b_folder.put(files("b-renewed"))
    assert now().own == load(files("b-renewed")).own


def test_half_of_a_change_is_not_taken(b_folder, caplog):
    now = credentials(b_folder.tls)
    before = now()
    b_folder.put(files("b-renewed"), ["certificate"])
    assert now() is before
    assert now() is before
    assert [r.event for r in caplog.records] == ["tls_not_renewed"]
    assert "does not belong to the certificate" in caplog.text
    b_folder.put(files("b-renewed"), ["key"])
    assert now().own == load(files("b-renewed")).own


@pytest.mark.parametrize("part", PARTS)
def test_what_is_taken_away_is_used_no_less(b_folder, part, caplog):
    now = credentials(b_folder.tls)
    before = now()
    Path(getattr(b_folder.tls, part)).unlink()
    assert now() is before
    assert "No such file" in caplog.text


@pytest.mark.parametrize("part", PARTS)
def test_what_is_taken_away_while_it_is_read_is_used_no_less(
    b_folder, part, caplog, monkeypatch
):
    now = credentials(b_folder.tls)
    before = now()
    b_folder.put(files("b-renewed"))
    target = Path(getattr(b_folder.tls, part))

    def read_once(path, most):
        content = read_regular(path, most)
        if path == target:
            target.unlink()
        return content

    monkeypatch.setattr("clusterkit.net.credentials.read_regular", read_once)
    assert now() is before
    assert str(target) in caplog.text


def test_an_expired_one_does_not_take_the_place_of_a_good_one(b_folder):
    now = credentials(b_folder.tls)
    before = now()
    b_folder.put(files("b", days=-1))
    assert now() is before


def test_at_the_start_it_is_an_error(tmp_path):
    folder = Folder(tmp_path, "b")
    folder.put(files("a"), ["key"])
    with pytest.raises(ConfigError):
        credentials(folder.tls)


def test_contexts_are_their_owner_s():
    now = credentials(contexts("b"), "127.0.0.1")
    assert now() is now()


CAS = ("ours", "theirs")


def test_a_ca_is_changed_node_by_node_while_all_run(tmp_path):
    """Both CAs first, then the new certificates, then the old CA goes."""
    nodes = {name: Folder(tmp_path, name) for name in "ab"}
    both = tmp_path / "both.pem"
    both.write_text("".join(Path(files("x", ca).ca).read_text() for ca in CAS))
    bundle = Tls(certificate="unused", key="unused", ca=both)
    network = MemoryNetwork(Random(0))

    @virtual
    async def change():
        async with (
            on_network(network, "b", tls=nodes["b"].tls, actors={"sink": Sink}) as b,
            on_network(network, "a", tls=nodes["a"].tls) as a,
        ):
            await anew(a, b)
            for folder in nodes.values():
                folder.put(bundle, ["ca"])
                await anew(a, b)
            for name, folder in nodes.items():
                folder.put(files(name, "theirs"), ["key", "certificate"])
                await anew(a, b)
            for name, folder in nodes.items():
                folder.put(files(name, "theirs"), ["ca"])
                await anew(a, b)
            async with on_network(network, "old", tls=files("old")) as old:
                with pytest.raises(TlsRefused):
                    await old.kernel.connect(b.address)

    change()


async def anew(a, b):
    """Part, and shake hands again."""
    await a.kernel.disconnect("b", force=True)
    await a.kernel.connect(b.address)
    assert await a.call("sink@b", "echo", 1) == 1
