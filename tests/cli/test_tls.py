"""The program against nodes whose links are encrypted."""

from __future__ import annotations

import signal

import pytest

from tests.certificates import files


def words(node="tool", ca="ours"):
    tls = files(node, ca)
    return "--tls-cert", tls.certificate, "--tls-key", tls.key, "--tls-ca", tls.ca


@pytest.fixture
async def locked(start_node):
    async with start_node("foo", tls=files("foo")) as node:
        yield node


async def test_a_command_with_a_certificate_is_carried_out(cli, locked):
    ran = await cli("-p", locked.port, *words(), "ping")
    assert (ran.status, ran.data) == (0, "pong")
    ran = await cli("-p", locked.port, "ping", *words())
    assert (ran.status, ran.data) == (0, "pong")


async def test_the_environment_will_do(cli, locked, monkeypatch):
    for name, path in zip(("CERT", "KEY", "CA"), words()[1::2], strict=True):
        monkeypatch.setenv(f"CLUSTERKIT_TLS_{name}", path)
    assert (await cli("-p", locked.port, "ping")).data == "pong"


async def test_without_a_certificate_the_options_are_named(cli, locked):
    ran = await cli("-p", locked.port, "ping")
    assert (ran.status, ran.code) == (4, "tls")
    assert f"127.0.0.1:{locked.port} refused: its links need TLS" in ran.err
    assert "give --tls-cert, --tls-key and --tls-ca" in ran.err


async def test_a_node_in_clear_is_not_spoken_to_with_a_certificate(cli, foo):
    ran = await cli("-p", foo.port, *words(), "ping")
    assert (ran.status, ran.code) == (4, "tls")
    assert "it does not speak TLS, this end does" in ran.err
    assert "--tls-cert" not in ran.err


async def test_a_certificate_of_another_ca_is_refused(cli, locked):
    ran = await cli("-p", locked.port, *words(ca="theirs"), "ping")
    assert (ran.status, ran.code) == (4, "tls")
    assert "its certificate is refused" in ran.err


async def test_a_part_of_the_options_is_a_setting_to_correct(cli, locked):
    ran = await cli("-p", locked.port, *words()[:4], "ping")
    assert (ran.status, ran.code) == (2, "config")
    assert "give --tls-ca, too" in ran.err


async def test_a_file_that_is_not_there_is_named(cli, locked):
    ran = await cli("-p", locked.port, *words()[:4], "--tls-ca", "nothing", "ping")
    assert (ran.status, ran.code) == (2, "config")
    assert "cannot read the CA certificate nothing" in ran.err


async def test_an_expired_certificate_is_said_before_anything_is_dialled(cli):
    tls = files("tool", days=-1)
    line = "--tls-cert", tls.certificate, "--tls-key", tls.key, "--tls-ca", tls.ca
    ran = await cli("-p", 1, *line, "ping")
    assert (ran.status, ran.code) == (2, "config")
    assert "certificate has expired" in ran.err


def test_a_node_is_run_with_tls_and_commanded(process):
    with process("run", "foo", "--port", 0, *words("foo")) as foo:
        assert foo.read_line().startswith("ready foo@127.0.0.1:")
        with process("-p", foo.port, *words(), "nodes") as tool:
            assert '"id": "foo"' in tool.wait().out
        with process("-p", foo.port, "nodes") as tool:
            assert tool.wait().status == 4
        foo.signal(signal.SIGTERM)
        assert foo.wait().status == 0


def test_a_node_with_half_of_it_does_not_start(process):
    with process("run", "foo", "--port", 0, *words("foo")[:2]) as foo:
        ran = foo.wait()
    assert (ran.status, ran.code) == (2, "config")
    assert "tls_key is missing: give --tls-key to cluster-cli run" in ran.err


def test_the_demo_is_none_of_it(process, monkeypatch):
    monkeypatch.setenv("CLUSTERKIT_TLS_CERT", "nothing")
    with process("demo") as demo:
        ran = demo.wait()
    assert ran.out.endswith("demo: ok\n"), ran
