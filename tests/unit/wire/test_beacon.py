"""A beacon is believed whole or not at all."""

from __future__ import annotations

import sys
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given, strategies as st

from clusterkit.errors import ConfigError
from clusterkit.names import NodeInfo
from clusterkit.wire.beacon import (
    MAX_BEACON,
    NONCE_BYTES,
    Beacon,
    BeaconKeys,
    read_body,
    write_body,
)

SECRETS = (bytes(32), b"\x01" * 32)
NONCE = bytes(range(NONCE_BYTES))
BEACON = Beacon("ring", NodeInfo("foo", "10.0.0.1", 7022), 17, 1, 1_700_000_000_000)
NAMES = st.text("abcXYZ019_.-", min_size=1, max_size=128).filter(
    lambda t: t[0].isalnum()
)
U63 = st.integers(0, 2**63 - 1)
FORMS = pytest.mark.parametrize("encrypted", [False, True], ids=["signed", "encrypted"])


def datagram(encrypted=False, secrets=SECRETS, beacon=BEACON):
    return BeaconKeys(secrets, encrypted=encrypted).seal(write_body(beacon), NONCE)


@given(NAMES, NAMES, NAMES, st.integers(1, 65535), U63, U63, U63, st.booleans())
def test_any_beacon_is_read_as_it_was_written(ring, name, host, port, i, s, w, enc):
    beacon = Beacon(ring, NodeInfo(name, host, port), i, s, w)
    sealed = datagram(enc, beacon=beacon)
    assert len(sealed) < MAX_BEACON
    assert read_body(BeaconKeys(SECRETS, encrypted=enc).open(sealed)) == beacon


def test_the_longest_beacon_fits():
    node = NodeInfo("n" * 128, "h" * 255, 65535)
    most = Beacon("r" * 128, node, 2**63 - 1, 2**64 - 1, 2**64 - 1)
    assert len(datagram(True, beacon=most)) < MAX_BEACON


def test_bytes_are_as_the_reference_says():
    sealed = datagram()
    assert sealed[:5] == b"ckb\x01\x00"
    fixed = (17).to_bytes(8) + (1).to_bytes(8) + (1_700_000_000_000).to_bytes(8)
    assert sealed[5:-32] == fixed + (7022).to_bytes(2) + b"\x04ring\x03foo\x0810.0.0.1"
    assert len(sealed) - 5 - len(sealed[5:-32]) == 32


@FORMS
@given(st.data())
def test_any_change_of_any_byte_is_refused(encrypted, data):
    sealed = bytearray(datagram(encrypted))
    where = data.draw(st.integers(0, len(sealed) - 1))
    sealed[where] ^= data.draw(st.integers(1, 255))
    assert BeaconKeys(SECRETS, encrypted=encrypted).open(bytes(sealed)) is None


@FORMS
def test_any_truncation_or_addition_is_refused(encrypted):
    keys, sealed = BeaconKeys(SECRETS, encrypted=encrypted), datagram(encrypted)
    for end in range(len(sealed)):
        assert keys.open(sealed[:end]) is None
    assert keys.open(sealed + b"\0") is None


@FORMS
@given(st.binary(max_size=2000))
def test_garbage_is_refused(encrypted, garbage):
    assert BeaconKeys(SECRETS, encrypted=encrypted).open(garbage) is None


@FORMS
def test_the_first_cookie_signs_and_any_is_taken(encrypted):
    old, new = SECRETS
    for signing in ((old, new), (new, old)):
        sealed = datagram(encrypted, signing)
        assert BeaconKeys((old, new), encrypted=encrypted).open(sealed)
        assert BeaconKeys((signing[0],), encrypted=encrypted).open(sealed)
        assert BeaconKeys((signing[1],), encrypted=encrypted).open(sealed) is None


@FORMS
def test_one_form_is_not_taken_for_the_other(encrypted):
    keys = BeaconKeys(SECRETS, encrypted=encrypted)
    other = datagram(not encrypted)
    assert keys.open(other) is None
    assert keys.is_of_other_form(other)
    assert not keys.is_of_other_form(datagram(encrypted))


def test_an_encrypted_beacon_shows_no_name_and_no_address():
    sealed = datagram(True)
    for secret in (b"ring", b"foo", b"10.0.0.1"):
        assert secret not in sealed
        assert secret in datagram(False)


def test_encryption_without_its_package_says_what_to_install(monkeypatch):
    monkeypatch.setitem(
        sys.modules, "cryptography.hazmat.primitives.ciphers.aead", None
    )
    with pytest.raises(ConfigError, match=r'pip install "clusterkit\[encryption\]"'):
        BeaconKeys((b"\x77" * 32,), encrypted=True)


@given(st.binary(max_size=600))
def test_a_body_that_is_none_is_a_config_error(body):
    with suppress(ConfigError):
        assert write_body(read_body(body)) == body


@pytest.mark.parametrize(
    "wrong",
    [
        write_body(BEACON)[:-1],
        write_body(BEACON) + b"\0",
        write_body(replace(BEACON, incarnation=2**63)),
        write_body(replace(BEACON, node=NodeInfo("foo", "10.0.0.1", 0))),
        write_body(replace(BEACON, node=NodeInfo("", "10.0.0.1", 1))),
        write_body(replace(BEACON, ring="")),
        b"",
    ],
    ids=["short", "long", "incarnation", "port", "name", "ring", "empty"],
)
def test_nonsense_by_who_has_the_cookie_is_refused(wrong):
    with pytest.raises(ConfigError):
        read_body(wrong)
