"""What is kept of what was typed."""

from __future__ import annotations

from pathlib import Path

import pytest
from prompt_toolkit.history import InMemoryHistory

from clusterkit.cli.history import is_secret, open_history, state_folder

COOKIES = [b"monster"]


@pytest.mark.parametrize(
    "line",
    [
        "ping -a secret",
        "ping -asecret",
        "ping --key secret",
        "ping --key=secret",
        "cookie new",
        "CLUSTERKIT_COOKIE=secret",
        "call vault open monster",
        'call vault open "monster!"',
    ],
)
def test_a_line_with_a_cookie_is_secret(line):
    assert is_secret(line, COOKIES)


@pytest.mark.parametrize("line", ["nodes", "call counter add 5", "get cookie-jar", ""])
def test_other_lines_are_not(line):
    assert not is_secret(line, COOKIES)


def test_lines_are_kept_across_sessions(tmp_path):
    open_history(tmp_path / "new" / "folder", COOKIES).append_string("nodes")
    again = open_history(tmp_path / "new" / "folder", COOKIES)
    assert list(again.load_history_strings()) == ["nodes"]


def test_a_secret_line_never_reaches_the_disk(tmp_path):
    history = open_history(tmp_path, COOKIES)
    history.append_string("call vault open monster")
    assert history.get_strings() == ["call vault open monster"]
    assert b"monster" not in (tmp_path / "history").read_bytes()


def test_others_cannot_read_the_history(tmp_path):
    open_history(tmp_path / "folder", COOKIES)
    assert (tmp_path / "folder").stat().st_mode & 0o077 == 0
    assert (tmp_path / "folder" / "history").stat().st_mode & 0o077 == 0


def test_a_history_that_cannot_be_kept_is_forgotten(tmp_path):
    (tmp_path / "file").write_text("in the way")
    assert isinstance(open_history(tmp_path / "file", COOKIES), InMemoryHistory)


def test_the_state_folder_follows_the_environment():
    assert state_folder({"XDG_STATE_HOME": "/var/state"}) == Path(
        "/var/state/clusterkit"
    )


@pytest.mark.parametrize("environ", [{}, {"XDG_STATE_HOME": "not/absolute"}])
def test_the_state_folder_is_in_the_home_folder_by_default(environ):
    folder = Path("~/.local/state/clusterkit").expanduser()
    assert state_folder(environ) == folder
