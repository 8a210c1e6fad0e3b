"""What can be wrong with certificates is found at the start, with its remedy."""

from __future__ import annotations

import ssl
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from clusterkit import Tls, TlsContexts, create_cluster
from clusterkit.errors import ConfigError
from clusterkit.net.credentials import load
from tests.certificates import contexts, files

HERE = "127.0.0.1"


def refused(tls, host=HERE):
    with pytest.raises(ConfigError) as caught:
        load(tls, host)
    return str(caught.value)


def openssl(*words):
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)


def test_good_files_are_taken_and_the_own_certificate_is_known():
    foo = load(files("foo"), HERE)
    assert foo.own == load(files("foo")).own
    assert foo.own != load(files("bar"), HERE).own
    assert len(foo.own) == 32


def test_the_contexts_of_files_speak_nothing_below_tls_1_3_and_verify():
    foo = load(files("foo"), HERE)
    for context in (foo.listener, foo.dialer):
        assert context.minimum_version is ssl.TLSVersion.TLSv1_3
        assert context.verify_mode is ssl.CERT_REQUIRED


@pytest.mark.parametrize("part", ["certificate", "key", "ca"])
def test_a_file_that_is_not_there_is_named(part, tmp_path):
    text = refused(replace(files("foo"), **{part: tmp_path / "nothing"}))
    assert text.startswith("cannot read the ")
    assert f"{tmp_path}/nothing: No such file" in text


@pytest.mark.parametrize("part", ["certificate", "key", "ca"])
def test_a_folder_is_no_file(part, tmp_path):
    assert "no regular file" in refused(replace(files("foo"), **{part: tmp_path}))


@pytest.mark.parametrize("part", ["certificate", "key", "ca"])
def test_a_file_that_holds_something_else_is_named(part, tmp_path):
    other = tmp_path / "other"
    other.write_text("hello")
    assert f"{other} holds no " in refused(replace(files("foo"), **{part: other}))


@pytest.mark.parametrize("part", ["certificate", "key", "ca"])
def test_a_file_that_is_damaged_is_named(part, tmp_path):
    other = tmp_path / "other"
    lines = Path(getattr(files("foo"), part)).read_text().splitlines()
    other.write_text("\n".join([lines[0], "AAAA", lines[-1]]))
    assert str(other) in refused(replace(files("foo"), **{part: other}))


def test_a_key_of_another_certificate_is_named():
    text = refused(replace(files("foo"), key=files("bar").key))
    assert files("bar").key in text
    assert "does not belong to the certificate" in text


def test_an_encrypted_key_is_refused_without_asking_at_the_terminal(tmp_path):
    key = tmp_path / "locked.key"
    line = f"pkey -in {files('foo').key} -aes128 -passout pass:secret -out {key}"
    openssl(*line.split())
    text = refused(replace(files("foo"), key=key))
    assert f"the key {key} is encrypted" in text
    assert f"openssl pkey -in {key}" in text


def test_an_expired_certificate_is_refused():
    text = refused(files("foo", days=-1))
    assert files("foo", days=-1).certificate in text
    assert "certificate has expired" in text
    assert "make a new one" in text


def test_a_certificate_of_another_ca_is_refused():
    text = refused(replace(files("foo"), ca=files("foo", "theirs").ca))
    assert "unable to get local issuer certificate" in text
    assert "--tls-ca" in text


def test_a_certificate_that_signed_itself_is_refused_unless_it_is_the_ca(tmp_path):
    key, certificate = tmp_path / "self.key", tmp_path / "self.pem"
    line = f"req -x509 -newkey rsa:2048 -nodes -keyout {key} -out {certificate}"
    openssl(*line.split(), "-subj", "/CN=self", "-days", "2")
    tls = Tls(certificate=certificate, key=key, ca=files("foo").ca)
    assert "self-signed" in refused(tls).replace("self signed", "self-signed")
    assert load(replace(tls, ca=certificate), HERE).own


@pytest.mark.parametrize(
    ("use", "what"),
    [("serverAuth", "dial with"), ("clientAuth", "be dialled with at 127.0.0.1")],
)
def test_a_certificate_for_one_role_only_is_refused(use, what, tmp_path):
    """Nodes dial and are dialled; it would work one way, and puzzle."""
    tls = one_role(use, tmp_path)
    text = refused(tls)
    assert f"is none to {what}" in text
    assert "those of a server and of a client" in text


def test_a_tool_needs_a_certificate_to_dial_with_only(tmp_path):
    assert load(one_role("clientAuth", tmp_path)).own


def one_role(use, folder):
    ca, key, request, certificate = (
        folder / name for name in ("ca.pem", "key", "request", "certificate")
    )
    ext = folder / "ext"
    ext.write_text(f"extendedKeyUsage={use}\n")
    new = "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
    openssl(*new.split(), "-keyout", key, "-subj", "/CN=foo", "-out", request)
    line = f"{new} -x509 -keyout {folder}/ca.key -out {ca} -subj /CN=ca"
    openssl(*line.split())
    line = (
        f"x509 -req -in {request} -CA {ca} -CAkey {folder}/ca.key -CAcreateserial "
        f"-extfile {ext} -out {certificate}"
    )
    openssl(*line.split())
    return Tls(certificate=certificate, key=key, ca=ca)


def test_with_host_names_the_certificate_has_to_name_the_own_host():
    tls = files("foo", hosts=("foo.example",), hostnames=True)
    assert load(tls, "foo.example").own
    text = refused(tls, "bar.example")
    assert "is none to be dialled with at bar.example" in text
    assert "do not ask for host names" in text
    assert load(tls).own  # nobody dials a tool


@pytest.mark.parametrize("host", [".b", "a" * 64 + ".b"])
def test_a_host_that_no_certificate_can_name_matters_only_if_it_is_asked_for(host):
    assert load(files("foo"), host).own
    assert host in refused(files("foo", hostnames=True), host)


def test_without_tls_1_3_there_is_no_tls(monkeypatch):
    monkeypatch.setattr(ssl, "HAS_TLSv1_3", False)
    assert "has no TLS 1.3" in refused(files("foo"))


@pytest.mark.parametrize("value", [None, "", 5, b"x.pem", "a\0b"])
def test_a_path_that_is_none_is_refused(value):
    with pytest.raises(ConfigError, match="certificate is the path"):
        Tls(certificate=value, key="k", ca="c")


def test_hostnames_is_yes_or_no():
    with pytest.raises(ConfigError, match="hostnames is a bool"):
        Tls(certificate="c", key="k", ca="c", hostnames="no")


@pytest.mark.parametrize("value", ["foo.pem", {}, ssl.PROTOCOL_TLS_CLIENT])
async def test_what_is_no_tls_is_refused_before_anything_is_bound(value):
    with pytest.raises(ConfigError, match="tls is a Tls"):
        async with create_cluster("foo", cookie="x", port=0, tls=value):
            pass


async def test_a_node_with_bad_files_does_not_start(tmp_path):
    tls = replace(files("foo"), ca=tmp_path / "nothing")
    with pytest.raises(ConfigError, match="cannot read the CA certificate"):
        async with create_cluster("foo", cookie="x", port=0, tls=tls):
            pass


def test_contexts_that_get_on_are_taken_and_show_no_own_certificate():
    assert load(contexts("foo"), HERE).own == b""


def test_contexts_have_to_be_of_their_roles():
    good = contexts("foo")
    with pytest.raises(ConfigError, match="dialer is a context of"):
        TlsContexts(listener=good.listener, dialer=good.listener)
    with pytest.raises(ConfigError, match="listener is an ssl"):
        TlsContexts(listener="foo.pem", dialer=good.dialer)


@pytest.mark.parametrize("role", ["listener", "dialer"])
def test_contexts_have_to_ask_for_a_certificate(role):
    made = contexts("foo")
    getattr(made, role).verify_mode = ssl.CERT_OPTIONAL
    with pytest.raises(ConfigError, match=f"{role} does not ask for the peer's"):
        TlsContexts(listener=made.listener, dialer=made.dialer)


@pytest.mark.parametrize("role", ["listener", "dialer"])
def test_contexts_have_to_leave_out_old_versions(role):
    made = contexts("foo")
    getattr(made, role).minimum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ConfigError, match=f"{role} would speak less than TLS 1.3"):
        TlsContexts(listener=made.listener, dialer=made.dialer)


def test_contexts_of_different_cas_do_not_start():
    ours, theirs = contexts("foo"), contexts("foo", "theirs")
    made = TlsContexts(listener=ours.listener, dialer=theirs.dialer)
    assert "do not get on: " in refused(made)


def test_contexts_of_a_python_without_tls_unique_do_not_start(monkeypatch):
    monkeypatch.setattr(ssl, "CHANNEL_BINDING_TYPES", [])
    assert "no tls-unique is the same at both ends" in refused(contexts("foo"))
    assert load(files("foo"), HERE).own  # files are tied to by the certificates
