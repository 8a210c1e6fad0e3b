"""The cookie that is used, of several that could be."""

from __future__ import annotations

import pytest

from clusterkit.cli.destination import KEY_WARNING, chosen_cookies, destination
from clusterkit.cli.parser import parse
from clusterkit.errors import ConfigError
from clusterkit.names import Address


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def secret_file(path, cookie, mode=0o600):
    path.write_text(f"{cookie}\n")
    path.chmod(mode)
    return path


def chosen(line, environ=None, warn=lambda _: None):
    return chosen_cookies(parse_words(line).options, warn, environ or {}).cookies


def parse_words(line):
    return parse(line.split())


def test_the_key_goes_before_everything(home):
    file = secret_file(home / "file", "of-file")
    line = f"-a of-key --cookie-file {file} ping"
    assert chosen(line, {"CLUSTERKIT_COOKIE": "of-variable"}) == [b"of-key"]


def test_the_key_comes_with_a_warning():
    told = []
    chosen("-a of-key ping", warn=told.append)
    assert told == [KEY_WARNING]


def test_the_file_goes_before_the_variable(home):
    file = secret_file(home / "file", "of-file")
    line = f"--cookie-file {file} ping"
    assert chosen(line, {"CLUSTERKIT_COOKIE": "of-variable"}) == [b"of-file"]


def test_the_variable_goes_before_the_file_at_home(home):
    secret_file(home / ".clusterkit.cookie", "of-home")
    assert chosen("ping", {"CLUSTERKIT_COOKIE": "of-variable"}) == [b"of-variable"]


def test_the_file_at_home_is_the_last(home):
    secret_file(home / ".clusterkit.cookie", "of-home")
    assert chosen("ping") == [b"of-home"]


def test_a_file_that_others_can_read_is_refused(home):
    secret_file(home / ".clusterkit.cookie", "of-home", mode=0o640)
    with pytest.raises(ConfigError, match="others can read"):
        chosen("ping")


@pytest.mark.parametrize("line", ["ping", "--cookie-file /nonexistent ping"])
def test_no_cookie_is_an_error(home, line):
    with pytest.raises(ConfigError):
        chosen(line)


def test_an_empty_key_is_an_error():
    with pytest.raises(ConfigError, match="empty"):
        chosen_cookies({"key": ""}, lambda _: None, {})


def test_the_destination_is_what_the_options_say():
    request = parse_words("-I foo -H ::1 -p 9000 -a k --timeout 2 ping")
    to = destination(request.options, lambda _: None)
    assert (to.instance, to.address, to.timeout) == ("foo", Address("::1", 9000), 2.0)


def test_a_destination_does_not_show_its_cookie():
    request = parse_words("-a monster ping")
    assert "monster" not in repr(destination(request.options, lambda _: None))


def test_what_is_missing_is_asked_for_in_words_of_the_command_line(home):
    with pytest.raises(ConfigError) as caught:
        chosen("ping")
    assert "give --cookie-file, set CLUSTERKIT_COOKIE, or make" in str(caught.value)
    assert "cookie=" not in str(caught.value)
