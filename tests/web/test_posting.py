"""What servers answer that are no nodes, or nodes that mean ill; for real, on loopback."""

from __future__ import annotations

import gzip
from contextlib import asynccontextmanager, suppress

import pytest
import trio

from clusterkit.httpcluster import posting
from clusterkit.httpcluster.posting import MAX_GOSSIP, NoAnswer, Response, httpx_post


@asynccontextmanager
async def server(*answers):
    """What sends bytes for each request, whatever it asks; yields URL and requests."""
    asked = []

    async def serve(stream):
        while head := await stream.receive_some(65536):
            while not head.endswith(b"ask"):  # the body
                head += await stream.receive_some(65536)
            asked.append(head)
            answer = answers[min(len(asked), len(answers)) - 1]
            await stream.send_all(answer)
            if b"Connection: close" in answer or not answer.startswith(b"HTTP"):
                return

    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, serve, [listener])
        yield f"http://127.0.0.1:{listener.socket.getsockname()[1]}", asked
        nursery.cancel_scope.cancel()


def answer(body=b"", status="200 OK", *headers, length=None):
    length = len(body) if length is None else length
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {length}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def test_cookies_of_a_server_are_neither_kept_nor_sent():
    told = [f"Set-Cookie: c{i}={'x' * 1000}; Path=/" for i in range(20)]
    async with server(answer(b"1", "200 OK", *told)) as (url, asked):
        async with httpx_post() as post:
            for _ in range(3):
                assert await post(url, b"ask") == Response(200, b"1")
    assert len(asked) == 3
    assert all(b"cookie" not in request.lower() for request in asked)


async def test_a_redirect_is_an_answer_like_any_other():
    async with server(answer(b"here")) as (elsewhere, reached):
        moved = answer(b"", "307 Temporary Redirect", f"Location: {elsewhere}/")
        async with server(moved) as (url, _), httpx_post() as post:
            assert await post(url, b"ask") == Response(307, b"")
    assert reached == []


@pytest.mark.parametrize(
    "told",
    [
        answer(b"x" * (MAX_GOSSIP + 1)),
        answer(b"", length=10**15) + b"x" * (MAX_GOSSIP + 100),
        answer(gzip.compress(bytes(10**6)), "200 OK", "Content-Encoding: gzip"),
        answer(b"short", "200 OK", "Connection: close", length=10),
        b"SSH-2.0-OpenSSH_9.9\r\n",
        b"\0" * 100,
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100_000,
        b"HTTP/1.1 \xff\xff OK\r\n\r\n",
        answer(b"", "999999 No"),
        answer(b"", "101 Switching Protocols", "Upgrade: x", "Connection: close"),
    ],
    ids=range(12),
)
async def test_an_answer_that_is_none_is_no_answer(told, monkeypatch):
    monkeypatch.setattr(posting, "WITHIN", 1.0)
    async with server(told) as (url, _), httpx_post() as post:
        with pytest.raises(NoAnswer):
            await post(url, b"ask")


@pytest.mark.parametrize("goes_on", [True, False])
async def test_who_comes_to_no_end_is_left_after_a_while(goes_on, monkeypatch):
    monkeypatch.setattr(posting, "WITHIN", 0.5)
    gone = trio.Event()

    async def serve(stream):
        await stream.receive_some(65536)
        with suppress(trio.BrokenResourceError):
            await stream.send_all(b"HTTP/1.1 100 Continue\r\n\r\n")
            while goes_on:
                await stream.send_all(b"HTTP/1.1 100 Continue\r\n\r\n")
                await trio.lowlevel.checkpoint()
            while await stream.receive_some(65536):
                pass
        gone.set()

    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, serve, [listener])
        async with httpx_post() as post:
            with pytest.raises(NoAnswer, match=r"within 0\.5 s"):
                await post(f"http://127.0.0.1:{listener.socket.getsockname()[1]}", b"a")
            with trio.fail_after(20):
                await gone.wait()  # the connection is closed
        nursery.cancel_scope.cancel()
