"""The messages between the codec process and its parent."""

from __future__ import annotations

from io import BytesIO

import pytest

from plainfilm.io.codec import receive, send


def test_a_message_comes_through_as_it_was_sent() -> None:
    stream = BytesIO()
    send(stream, {"rows": 3}, b"\0\1\2")
    send(stream, {})
    stream.seek(0)
    assert receive(stream, 100) == ({"rows": 3}, b"\0\1\2")
    assert receive(stream, 100) == ({}, b"")


@pytest.mark.parametrize("kept", [0, 7, 10, 18])
def test_a_message_cut_off_is_the_end(kept: int) -> None:
    stream = BytesIO()
    send(stream, {"rows": 3}, b"\0\1\2")
    with pytest.raises(EOFError):
        receive(BytesIO(stream.getvalue()[:kept]), 100)


def test_a_message_that_announces_too_much_is_not_read() -> None:
    stream = BytesIO()
    send(stream, {}, bytes(100))
    stream.seek(0)
    with pytest.raises(EOFError):
        receive(stream, 50)
