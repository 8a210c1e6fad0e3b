"""Where the cookie comes from, and who may read it."""

import os
import stat

import pytest

from clusterkit.cluster.cookie_file import MAX_COOKIE, MOST_COOKIES
from clusterkit.cluster.cookies import (
    cookies_in,
    fingerprint,
    found_cookies,
    new_cookie,
)
from clusterkit.errors import ClusterError, ConfigError


def cookies(*told):
    return found_cookies(*told).cookies


def read_cookie(path):
    (cookie,) = cookies_in(path).cookies
    return cookie


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_text_and_bytes_are_taken_as_they_are():
    assert cookies("monster") == [b"monster"]
    assert cookies(b"\xff") == [b"\xff"]


@pytest.mark.parametrize(
    "text",
    ["\udcff", "a\ud800", ["fine", "\udcff"]],
    ids=["bytes", "half a character", "one of two"],
)
def test_text_that_is_none_is_refused(text):
    with pytest.raises(ConfigError, match="UTF-8"):
        cookies(text)


def test_a_variable_that_is_no_text_is_taken_as_the_bytes_that_it_is():
    assert cookies(None, {"CLUSTERKIT_COOKIE": os.fsdecode(b"a\xff")}) == [b"a\xff"]


def test_several_keep_their_order_so_that_the_first_one_dials():
    assert cookies(["new", b"old"]) == [b"new", b"old"]


def test_a_path_is_that_of_a_file_and_a_text_is_a_cookie(tmp_path):
    path = new_cookie(tmp_path / "cookie")
    assert found_cookies(path).cookies == [path.read_bytes().strip()]
    assert found_cookies(path).file == path
    assert found_cookies(str(path)).cookies == [str(path).encode()]
    assert found_cookies(str(path)).file is None


def test_the_file_is_found_again_from_another_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    new_cookie("cookie")
    assert cookies_in("cookie").file == tmp_path / "cookie"


def test_more_than_a_rotation_can_need_are_refused():
    with pytest.raises(ConfigError, match=f"over {MOST_COOKIES}"):
        cookies([f"c{n}" for n in range(MOST_COOKIES + 1)])


def test_a_fingerprint_tells_cookies_apart_and_is_none():
    assert fingerprint(b"one") == fingerprint(b"one") != fingerprint(b"two")
    assert len(fingerprint(b"one")) == 16


@pytest.mark.parametrize("empty", ["", b"", [], ["good", ""]])
def test_an_empty_cookie_is_refused(empty):
    with pytest.raises(ConfigError, match="empty"):
        cookies(empty)


def test_without_one_the_variable_counts_before_the_file(home):
    new_cookie(home / ".clusterkit.cookie")
    assert cookies(None, {"CLUSTERKIT_COOKIE": "told"}) == [b"told"]


def test_without_a_variable_the_file_counts(home):
    path = new_cookie(home / ".clusterkit.cookie")
    assert cookies(None, {}) == [path.read_bytes().strip()]


def test_without_any_the_error_names_all_three_ways():
    with pytest.raises(ConfigError, match=r"cookie=.*CLUSTERKIT_COOKIE.*cookie new"):
        cookies(None, {})


def test_a_new_cookie_is_for_its_owner_alone(tmp_path):
    path = new_cookie(tmp_path / "cookie")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(read_cookie(path)) >= 32


def test_two_new_cookies_differ(tmp_path):
    one, two = new_cookie(tmp_path / "one"), new_cookie(tmp_path / "two")
    assert read_cookie(one) != read_cookie(two)


def test_an_old_cookie_is_never_overwritten_unasked(tmp_path):
    path = new_cookie(tmp_path / "cookie")
    before = read_cookie(path)
    with pytest.raises(ClusterError, match="--force"):
        new_cookie(path)
    assert read_cookie(path) == before
    assert [p.name for p in tmp_path.iterdir()] == ["cookie"]


@pytest.mark.parametrize("path", ["/", ".", ""])
def test_a_cookie_is_not_written_to_what_has_no_name(path):
    with pytest.raises(ConfigError, match="is no file"):
        new_cookie(path)


def test_force_replaces_it(tmp_path):
    path = new_cookie(tmp_path / "cookie")
    before = read_cookie(path)
    new_cookie(path, force=True)
    assert read_cookie(path) != before


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601])
def test_a_file_that_others_can_reach_is_refused_with_the_remedy(tmp_path, mode):
    path = new_cookie(tmp_path / "cookie")
    path.chmod(mode)
    with pytest.raises(ConfigError, match="chmod 600"):
        read_cookie(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match="nowhere"):
        read_cookie(tmp_path / "nowhere")


def test_an_empty_file_is_refused(tmp_path):
    path = tmp_path / "cookie"
    path.touch(0o600)
    with pytest.raises(ConfigError, match="is empty"):
        read_cookie(path)


def test_a_folder_that_is_none_is_reported(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot write"):
        new_cookie(tmp_path / "file" / "cookie")


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/null", "/"])
def test_what_is_no_regular_file_is_not_read(path):
    with pytest.raises(ConfigError, match=f"{path}: it is no regular file"):
        read_cookie(path)


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(ConfigError, match="it is no regular file"):
        read_cookie(tmp_path / "pipe")


def test_a_file_that_is_no_cookie_is_not_read_whole(tmp_path):
    (tmp_path / "cookie").write_bytes(b"x" * (MAX_COOKIE + 1))
    (tmp_path / "cookie").chmod(0o600)
    with pytest.raises(ConfigError, match="it is larger than 4096 bytes"):
        read_cookie(tmp_path / "cookie")
