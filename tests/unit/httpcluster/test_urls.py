"""URLs have one form, and only those are dialled that somebody here has allowed."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from clusterkit.errors import ConfigError
from clusterkit.httpcluster.urls import (
    MOST_URL,
    Dialable,
    HttpPlace,
    origin_of,
    read_place,
    read_url,
)


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("http://a", "http://a"),
        ("http://a/", "http://a"),
        ("HTTPS://A.Example:443/x/", "https://a.example/x"),
        ("http://a:80/x//", "http://a/x"),
        ("http://a:8022", "http://a:8022"),
        ("https://a:80", "https://a:80"),
        ("http://[::1]:8022/x", "http://[::1]:8022/x"),
        ("http://10.0.0.1/X%20y", "http://10.0.0.1/X%20y"),
    ],
)
def test_a_url_has_one_form(given, read):
    assert read_url(given) == read
    assert read_url(read) == read


@pytest.mark.parametrize(
    "url",
    [
        "",
        "a",
        "//a",
        "http://",
        "http:///x",
        "file:///etc/passwd",
        "gopher://a",
        "http://u@a",
        "http://u:p@a",
        "http://@a",
        "http://a?",
        "http://a?x",
        "http://a#",
        "http://a:x",
        "http://a:70000",
        "http://a:0",
        "http://[::1",
        "http://a\\b",
        "http://a\r\nx: y",
        "http://ä",
        "http://a/<b>",
        "http://a/x/../y",
        "http://a/..",
        "http://a/./x",
        "http://a/" + "x" * MOST_URL,
        None,
        b"http://a",
        ["http://a"],
    ],
    ids=repr,
)
def test_what_is_no_base_url_is_refused(url):
    with pytest.raises(ConfigError):
        read_url(url)


@given(st.text(max_size=100) | st.from_regex(r"https?://[a-z@:/?#\[\].0-9]{0,30}"))
def test_any_text_is_a_url_in_one_form_or_refused(text):
    try:
        url = read_url(text)
    except ConfigError:
        return
    assert read_url(url) == url
    assert not url.endswith("/")
    assert url.startswith(origin_of(url))


def test_where_nothing_is_allowed_only_what_was_given_is_dialled():
    dialable = Dialable(["https://a.example/x", "http://b:8022"], ())
    for url in ("https://a.example", "https://a.example/other", "http://b:8022/y"):
        assert dialable.admits(url)
    for url in (
        "http://a.example/x",  # another scheme
        "https://a.example:8443/x",  # another port
        "http://b",
        "https://a.example.evil/x",
        "http://169.254.169.254/latest/meta-data",
        "http://127.0.0.1:22",
    ):
        assert not dialable.admits(url)


def test_networks_and_names_may_be_allowed():
    dialable = Dialable(["http://a"], ["10.0.0.0/8", "b.example", "*.c.example"])
    for url in (
        "http://a",
        "http://10.1.2.3:99",
        "https://b.example:1/x",
        "http://d.c.example",
        "http://e.d.c.example",
    ):
        assert dialable.admits(url)
    for url in (
        "http://11.0.0.1",
        "http://x.b.example",
        "http://c.example",
        "http://evilc.example",
        "http://[::ffff:11.0.0.1]",
        "http://2130706433",  # 127.0.0.1 to some, but no address to those who check it
        "http://0x7f.1",
    ):
        assert not dialable.admits(url)


def test_what_is_listed_is_dialled_as_long_as_it_is():
    dialable = Dialable([], ())
    dialable.add_listed("http://a/x")
    dialable.add_listed("http://a/z")
    assert dialable.admits("http://a/y")
    dialable.drop_listed("http://a/x")
    assert dialable.admits("http://a/y")
    dialable.drop_listed("http://a/z")
    assert not dialable.admits("http://a/y")


def test_an_entry_of_a_list_is_a_url_perhaps_with_a_name():
    assert read_place("http://a/") == HttpPlace("", "http://a")
    place = read_place({"id": "foo", "url": "http://a:1/", "seen": 5, "more": []})
    assert place == HttpPlace("foo", "http://a:1")
    assert (place.host, str(place)) == ("a", "http://a:1")
    assert read_place(place.to_json()) == place
    for entry in (
        None,
        {},
        {"id": "foo"},
        {"id": "?", "url": "http://a"},
        5,
        "foo@a:1",
    ):
        with pytest.raises(ConfigError):
            read_place(entry)
