"""What waits to be sent: a record, or a piece of one."""

from __future__ import annotations

import pytest

from clusterkit.wire.entry import Piece


@pytest.mark.parametrize("parts", [(), (b"",), (b"head", memoryview(b"body"), b"")])
def test_a_piece_is_what_its_parts_make(parts):
    piece = Piece(*parts)
    assert bytes(piece) == b"".join(parts)
    assert len(piece) == len(bytes(piece))
