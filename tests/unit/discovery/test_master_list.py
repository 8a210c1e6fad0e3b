"""A list on a web server, a real one on loopback, which may be of any kind."""

from __future__ import annotations

import json
import sys
import threading
from contextlib import asynccontextmanager, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import trio

from clusterkit.discovery import MasterList, http, master_list
from clusterkit.discovery.master_list import UPLOADS
from clusterkit.errors import ConfigError
from clusterkit.names import Address, NodeInfo

from .surroundings import ME, WALL, Node

FOO = NodeInfo("foo", "10.0.0.2", 7022)
LISTED = {"nodes": [{"id": "foo", "host": "10.0.0.2", "port": 7022}, "10.0.0.3:7022"]}


class Server:
    """Keeps one document, by version; notes what it was asked."""

    def __init__(self):
        self.body, self.version, self.status = b"", 0, 200
        self.gives_etag = True
        self.requests, self.auth = [], []
        self.before_put = lambda: None
        self.headers = {}
        self.in_vain = False
        self.let_go = threading.Event()
        self.let_go.set()

    def put_there(self, content):
        self.body = (
            content if isinstance(content, bytes) else json.dumps(content).encode()
        )
        self.version += 1

    @property
    def nodes(self):
        return json.loads(self.body)["nodes"]


def handler_of(server):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def do_GET(self):
            server.requests.append("GET")
            server.auth.append(self.headers["Authorization"])
            server.in_vain |= not server.let_go.wait(5)
            missing = not server.version and server.status == 200
            self.send_response(404 if missing else server.status)
            if server.gives_etag:
                self.send_header("ETag", f'"{server.version}"')
            for name, value in server.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(server.body)))
            self.end_headers()
            self.wfile.write(server.body)

        def do_PUT(self):
            server.requests.append("PUT")
            body = self.rfile.read(int(self.headers["Content-Length"]))
            server.before_put()
            match, none = self.headers["If-Match"], self.headers["If-None-Match"]
            good = none == "*" if not server.version else match == f'"{server.version}"'
            if good:
                server.put_there(body)
            self.send_response(200 if good else 412)
            self.send_header("Content-Length", "0")
            self.end_headers()

    return Handler


@pytest.fixture
def server():
    with serving() as running:
        yield running


@contextmanager
def serving():
    server = Server()
    listener = ThreadingHTTPServer(("127.0.0.1", 0), handler_of(server))
    listener.daemon_threads = True
    listener.handle_error = lambda *_: None  # who reads no further
    thread = threading.Thread(target=listener.serve_forever, args=(0.01,))
    thread.start()
    server.url = f"http://127.0.0.1:{listener.server_port}/nodes.json"
    try:
        yield server
    finally:
        server.let_go.set()
        listener.shutdown()
        listener.server_close()
        thread.join()


async def test_the_list_is_read_with_the_secret(server):
    server.put_there(LISTED)
    node = Node()
    await node.run(
        MasterList(server.url, auth="Bearer x"), lambda: len(node.found) == 2
    )
    assert set(node.found) == {FOO, Address("10.0.0.3", 7022)}
    assert server.auth == ["Bearer x"]
    assert server.requests == ["GET"]


@pytest.mark.parametrize(
    "content",
    [
        b"<html>", b"[" * 100_000, b'{"nodes": 5}', b"5", b"\xff", b"",
        b'"' + b"x" * 2_000_000 + b'"', json.dumps(["h:1"] * 10_001).encode(),
    ],
    ids=["html", "deep", "number", "scalar", "binary", "empty", "huge", "many"],
)  # fmt: skip
async def test_what_is_no_list_is_counted_and_said(server, content):
    server.put_there(content)
    node = Node()
    await node.run(MasterList(server.url), lambda: node.counted["list_failed"])
    assert not node.found
    assert node.said[0][0] == "master_list_failed"


async def test_a_bad_entry_costs_itself_only(server):
    server.put_there(["foo@10.0.0.2:7022", 5, "nonsense", {"id": 3}, None])
    node = Node()
    await node.run(MasterList(server.url), lambda: node.counted["invalid_entry"] == 4)
    assert list(node.found) == [FOO]


@pytest.mark.parametrize("status", [302, 401, 500])
async def test_another_status_is_no_list_and_no_redirect_is_followed(server, status):
    server.put_there(LISTED)
    server.status, server.headers = status, {"Location": "/elsewhere"}
    node = Node()
    await node.run(MasterList(server.url), lambda: node.counted["list_failed"])
    assert not node.found
    assert server.requests == ["GET"]


async def test_a_compressed_answer_is_not_unpacked(server):
    server.put_there(LISTED)
    server.headers = {"Content-Encoding": "gzip"}
    node = Node()
    await node.run(MasterList(server.url), lambda: node.counted["list_failed"])
    assert not node.found


async def test_a_server_that_says_nothing_is_not_waited_for(server, monkeypatch):
    monkeypatch.setattr(http, "WITHIN", 0.05)
    server.put_there(LISTED)
    server.let_go.clear()
    node = Node()
    await node.run(MasterList(server.url), lambda: node.counted["list_failed"])
    assert "no answer within" in str(node.said[0][1]["error"])


LIST = b'{"nodes": ["10.0.0.3:7022"]}'


def answer(*, body=LIST, length=None, head=b"", status=b"200 OK"):
    length = len(body) if length is None else length
    head += b'ETag: "1"\r\nContent-Length: %d\r\n' % length
    return b"HTTP/1.1 %s\r\n%s\r\n%s" % (status, head, body)


@asynccontextmanager
async def raw_server(get, put=b""):
    """Answer any GET, and any PUT, with these bytes; then end the connection.

    What is to be sent without an end is a list: its items over and over.
    """

    async def talk(stream):
        asked = b""
        with suppress(trio.BrokenResourceError):
            while b"\r\n\r\n" not in asked:
                asked += await stream.receive_some()
            said = put if asked.startswith(b"PUT") else get
            if isinstance(said, bytes):
                await stream.send_all(said)
                await stream.send_eof()
                return
            start, *rest = said
            await stream.send_all(start)
            while True:
                for part in rest:
                    await stream.send_all(part)

    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, talk, [listener])
        yield f"http://127.0.0.1:{listener.socket.getsockname()[1]}/nodes"
        nursery.cancel_scope.cancel()


WRONG = {
    "cut": answer(length=1000),
    "negative length": answer(length=-5),
    "two lengths": answer(head=b"Content-Length: 3\r\n"),
    "nothing": b"",
    "ssh": b"SSH-2.0-OpenSSH\r\n",
    "no content": b"HTTP/1.1 204 No Content\r\n\r\n",
    "circle": answer(status=b"301 Moved", head=b"Location: /nodes\r\n"),
    "compressed": answer(body=b"\x1f\x8b" * 9, head=b"Content-Encoding: gzip\r\n"),
    "compressed on its way": answer(head=b"Transfer-Encoding: gzip, chunked\r\n"),
    "endless": [b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65_536],
    "endless head": [b"HTTP/1.1 200 OK\r\nX: ", b"x" * 65_536],
    "endless interim": [b"", b"HTTP/1.1 100 Continue\r\n\r\n"],
    "in drops": [answer(body=b"", length=10**6), b" "],
    "in bytes": [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"1\r\nx\r\n" * 1000,
    ],
}


@pytest.mark.parametrize("how", WRONG)
async def test_a_server_of_any_other_kind_costs_a_round(how, monkeypatch):
    monkeypatch.setattr(http, "WITHIN", 1.0)
    node = Node()
    async with raw_server(WRONG[how]) as url:
        await node.run(MasterList(url), lambda: node.counted["list_failed"])
    assert not node.found
    assert [event for event, _ in node.said] == ["master_list_failed"]


REFUSALS = {
    "cut": b"",
    "error": b"HTTP/1.1 500 Sorry\r\nContent-Length: 0\r\n\r\n",
    "conflict": b"HTTP/1.1 412 No\r\nContent-Length: 0\r\n\r\n",
    "ssh": b"SSH-2.0-OpenSSH\r\n",
}


@pytest.mark.parametrize("how", REFUSALS)
async def test_an_upload_that_does_not_go_is_given_up_until_the_next_round(
    how, monkeypatch
):
    monkeypatch.setattr(master_list, "UPLOAD_PAUSE", 0.001)
    node = Node()
    async with raw_server(answer(), REFUSALS[how]) as url:
        source = MasterList(url, upload=True, interval=0.01)
        await node.run(source, lambda: node.counted["list_failed"] > 1)
    assert Address("10.0.0.3", 7022) in node.found
    conflicts = node.counted["list_conflict"]
    assert conflicts >= 2 * UPLOADS if how == "conflict" else not conflicts


async def test_entries_with_odd_text_are_shown_as_such(server):
    server.put_there(["foo@h\ud800:1", "\ud800", {"id": "\udfff"}, "a b@h:1", "x@h:-1"])
    node = Node()
    await node.run(MasterList(server.url), lambda: node.counted["invalid_entry"] == 5)
    assert str(node.said[0][1]["error"]).isprintable()


async def test_a_server_that_is_not_there_is_asked_again():
    with serving() as gone:
        url = gone.url
    node = Node()
    source = MasterList(url, interval=0.01)
    await node.run(source, lambda: node.counted["list_failed"] > 1)


async def test_an_upload_begins_the_list_and_keeps_what_others_put_there(server):
    node = Node(members=(ME, FOO))
    await node.run(MasterList(server.url, upload=True), lambda: server.version == 1)
    assert [entry["id"] for entry in server.nodes] == ["me", "foo"]
    server.put_there({"nodes": ["10.0.0.3:7022", {"id": "old", "seen": 5}]})
    await node.run(MasterList(server.url, upload=True), lambda: server.version == 3)
    assert [e["id"] if isinstance(e, dict) else e for e in server.nodes] == [
        *("me", "foo"),
        "10.0.0.3:7022",
    ]


async def test_what_is_there_already_is_not_put_again(server):
    server.put_there([{**ME.to_json(), "seen": int(WALL) - 60}])
    node = Node()
    source = MasterList(server.url, upload=True, interval=0.01)
    await node.run(source, lambda: server.requests.count("GET") > 3)
    assert "PUT" not in server.requests


async def test_an_upload_that_was_overtaken_follows_what_was_put_before(server):
    server.put_there([])

    def overtake():
        if server.version == 1:
            server.put_there([{**FOO.to_json(), "seen": int(WALL)}])

    server.before_put = overtake
    node = Node()
    await node.run(MasterList(server.url, upload=True), lambda: server.version == 3)
    assert {entry["id"] for entry in server.nodes} == {"me", "foo"}
    assert node.counted == {"list_conflict": 1}


async def test_no_upload_without_versions(server):
    server.put_there([])
    server.gives_etag = False
    node = Node()
    source = MasterList(server.url, upload=True)
    await node.run(source, lambda: node.counted["list_failed"])
    assert "ETag" in str(node.said[0][1]["error"])
    assert server.version == 1


async def test_a_node_that_wants_not_to_be_found_is_not_put_there(server):
    server.put_there([])
    node = Node(ring="")
    source = MasterList(server.url, upload=True, interval=0.01)
    await node.run(source, lambda: server.requests.count("GET") > 2)
    assert server.version == 1


async def test_at_its_end_a_node_takes_itself_off(server):
    server.put_there([{**n.to_json(), "seen": int(WALL)} for n in (ME, FOO)])
    node = Node()
    source = MasterList(server.url, upload_on_end=True)
    await node.run(source, lambda: FOO in node.found)
    assert [entry["id"] for entry in server.nodes] == ["foo"]


async def test_a_server_that_hangs_is_not_waited_for_longer_than_the_end_takes(
    server, monkeypatch
):
    monkeypatch.setattr(master_list, "END_WITHIN", 30.0)
    server.put_there(LISTED)
    node = Node()
    node.left = 0.05

    def is_read():
        if node.found:
            server.let_go.clear()
        return node.found

    await node.run(MasterList(server.url, upload_on_end=True), is_read)
    server.let_go.set()
    assert not server.in_vain


@pytest.mark.parametrize(
    "url",
    [
        *("ftp://h/x", "nonsense", "http://", "https://u:p@h/x"),
        *("http://[::1", "http://h:99999/", "http://h:x/", "http://h\n/x"),
        *("http://a b/", "http://h/\0", b"http://h/", 5),
    ],
    ids=repr,
)
def test_a_url_is_checked(url):
    with pytest.raises(ConfigError):
        MasterList(url)


def test_the_secret_is_not_shown():
    assert "tell" not in repr(MasterList("http://h/x", auth="tell nobody"))


@pytest.mark.parametrize(
    "auth",
    ["Bearer hushed\n", " Bearer hushed", "hu\0shed", "hüshed", "hu\r\nX: shed", "", 5],
    ids=["line", "space", "zero", "umlaut", "header", "empty", "number"],
)
def test_a_secret_that_fits_no_header_is_refused_and_not_shown(auth):
    with pytest.raises(ConfigError, match="auth") as caught:
        MasterList("http://h/x", auth=auth)
    assert "shed" not in str(caught.value)


async def test_the_secret_is_in_no_line_of_any_log(server, caplog):
    server.status = 401
    node = Node()
    with caplog.at_level(0):
        await node.run(
            MasterList(server.url, auth="Bearer hushed", upload=True),
            lambda: node.counted["list_failed"],
        )
    assert server.auth == ["Bearer hushed"]
    assert caplog.records  # of httpx and httpcore
    assert "hushed" not in caplog.text + repr(node.said)


async def test_a_list_that_the_nodes_write_can_be_read_by_them(server, monkeypatch):
    for module in (http, master_list):
        monkeypatch.setattr(module, "MAX_BODY", 2_000)
    server.put_there(
        [{"id": f"other{i}", "host": "h" * 30, "port": 1} for i in range(20)]
    )
    assert len(server.body) < 2_000
    many = [NodeInfo(f"node{i:02}", "10.0.0.1", 1) for i in range(30)]
    node = Node(members=(ME, *many))
    await node.run(MasterList(server.url, upload=True), lambda: server.version == 2)
    assert len(server.body) <= 2_000
    assert server.nodes[0]["id"] == "me"
    other = Node()
    await other.run(MasterList(server.url), lambda: other.found)
    assert node.counted["list_full"] == 1


async def test_a_second_entry_of_a_member_goes(server):
    current = {**ME.to_json(), "seen": int(WALL) - 60}
    wrong = {"id": "me", "host": "10.0.0.9", "port": 1}
    server.put_there([current, wrong, current])
    node = Node()
    await node.run(MasterList(server.url, upload=True), lambda: server.version == 2)
    assert server.nodes == [current]


async def test_nobody_stays_on_the_list_for_a_time_far_ahead(server):
    ahead = {**FOO.to_json(), "seen": 2**60}
    server.put_there([ahead])
    node = Node()
    await node.run(MasterList(server.url, upload=True), lambda: server.version == 2)
    assert server.nodes[1] == {**FOO.to_json(), "seen": int(WALL)}


def test_without_its_package_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "httpx", None)
    with pytest.raises(ConfigError, match=r'pip install "clusterkit\[http\]"'):
        MasterList("http://h/x")
