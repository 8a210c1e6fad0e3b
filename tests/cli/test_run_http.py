"""`run --http`: a node in the foreground, and its pages."""

from __future__ import annotations

import signal
import socket

import httpx
import pytest

SECRET = "an operator's secret"


@pytest.fixture
def secret_file(home):
    file = home / "operator"
    file.write_text(SECRET + "\n")
    file.chmod(0o600)
    return file


def ready(node):
    """Return the URL that a node says, once it is ready."""
    return node.read_line().rpartition(" http=")[2]


def test_a_node_that_is_run_answers_probes_and_operators(process, secret_file):
    words = ["--http", "127.0.0.1:0", "--operator-secret-file", str(secret_file)]
    with process("run", "foo", "--port", "0", *words) as foo:
        url = ready(foo)
        assert httpx.get(url + "/readyz").json() == {"status": "ok"}
        wish = {"online": False}
        assert httpx.post(url + "/control", json=wish).status_code == 401
        operator = {"authorization": f"Bearer {SECRET}"}
        assert httpx.post(url + "/control", headers=operator, json=wish).is_success
        assert httpx.get(url + "/readyz").status_code == 503
        assert httpx.get(url + "/health").json()["cluster"]["offline"] == ["foo"]
        drain = {"drain": True}
        assert httpx.post(url + "/control", headers=operator, json=drain).is_success
        ran = foo.wait()
    assert (ran.status, ran.out) == (0, "stopped foo\n")


def test_the_secret_may_be_a_variable(process, monkeypatch):
    monkeypatch.setenv("CLUSTERKIT_OPERATOR_SECRET", SECRET)
    with process("run", "foo", "--port", "0", "--http", "127.0.0.1:0") as foo:
        url = ready(foo)
        operator = {"authorization": f"Bearer {SECRET}"}
        drain = {"drain": True}
        assert httpx.post(url + "/control", headers=operator, json=drain).is_success
        assert foo.wait().status == 0


def test_without_a_secret_nobody_is_an_operator(process, monkeypatch):
    monkeypatch.setenv("CLUSTERKIT_HTTP", "127.0.0.1:0")
    with process("run", "foo", "--port", "0") as foo:
        url = ready(foo)
        assert httpx.get(url + "/livez").is_success
        answer = httpx.post(url + "/control", json={"drain": True})
        assert answer.status_code == 401
        foo.signal(signal.SIGTERM)
        assert foo.wait().status == 0


async def test_an_address_in_use_is_told(cli):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        bind = f"127.0.0.1:{taken.getsockname()[1]}"
        ran = await cli("run", "foo", "--port", "0", "--http", bind)
    assert ran.status == 1
    assert f"cannot serve HTTP at {bind}" in ran.err
    assert "--http" in ran.err


@pytest.mark.parametrize("bind", ["8022", ":8022", "a b:1", "127.0.0.1:x", "h:99999"])
async def test_what_is_no_address_is_told(cli, bind):
    ran = await cli("run", "foo", "--port", "0", "--http", bind)
    assert ran.status != 0
    assert "--http" in ran.err


async def test_a_secret_that_others_can_read_is_refused(cli, secret_file):
    secret_file.chmod(0o644)
    words = ["--http", "127.0.0.1:0", "--operator-secret-file", str(secret_file)]
    ran = await cli("run", "foo", "--port", "0", *words)
    assert ran.status != 0
    assert f"chmod 600 {secret_file}" in ran.err


async def test_a_secret_that_is_too_short_is_refused(cli, secret_file):
    secret_file.write_text("short")
    words = ["--http", "127.0.0.1:0", "--operator-secret-file", str(secret_file)]
    ran = await cli("run", "foo", "--port", "0", *words)
    assert ran.status != 0
    assert "16 bytes" in ran.err
    assert "short" not in ran.err


async def test_a_secret_without_a_place_to_serve_is_told(cli, secret_file):
    words = ["--operator-secret-file", str(secret_file)]
    ran = await cli("run", "foo", "--port", "0", *words)
    assert ran.status != 0
    assert "--http" in ran.err


async def test_no_secret_is_shown(cli, secret_file, monkeypatch):
    monkeypatch.setenv("CLUSTERKIT_OPERATOR_SECRET", SECRET)
    ran = await cli("config", "show", "--origin", "--http", "127.0.0.1:0")
    assert ran.status == 0
    assert SECRET not in ran.out + ran.err
