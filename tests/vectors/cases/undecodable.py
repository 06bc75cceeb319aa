"""Section 2: bytes that are no message at all. The call raises, and nothing is done."""

import msgspec
from language import Case, Refused, act, case, given, grant, permit, redeem, use

from authgate_async.wire import Enrol, Redemption, Revoke

_encode = msgspec.msgpack.encode
ACTION = msgspec.to_builtins(act(), builtin_types=(bytes,))
MAX = 2**63 - 1


def _refused(name: str, operation: str, data: bytes) -> Case:
    """Hand in the bytes; the kernel then goes on as if nothing had been."""
    return case(
        f"undecodable {operation}: {name}",
        given(grant()),
        Refused(operation, data),
        permit(act()),
        redeem((use(), "")),
    )


def _with(place: int, value: object) -> bytes:
    """An action with one field that is wrong."""
    return _encode([[*ACTION[:place], value, *ACTION[place + 1 :]]])


CASES = [
    _refused("nothing", "decide", b""),
    _refused("nil", "decide", b"\xc0"),
    _refused("a map", "decide", b"\x80"),
    _refused("one action that is not in an array", "decide", _encode(act())),
    _refused("text that is JSON", "decide", b"[]"),
    _refused("a byte too many", "decide", _encode([act()]) + b"\x00"),
    _refused("a byte too few", "decide", _encode([act()])[:-1]),
    _refused("an array longer than the bytes", "decide", b"\xdd\xff\xff\xff\xff"),
    _refused("text longer than the bytes", "decide", b"\x91\x9a\xdb\xff\xff\xff\xff"),
    _refused("a field missing that has a default", "decide", _encode([ACTION[:-1]])),
    _refused("a field too many", "decide", _encode([[*ACTION, b""]])),
    _refused("an action as a map", "decide", _encode([{"id": "a"}])),
    _refused("nil for text", "decide", _with(0, None)),
    _refused("bytes for text", "decide", _with(0, b"a-1")),
    _refused("text that is not UTF-8", "decide", _encode([act()]).replace(b"a-1", b"a-\xff")),
    _refused("a surrogate in UTF-8", "decide", _encode([act()]).replace(b"bot", b"\xed\xa0\x80")),
    _refused("text for bytes", "decide", _with(4, "x" * 32)),
    _refused("text for an array", "decide", _with(5, "folder")),
    _refused("a request of three fields", "decide", _with(5, [["folder", "notes", ""]])),
    _refused("a request of five fields", "decide", _with(5, [["folder", "notes", "", 1, 1]])),
    _refused("a number for a governed human", "decide", _with(6, [1])),
    _refused("a boolean for a number", "decide", _with(7, value=True)),
    _refused("a float for a number", "decide", _with(7, 1.0)),
    _refused("a negative number", "decide", _with(7, -1)),
    _refused("2^63", "decide", _with(8, MAX + 1)),
    _refused("2^64 - 1", "decide", _with(8, 2 * MAX + 1)),
    _refused("nil for bytes", "decide", _with(9, None)),
    _refused("a good action and a bad one", "decide", _encode([act(), None])),
    _refused("an array header that is too long", "decide",
             b"\xdc\x00\x01" + _encode([act()])[1:]),
    _refused("a text header that is too long", "decide",
             _encode([act()]).replace(b"\xa3a-1", b"\xd9\x03a-1")),
    _refused("a bytes header that is too long", "decide",
             _encode([act()]).replace(b"\xc4\x0c", b"\xc5\x00\x0c")),
    _refused("an integer in a longer form", "decide",
             _encode([act(flags=1)]).replace(b"\x90\x01\x00\xc4\x00",
                                             b"\x90\xcc\x01\x00\xc4\x00")),
    # The longest that still has a shorter form, of each form.
    _refused("text of 31 bytes in the form for 32", "decide",
             _encode([act(id="a" * 31)]).replace(b"\xbfa", b"\xd9\x1fa")),
    _refused("text of 255 bytes in the form for 256", "decide",
             _encode([act(id="a" * 255)]).replace(b"\xd9\xffa", b"\xda\x00\xffa")),
    _refused("255 bytes in the form for 256", "decide",
             _encode([act(args=b"a" * 255)]).replace(b"\xc4\xffa", b"\xc5\x00\xffa")),
    _refused("an array of 15 in the form for 16", "decide",
             _encode([act(governs_humans=("h",) * 15)]).replace(b"\x9f", b"\xdc\x00\x0f")),
    *(_refused(f"{value} in the form for {value + 1}", "decide",
               _encode([act(min_epoch=value)]).replace(
                   b"\x90\x00" + _encode(value), b"\x90\x00" + longer + value.to_bytes(width)))
      for value, longer, width in (
          (0x7F, b"\xcc", 1), (0xFF, b"\xcd", 2), (0xFFFF, b"\xce", 4), (0xFFFF_FFFF, b"\xcf", 8))),
    _refused("an integer in a signed form", "decide",
             _encode([act(flags=1)]).replace(b"\x90\x01\x00\xc4\x00",
                                             b"\x90\xd0\x01\x00\xc4\x00")),
    _refused("nothing", "change", b""),
    _refused("an unknown change", "change", _encode([["forget", "g"]])),
    _refused("a change without a tag", "change", _encode([["g"]])),
    _refused("an empty change", "change", _encode([[]])),
    _refused("a tag that is no text", "change", _encode([[1, "g"]])),
    _refused("a field missing that has a default", "change", _encode([["enrol", "c", "human"]])),
    _refused("a field too many", "change", _encode([["revoke", "g", "h"]])),
    _refused("a number for a boolean", "change", _encode([["declare", "folder", "notes", 1, ""]])),
    _refused("2^63", "change", _encode([["advance_epoch", MAX + 1]])),
    _refused("a good change and a bad one", "change",
             _encode([Revoke("g"), Enrol("carol", "human"), ["enrol", 1, "human", b"", ""]])),
    _refused("an action for a change", "change", _encode([act()])),
    _refused("nothing", "redeem", b""),
    _refused("a redemption of two fields", "redeem", _encode([[b"", "tool"]])),
    _refused("text for a permit", "redeem", _encode([["", "tool", b""]])),
    _refused("a good redemption and a bad one", "redeem",
             _encode([Redemption(b"", "tool", b""), [1]])),
]  # fmt: skip
