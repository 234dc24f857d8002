"""Damage to bytes and text, by a seed: what disks, copies, editors and attackers do to files."""

import random
from collections.abc import Callable

NUMBERS = (
    "0", "-1", "1e9", "1e400", "-1e400", "nan", "inf", "1e-320", "99999999999999999999", "0x10",
    "1_000", "٣", "", " ", "true", "null", "1;2", "2147483648", "-0", "65536",
)  # fmt: skip
WORDS = (
    "..", "../../etc/passwd", "/etc/passwd", "C:\\Windows", "\0", "\ufeff", "\u202e", "'", '"', ",",
    "\n", "\r", "\t", "%s", "{x}", "[" * 2000, "é" * 300, "\\", "#", "=1+1", "NaN", "None",
    "\ud800",
)  # fmt: skip


def mutate(data: bytes, rng: random.Random, is_text: bool = False) -> bytes:
    """`data` after one to three ways of damage, `is_text` also by those of text."""
    ways: list[Callable[[bytes, random.Random], bytes]] = [*_WAYS]
    if is_text:
        ways = [*_TEXT_WAYS] * 2 + ways
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        data = rng.choice(ways)(data, rng)
    return data


def _span(data: bytes, rng: random.Random, most: int = 1 << 20) -> tuple[int, int]:
    start = rng.randrange(len(data) + 1)
    return start, min(len(data), start + rng.choice((1, 2, 4, 16, 64, 512, most)))


def _flip(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 4, 32)) if changed else 0):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _flip_early(data: bytes, rng: random.Random) -> bytes:
    """Headers are where sizes and kinds are."""
    return _flip(data[:256], rng) + data[256:]


def _cut(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.choice((0, 1, rng.randrange(len(data) + 1), len(data) - 1))]


def _blank(data: bytes, rng: random.Random) -> bytes:
    start, end = _span(data, rng)
    return data[:start] + rng.choice((b"\0", b"\xff")) * (end - start) + data[end:]


def _drop(data: bytes, rng: random.Random) -> bytes:
    start, end = _span(data, rng)
    return data[:start] + data[end:]


def _repeat(data: bytes, rng: random.Random) -> bytes:
    start, end = _span(data, rng, 4096)
    return data[:end] + data[start:end] * rng.choice((1, 2, 50)) + data[end:]


def _move(data: bytes, rng: random.Random) -> bytes:
    (start, end), other = _span(data, rng, 512), rng.randrange(len(data) + 1)
    return data[:other] + data[start:end] + data[other:]


def _insert_noise(data: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(data) + 1)
    return data[:start] + rng.randbytes(rng.choice((1, 3, 64, 1000))) + data[start:]


def _set_number(data: bytes, rng: random.Random) -> bytes:
    """A whole number of 1 to 8 bytes, in either order, becomes an extreme one."""
    size = rng.choice((1, 2, 4, 8))
    value = rng.choice((0, 1, (1 << 8 * size) - 1, (1 << 8 * size - 1) - 1, 1 << 8 * size - 1))
    start = rng.randrange(min(len(data), rng.choice((64, 1024, 1 << 30))) + 1)
    new = value.to_bytes(size, rng.choice(("little", "big")))
    return data[:start] + new + data[start + size :]


def _append(data: bytes, rng: random.Random) -> bytes:
    return data + rng.choice((b"\0" * 5000, b"\xff" * 100, data, rng.randbytes(300)))


def _replace_number(data: bytes, rng: random.Random) -> bytes:
    places = [i for i, byte in enumerate(data) if 48 <= byte < 58]
    if not places:
        return data
    start = end = rng.choice(places)
    while start and data[start - 1 : start] in _DIGITS:
        start -= 1
    while data[end : end + 1] in _DIGITS and end < len(data):
        end += 1
    return data[:start] + rng.choice(NUMBERS).encode() + data[end:]


def _insert_word(data: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(data) + 1)
    return data[:start] + rng.choice(WORDS).encode("utf-8", "surrogatepass") + data[start:]


def _drop_line(data: bytes, rng: random.Random) -> bytes:
    lines = data.splitlines(keepends=True)
    if lines:
        del lines[rng.randrange(len(lines))]
    return b"".join(lines)


def _repeat_line(data: bytes, rng: random.Random) -> bytes:
    lines = data.splitlines(keepends=True)
    if lines:
        lines.insert(rng.randrange(len(lines)), rng.choice(lines))
    return b"".join(lines)


def _encode_otherwise(data: bytes, rng: random.Random) -> bytes:
    text = data.decode("utf-8", "replace")
    return text.encode(rng.choice(("utf-16", "utf-32", "utf-8-sig", "utf-16-be")), "replace")


def _end_lines_otherwise(data: bytes, rng: random.Random) -> bytes:
    return data.replace(b"\n", rng.choice((b"\r\n", b"\r", b"\n\n", b"\0", b"\x85", b" ")))


_DIGITS = {*(bytes([byte]) for byte in b"0123456789.+-e")}
_WAYS = (
    _flip, _flip_early, _cut, _blank, _drop, _repeat, _move, _insert_noise, _set_number, _append,
)  # fmt: skip
_TEXT_WAYS = (
    _replace_number, _replace_number, _insert_word, _drop_line, _repeat_line, _encode_otherwise,
    _end_lines_otherwise,
)  # fmt: skip
