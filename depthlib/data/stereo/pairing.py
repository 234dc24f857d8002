"""Whether a left and a right photo are of one moment, as far as their names tell."""

import re
from collections.abc import Sequence
from pathlib import Path

_SHOWN = 5  # photos in a message


def check_partners(left: Sequence[Path], right: Sequence[Path]) -> None:
    """Whether photos, in their order, are pairs: as many of each, and numbered alike.

    Two cameras may count from different numbers on, or have no numbers. But where most numbers are
    on both sides and one is missing in between, the photos after it would be of other moments.
    Errors: ValueError that names the photos without a partner.
    """
    numbers = [[_find_number(path) for path in side] for side in (left, right)]
    first, second = map(set, numbers)
    alike = len(left) == len(right) and len({b - a for a, b in zip(*numbers, strict=True)}) == 1
    unique = all(len(set(side)) == len(side) for side in numbers)
    alone = [
        str(path)
        for side, own, others in ((left, numbers[0], second), (right, numbers[1], first))
        for path, number in zip(side, own, strict=True)
        if number not in others
    ]
    if alone and not alike and unique and len(first & second) > max(len(left), len(right)) / 2:
        more = f" and {len(alone) - _SHOWN} more" if len(alone) > _SHOWN else ""
        raise ValueError(
            "Each left photo must have a right one of its number. Received: "
            f"{', '.join(alone[:_SHOWN])}{more}, without. Remove what has no partner."
        )
    if len(left) != len(right):
        raise ValueError(
            f"Each left photo must have a right one. Received: {len(left)} left ones and "
            f"{len(right)} right ones, such as {left[0]} and {right[0]}. Remove those without a "
            "partner."
        )


def _find_number(path: Path) -> int:
    """The last number in a photo's name; -1 where it has none."""
    return int((re.findall(r"[0-9]+", path.stem) or [-1])[-1])
