"""Whether a left and a right photo are of one moment, as far as their names tell."""

import re
import warnings
from collections.abc import Sequence
from pathlib import Path

_SHOWN = 5  # photos in a message


def check_partners(left: Sequence[Path], right: Sequence[Path]) -> None:
    """Whether photos, in their order, are pairs: as many of each, and numbered alike.

    Two cameras may count from different numbers on, or have no numbers. But where most numbers are
    on both sides and one is missing in between, the photos after it would be of other moments. Of
    several numbers in a name, the one counts that most photos of both sides share.
    Warns where one counts from a little further on, as where either camera lacks one at an end.
    Errors: ValueError that names the photos without a partner.
    """
    numbers = _find_numbers(left, right)
    first, second = map(set, numbers)
    shifts = {b - a for a, b in zip(*numbers, strict=False)}
    alike = len(left) == len(right) and len(shifts) == 1
    unique = all(len(set(side)) == len(side) for side in numbers)
    most_shared = unique and len(first & second) > max(len(left), len(right)) / 2
    alone = [
        str(path)
        for side, own, others in ((left, numbers[0], second), (right, numbers[1], first))
        for path, number in zip(side, own, strict=True)
        if number not in others
    ]
    if alone and alike and most_shared:
        warnings.warn(
            f"Left and right photos count {abs(shifts.pop())} apart, and are taken in their order: "
            f"{left[0]} with {right[0]}. If equal numbers are one moment, remove what has no "
            f"partner: {', '.join(alone[:_SHOWN])}.",
            stacklevel=2,
        )
    if alone and not alike and most_shared:
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


def _find_numbers(left: Sequence[Path], right: Sequence[Path]) -> tuple[list[int], list[int]]:
    """A number of each photo's name, by which partners are told; -1 where names have none.

    The last one that is another in each name of a side, and that most photos of the other share:
    000001_10.png and 000002_10.png differ in their first.
    """
    found = [
        [[int(number) for number in re.findall("[0-9]+", path.stem)] for path in side]
        for side in (left, right)
    ]
    least = min((len(numbers) for side in found for numbers in side), default=0)
    if not least:
        return [-1] * len(left), [-1] * len(right)

    def take(place: int) -> tuple[list[int], list[int]]:
        one, other = ([numbers[place] for numbers in side] for side in found)
        return one, other

    def count_shared(place: int) -> int:
        one, other = take(place)
        is_own = all(len(set(side)) == len(side) for side in (one, other))
        return len(set(one) & set(other)) if is_own else -1

    return take(max(range(-1, -least - 1, -1), key=count_shared))
