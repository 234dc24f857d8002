import warnings
from pathlib import Path

import pytest

from depthlib.data.stereo.pairing import check_partners


def paths(names):
    return [Path(name) for name in names.split()]


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("left01.jpg left02.jpg left04.jpg", "right01.jpg right02.jpg right04.jpg"),
        ("l/a.png l/b.png", "r/c.png r/d.png"),  # no numbers
        ("DSC_10.jpg DSC_12.jpg DSC_13.jpg", "DSC_11.jpg DSC_13.jpg DSC_14.jpg"),  # one began later
        ("140.png 173.png 207.png", "141.png 174.png 206.png"),  # moments, not of one clock
        ("000_10.png 001_10.png", "000_10.png 001_10.png"),
    ],
)
def test_photos_of_two_cameras_that_number_alike_or_as_they_like_are_pairs(left, right):
    with warnings.catch_warnings(action="error"):
        check_partners(paths(left), paths(right))


@pytest.mark.parametrize(
    ("left", "right", "alone"),
    [
        ("1.png 2.png 3.png 5.png", "1.png 3.png 4.png 5.png", "2.png, 4.png, without"),
        ("1.png 2.png 3.png", "1.png 2.png", "3.png, without"),
        ("l_8.png l_9.png l_10.png", "r_8.png r_10.png", "l_9.png, without"),
        ("0_10.png 1_10.png 3_10.png", "0_10.png 1_10.png 2_10.png", "3_10.png, 2_10.png, without"),
        ("7l1.png 8l1.png 9l1.png", "7r2.png 8r2.png 10r2.png", "9l1.png, 10r2.png, without"),
        ("1_5.png 2_9.png 4_12.png", "1_6.png 2_10.png 3_14.png", "4_12.png, 3_14.png, without"),
    ],
)
def test_a_photo_without_a_partner_is_named(left, right, alone):
    with pytest.raises(ValueError, match=f"a right one of its number. Received: {alone}"):
        check_partners(paths(left), paths(right))


@pytest.mark.parametrize(
    ("left", "right", "alone"),
    [
        ("0.png 1.png 2.png 3.png", "1.png 2.png 3.png 4.png", "0.png, 4.png"),
        ("2_10.png 3_10.png 4_10.png", "1_11.png 2_11.png 3_11.png", "4_10.png, 1_11.png"),
    ],
)
def test_photos_that_count_a_little_apart_are_told_as_either_may_lack_one(left, right, alone):
    with pytest.warns(UserWarning, match=f"count 1 apart.*has no partner: {alone}"):
        check_partners(paths(left), paths(right))


def test_unequal_numbers_of_photos_without_numbers_are_told():
    with pytest.raises(ValueError, match="Received: 2 left ones and 1 right ones, such as a.png"):
        check_partners(paths("a.png b.png"), paths("c.png"))


def test_of_many_photos_without_a_partner_some_are_named():
    left = [Path(f"{number}.png") for number in range(40)]
    with pytest.raises(ValueError, match="1.png, 2.png, .* and 5 more, without"):
        check_partners(left, [left[0], *left[11:]])
