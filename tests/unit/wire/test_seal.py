"""The seal is HMAC-SHA256, by the book."""

from __future__ import annotations

import hashlib
import hmac

import pytest

from clusterkit.wire.seal import TAG_BYTES, Sealer, derive, stretch

# RFC 4231, section 4: key, data, HMAC-SHA-256 (case 5 truncated to 128 bits).
RFC_4231 = {
    "case 1": (
        b"\x0b" * 20,
        b"Hi There",
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
    ),
    "case 2": (
        b"Jefe",
        b"what do ya want for nothing?",
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    ),
    "case 3": (
        b"\xaa" * 20,
        b"\xdd" * 50,
        "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
    ),
    "case 4": (
        bytes(range(1, 26)),
        b"\xcd" * 50,
        "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
    ),
    "case 5": (
        b"\x0c" * 20,
        b"Test With Truncation",
        "a3b6167473100ee06e0c796c2955552b",
    ),
    "case 6": (
        b"\xaa" * 131,
        b"Test Using Larger Than Block-Size Key - Hash Key First",
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
    ),
    "case 7": (
        b"\xaa" * 131,
        (
            b"This is a test using a larger than block-size key and a larger than "
            b"block-size data. The key needs to be hashed before being used by the "
            b"HMAC algorithm."
        ),
        "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
    ),
}


@pytest.mark.parametrize(("key", "data", "tag"), RFC_4231.values(), ids=RFC_4231)
def test_a_tag_is_that_of_rfc_4231(key, data, tag):
    assert Sealer(key).tag(data).hex().startswith(tag)


def test_a_tag_is_the_reference_systems_known_answer():
    # Reference system, K9: cookie asdf, envelope {"foo":"bar"}.
    tag = Sealer(b"asdf").tag(b'{"foo":"bar"}')
    assert tag.hex() == (
        "dde0dd5cd74892ac245590268772edab2e5ecfa6f3ace71c138a0cd8d2acfcc7"
    )


@pytest.mark.parametrize("size", [0, 1, 63, 64, 65, 200])
def test_keys_of_any_size_agree_with_the_standard_library(size):
    key = bytes(range(size))
    assert Sealer(key).tag(b"data") == hmac.digest(key, b"data", "sha256")


def test_one_sealer_signs_many_frames_independently():
    sealer = Sealer(b"key")
    first = sealer.tag(b"one")
    sealer.tag(b"two")
    assert sealer.tag(b"one") == first


def test_a_view_is_signed_and_verified_as_its_bytes():
    sealer = Sealer(b"key")
    frame = memoryview(b"..data.." + sealer.tag(b"data"))
    assert sealer.verify(frame[2:6], frame[8:])


@pytest.mark.parametrize("tag", [b"", b"\0" * 31, b"\0" * 32, b"\0" * 33])
def test_a_wrong_tag_is_not_verified(tag):
    assert not Sealer(b"key").verify(b"data", tag)


def test_a_truncated_tag_is_not_verified():
    sealer = Sealer(b"key")
    assert not sealer.verify(b"data", sealer.tag(b"data")[:16])


def test_derive_signs_its_parts_joined():
    joined = hmac.digest(b"secret", b"onetwo", "sha256")
    assert derive(b"secret", b"one", b"two") == joined
    assert len(joined) == TAG_BYTES


def test_a_cookie_is_stretched_by_scrypt_with_the_documented_parameters():
    documented = hashlib.scrypt(
        b"monster", salt=b"clusterkit/1", n=16_384, r=8, p=1, maxmem=2**26, dklen=32
    )
    assert stretch(b"monster") == documented


def test_a_cookie_is_stretched_once_per_process():
    assert stretch(b"monster") is stretch(b"monster")
