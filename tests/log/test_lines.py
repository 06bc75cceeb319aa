from __future__ import annotations

from hashlib import sha256

import pytest

from authgate_async.log.lines import FIRST, Fault, make_line, read_line

RECORD = b'{"kind":"x"}'
LINE, SUM = make_line(7, FIRST, RECORD)


def test_a_line_has_the_form_of_the_format_page() -> None:
    """The line is index, prev, record and sum; the sum is the leaf hash of the bytes before it."""
    body = b'{"index":7,"prev":"' + b"0" * 64 + b'","record":{"kind":"x"}'
    digest = sha256(b"\0" + body).hexdigest()
    assert digest == SUM
    assert body + b',"sum":"' + digest.encode() + b'"}\n' == LINE


def test_a_line_is_read_as_it_was_made() -> None:
    """Reading gives back what making took."""
    assert read_line(LINE) == (7, FIRST, RECORD, SUM)


@pytest.mark.parametrize("place", range(len(LINE)))
def test_no_byte_of_a_line_can_change(place: int) -> None:
    """Whichever byte takes whichever other value, the line is at fault."""
    for other in range(256):
        changed = LINE[:place] + bytes([other]) + LINE[place + 1 :]
        if changed != LINE:
            with pytest.raises(Fault):
                read_line(changed)


def _summed(body: bytes) -> bytes:
    return body + b',"sum":"' + sha256(b"\0" + body).hexdigest().encode() + b'"}\n'


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\n",
        b"{}\n",
        LINE[:-1],
        LINE + b"\n",
        b" " + LINE,
        LINE.replace(SUM.encode(), SUM.upper().encode()),
        _summed(b'{"index":07,"prev":"' + b"0" * 64 + b'","record":{}'),
        _summed(b'{"index":-7,"prev":"' + b"0" * 64 + b'","record":{}'),
        _summed(b'{"index":7,"prev":"' + b"0" * 63 + b'","record":{}'),
        _summed(b'{"index":7,"prev":"' + b"A" * 64 + b'","record":{}'),
        _summed(b'{"index":7,"prev":"' + b"0" * 64 + b'","record":[]'),
        _summed(b'{"index":7, "prev":"' + b"0" * 64 + b'","record":{}'),
        _summed(b'{"index":7,"prev":"' + b"0" * 64 + b'"'),
    ],
)
def test_another_form_is_a_fault_even_with_a_true_sum(raw: bytes) -> None:
    """A line has one spelling."""
    with pytest.raises(Fault):
        read_line(raw)
