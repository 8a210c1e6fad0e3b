"""The cookie and the certificates that are used, of several that could be."""

from __future__ import annotations

import pytest

from clusterkit.cli.destination import (
    KEY_WARNING,
    TLS_VARIABLES,
    chosen_cookies,
    chosen_tls,
    destination,
)
from clusterkit.cli.parser import parse
from clusterkit.errors import ConfigError
from clusterkit.names import Address
from clusterkit.net.tcp import TcpTransport
from clusterkit.net.tls import TlsTransport
from tests.certificates import files


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


def test_a_file_may_be_named_by_a_variable(home):
    secret_file(home / ".clusterkit.cookie", "of-home")
    named = {"CLUSTERKIT_COOKIE_FILE": str(secret_file(home / "file", "of-file"))}
    assert chosen("ping", named) == [b"of-file"]
    assert chosen("ping", {**named, "CLUSTERKIT_COOKIE": "itself"}) == [b"itself"]


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


# TLS


def words_of_tls(node="foo"):
    tls = files(node)
    return f"--tls-cert {tls.certificate} --tls-key {tls.key} --tls-ca {tls.ca}"


def variables_of_tls(node="foo"):
    tls = files(node)
    return dict(
        zip(TLS_VARIABLES.values(), (tls.certificate, tls.key, tls.ca), strict=True)
    )


def tls_of(line, environ=None):
    return chosen_tls(parse_words(line).options, environ or {})


@pytest.mark.parametrize("order", ["{} ping", "ping {}"])
def test_tls_is_chosen_before_or_after_the_command(order):
    assert tls_of(order.format(words_of_tls())) == files("foo")


def test_variables_count_for_what_no_option_says():
    other = f"--tls-cert {files('bar').certificate} --tls-key {files('bar').key} ping"
    assert tls_of("ping", variables_of_tls()) == files("foo")
    assert tls_of(other, variables_of_tls()) == files("bar")


def test_without_any_word_of_it_there_is_no_tls():
    assert tls_of("ping") is None
    to = destination(parse_words("-a k ping").options, lambda _: None, {})
    assert isinstance(to.transport, TcpTransport)


def test_with_tls_the_transport_encrypts():
    to = destination(parse_words(f"-a k {words_of_tls()} ping").options, lambda _: None)
    assert isinstance(to.transport, TlsTransport)


def test_host_names_are_asked_for_by_a_word():
    assert tls_of(f"{words_of_tls()} --tls-hostnames ping").hostnames


@pytest.mark.parametrize("missing", ["cert", "key", "ca"])
def test_what_is_missing_of_tls_is_named(missing):
    words = [w for w in words_of_tls().split("--") if w and f"tls-{missing} " not in w]
    line = " ".join(f"--{word}" for word in words)
    with pytest.raises(ConfigError) as caught:
        tls_of(f"{line} ping")
    assert f"give --tls-{missing}, too, or set CLUSTERKIT_TLS_" in str(caught.value)


@pytest.mark.parametrize("missing", ["cert", "key", "ca"])
def test_a_word_with_nothing_behind_it_is_no_way_to_go_without_tls(missing):
    for environ in ({}, variables_of_tls()):
        with pytest.raises(ConfigError, match="TLS needs a certificate"):
            chosen_tls({f"tls_{missing}": ""}, environ)


def test_empty_variables_are_none():
    assert tls_of("ping", dict.fromkeys(TLS_VARIABLES.values(), "")) is None


def test_host_names_without_tls_are_no_tls():
    with pytest.raises(ConfigError, match="TLS needs a certificate"):
        tls_of("--tls-hostnames ping")
