"""Parts of one listing for several machines: a file's name alone says which part it is in."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np


@dataclass(frozen=True)
class Shard:
    """Part `number` of `count`, from 1 on. Errors: ValueError for a part that there is not."""

    number: int
    count: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.count:
            raise ValueError(
                "A shard must be I/N with I from 1 to N. Received: "
                f"{self}. Use 1/{max(self.count, 1)} for the first."
            )

    @classmethod
    def parse(cls, words: str) -> "Shard":
        """The shard that a user writes: 2/4 is the second of four. Errors: ValueError."""
        match = re.fullmatch(r"\s*(\d{1,9})\s*/\s*(\d{1,9})\s*", words, re.ASCII)
        if not match:
            raise ValueError(
                f"A shard must be I/N with I from 1 to N. Received: {words!r}. Use 1/4 for the "
                "first of four."
            )
        return cls(*map(int, match.groups()))

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    @property
    def label(self) -> str:
        """What its files are called."""
        return f"{self.number}of{self.count}"

    @classmethod
    def find(cls, label: str) -> "Shard | None":
        """The shard with this `label`; None for words that are no shard's, as of a file's copy."""
        match = re.fullmatch(r"([1-9]\d{0,8})of([1-9]\d{0,8})", label, re.ASCII)
        number, count = map(int, match.groups()) if match else (0, 0)
        return cls(number, count) if 1 <= number <= count else None

    def holds(self, name: str) -> bool:
        """Whether a file is in it; `name`: its path relative to what the user gave."""
        return hash_text(name) % self.count == self.number - 1

    def choose(self, hashes: np.ndarray) -> np.ndarray:
        """Of each name, given as its `hash_text`, whether it is in it: bool (names,)."""
        return hashes % np.uint64(self.count) == self.number - 1


def hash_text(text: str) -> int:
    """64 bits of a text's BLAKE2b: the same on every machine, as Python's own hash is not."""
    data = text.encode("utf-8", "surrogateescape")
    return int.from_bytes(blake2b(data, digest_size=8).digest(), "little")


def hash_texts(texts: Iterable[str], count: int = -1) -> np.ndarray:
    """`hash_text` of each, uint64 (count,): 8 bytes a text, however long they are."""
    return np.fromiter(map(hash_text, texts), np.uint64, count)


def count_alike(hashes: np.ndarray) -> np.ndarray:
    """Of each hash, how many there are of it, int (hashes,)."""
    _, places, counts = np.unique(hashes, return_inverse=True, return_counts=True)
    return counts[places]
