import numpy as np
import pytest
from numpy.lib.recfunctions import structured_to_unstructured

from depthlib.data.augment import Augmentation
from depthlib.data.views import KNOWN, UNSCALED, Views

ONE = (1.0, 1.0)
NOTHING = {"flip": 0.0, "jitter": 0.0, "crop": 0.0}


def make_batch(count=5):
    rng = np.random.default_rng(3)
    rgb = rng.integers(0, 256, (count, 32, 48, 3), dtype=np.uint8)
    return rgb, rng.integers(1, 65536, (count, 32, 48), dtype=np.uint16)


def apply(augmentation, rgb, counts, epoch=0):
    rgb, counts = rgb.copy(), counts.copy()
    augmentation.apply(rgb, counts, augmentation.draw(0, epoch, len(rgb)))
    return rgb, counts


def test_photo_and_depth_are_mirrored_together_and_only_where_drawn():
    rgb, counts = make_batch(40)
    new_rgb, new_counts = apply(Augmentation(jitter=0.0, crop=0), rgb, counts)
    mirrored = 0
    for index in range(40):
        turn = -1 if (new_rgb[index] == rgb[index, :, ::-1]).all() else 1
        assert (new_rgb[index] == rgb[index, :, ::turn]).all()
        assert (new_counts[index] == counts[index, :, ::turn]).all()
        mirrored += turn == -1
    assert 8 < mirrored < 32


def test_colours_follow_gamma_and_gain_by_hand():
    rgb, counts = np.zeros((1, 32, 48, 3), np.uint8), np.ones((1, 32, 48), np.uint16)
    rgb[:, :, 1:] = 51  # 0.2
    rgb[:, :, 2:] = 204  # 0.8
    half = Augmentation(flip=0, jitter=1, gamma=(2, 2), brightness=(0.5, 0.5), colour=ONE, crop=0)
    new, new_counts = apply(half, rgb, counts)
    # 255 * 0.5 * 0.2² = 5.1 and 255 * 0.5 * 0.8² = 81.6
    assert [new[0, 0, column, 0] for column in range(3)] == [0, 5, 82]
    assert (new_counts == counts).all()
    bright = Augmentation(flip=0, jitter=1, gamma=ONE, brightness=(2, 2), colour=ONE, crop=0)
    assert [apply(bright, rgb, counts)[0][0, 0, column, 1] for column in range(3)] == [0, 102, 255]


def test_each_channel_has_its_own_gain_within_the_range():
    rgb = np.full((200, 32, 48, 3), 100, np.uint8)
    colours = Augmentation(flip=0, jitter=1, crop=0, gamma=ONE, brightness=ONE)
    new = apply(colours, rgb, np.ones((200, 32, 48), np.uint16))[0][:, 0, 0].astype(int)
    assert new.min() >= 90 and new.max() <= 110
    assert new.min() <= 91 and new.max() >= 109
    assert (new[:, 0] != new[:, 1]).any() and (new[:, 1] != new[:, 2]).any()


def test_an_enlarged_part_is_nearer_by_what_it_was_enlarged():
    rgb, counts = make_batch(8)
    counts[:, ::4] = 0  # holes stay holes
    half = Augmentation(flip=0, jitter=0, crop=1, share=(0.5, 0.5))
    new_rgb, new_counts = apply(half, rgb, counts)
    draws = half.draw(0, 0, 8)
    for index, (top, left) in enumerate(zip(draws["top"], draws["left"], strict=True)):
        part = np.s_[round(top * 16) :, round(left * 24) :]
        expected = counts[index][part][:16, :24].repeat(2, axis=0).repeat(2, axis=1) // 2
        np.testing.assert_array_equal(new_counts[index], expected)
        # Bilinear: a photo's middle is a mean of the pixels that the part has there.
        around = rgb[index][part][7:9, 11:13].reshape(4, 3)
        assert (new_rgb[index, 15:17, 23:25].reshape(4, 3) >= around.min(axis=0)).all()
        assert (new_rgb[index, 15:17, 23:25].reshape(4, 3) <= around.max(axis=0)).all()


def test_an_enlarged_part_of_a_road_keeps_its_horizon():
    """Of a level road's rows each one goes on to tell the depth of what lies in it."""
    below = np.arange(200) + 0.5 - 80
    road = np.where(below > 10, 1e5 / np.maximum(below, 1), 0).astype(np.uint16)
    counts = np.repeat(road[None, :, None], 8, axis=0).repeat(300, axis=2)
    rgb = np.zeros((*counts.shape, 3), np.uint8)
    for horizon, least in ((0.4, 0.97), (None, 0)):
        zoom = Augmentation(flip=0, jitter=0, crop=1, horizon=horizon)
        new = apply(zoom, rgb, counts)[1][:, 120:, 0]
        ratio = new / road[120:]
        assert least < ratio.min() and (ratio.max() < 1.03) == (horizon is not None)


def test_a_turned_pair_fills_its_corners_and_is_nearer_by_what_it_was_enlarged():
    rgb = np.zeros((1, 64, 96, 3), np.uint8)
    rgb[0, :, 48:] = 200  # an upright edge in the middle
    counts = np.full((1, 64, 96), 30_000, np.uint16)
    turning = Augmentation(**NOTHING, rotation=10.0)
    new_rgb, new_counts = apply(turning, rgb, counts)
    radians = np.deg2rad(20 * turning.draw(0, 0, 1)["angle"][0] - 10)
    top, bottom = ((new_rgb[0, row, :, 0] < 100).sum() for row in (0, 63))
    assert (top - bottom) / 63 == pytest.approx(-np.tan(radians), abs=0.03)
    # An upright rectangle of the same shape within the turned frame, by elementary geometry.
    growth = np.cos(radians) + abs(np.sin(radians)) * 96 / 64
    np.testing.assert_allclose(new_counts, 30_000 / growth, rtol=1e-3)
    counts[0, ::2] = 0
    holes = apply(turning, rgb, counts)[1]
    assert set(np.unique(holes)) == {0, new_counts.max()}, "no mean of a hole and a depth"


def test_a_band_of_the_photo_becomes_its_depth():
    rgb, counts = make_batch(30)
    new_rgb, new_counts = apply(Augmentation(**NOTHING, cut_depth=0.5), rgb, counts)
    assert (new_counts == counts).all()
    cut = 0
    for index in range(30):
        changed = (new_rgb[index] != rgb[index]).any(axis=(0, 2))
        band = np.flatnonzero(changed)
        cut += bool(len(band))
        if len(band):
            assert changed[band[0] : band[-1] + 1].all() and len(band) <= 36
            grey = counts[index][:, changed] / counts[index].max() * 255
            assert (np.abs(new_rgb[index][:, changed] - grey[..., None]) < 1.01).all()
    assert 8 < cut < 22


def make_roads(count=60):
    """A level road 1.65 m below the camera, in counts of a hundredth of a metre."""
    below = (np.arange(64) + 0.5 - 0.4 * 64) / 60
    row = np.where(below > 0, 165 / np.maximum(below, 1e-9), 0).clip(0, 65535)
    counts = np.repeat(np.repeat(row[None, :, None], count, 0), 160, 2).astype(np.uint16)
    return np.full((*counts.shape, 3), 90, np.uint8), counts


BOXES = {**NOTHING, "boxes": 0.5, "horizon": 0.4, "focal": (0.5, 60 / 64)}


def test_boxes_come_as_often_as_asked_with_their_depth():
    rgb, counts = make_roads()
    new_rgb, new_counts = rgb.copy(), counts.copy()
    boxes = Augmentation(**BOXES)
    boxes.apply(new_rgb, new_counts, boxes.draw(0, 0, 60), 0.01)
    seen = (new_rgb != rgb).any(axis=(1, 2, 3))
    assert 18 <= seen.sum() <= 42
    assert (new_counts != counts).any(axis=(1, 2)).sum() >= 0.8 * seen.sum()
    above = new_counts[:, :25][new_counts[:, :25] > 0]
    assert 500 * 0.99 <= above.min() and above.max() < 80_00


def test_a_box_beyond_the_range_is_not_measured():
    rgb, counts = make_roads(20)
    counts = np.where(counts * 40.0 <= 65535, counts * 40, 0).astype(np.uint16)  # to 16.4 m
    new_rgb, new = rgb.copy(), counts.copy()
    boxes = Augmentation(**{**BOXES, "boxes": 1})
    boxes.apply(new_rgb, new, boxes.draw(0, 0, 20), 1 / 4000)
    drawn = (new_rgb != rgb).any(axis=-1)[:, :20]  # above the road
    assert (new[:, :20][drawn] == 0).any() and (new[:, :20][drawn] > 0).any()
    assert new.max() < 65535


def test_boxes_stand_where_each_photos_own_horizon_says():
    """The nearer a rear stands the lower its foot, as below a camera 1.65 m above the road."""
    _, counts = make_roads(12)
    low = np.zeros_like(counts)
    low[:, 10:] = counts[:, :-10]  # ten rows lower
    rgb = np.full((*counts.shape, 3), 90, np.uint8)
    boxes = Augmentation(**{**BOXES, "boxes": 1})
    horizons = np.full(12, 0.4 + 10 / 64)
    for given, right in ((horizons, True), (None, False)):
        new = low.copy()
        boxes.apply(rgb.copy(), new, boxes.draw(0, 0, 12), 0.01, horizons=given)
        plain = counts.copy()
        boxes.apply(rgb.copy(), plain, boxes.draw(0, 0, 12), 0.01)
        same = (new[:, 10:] == plain[:, :-10]).mean()
        assert (same > 0.96) == right, same


def test_what_knows_no_metres_or_has_other_views_gets_no_boxes():
    rgb, counts = make_roads(6)
    boxes = Augmentation(**{**BOXES, "boxes": 1})
    draws = boxes.draw(0, 0, 6)
    metres = np.array([0, 0.01, 0.01, 0.01, 0.01, 0.01])
    views = Views.empty(6, 2, 64, 160)
    views.motions[1, 1, 6] = KNOWN
    views.motions[2, 0, 6] = UNSCALED
    new_rgb, new_counts = rgb.copy(), counts.copy()
    boxes.apply(new_rgb, new_counts, draws, metres, views=views)
    assert (new_rgb[:3] == rgb[:3]).all() and (new_counts[:3] == counts[:3]).all()
    assert (new_rgb[3:] != rgb[3:]).any(axis=(1, 2, 3)).all()


def test_boxes_need_a_road():
    for change in ({"focal": None}, {"horizon": None}, {"boxes": 1.5}):
        with pytest.raises(ValueError, match="`boxes`.*Received: boxes="):
            Augmentation(**{**BOXES, **change})


def test_weather_changes_photos_as_often_as_asked_and_no_depth():
    rgb, counts = make_batch(60)
    changed = apply(Augmentation(**NOTHING, weather=0.5), rgb, counts)
    assert (changed[1] == counts).all()
    assert 18 <= (changed[0] != rgb).any(axis=(1, 2, 3)).sum() <= 42


def test_only_the_effects_asked_for_come():
    rgb, counts = make_batch(12)
    for effects, order in ((("night",), np.less), (("reflection",), np.greater)):
        means = apply(Augmentation(**NOTHING, weather=1, effects=effects), rgb // 2, counts)[0]
        assert order(means.mean(axis=(1, 2, 3)), (rgb // 2).mean(axis=(1, 2, 3))).all()


def test_weather_leaves_what_else_is_drawn_as_it_was_without_it():
    # These were all draws before there was weather.
    before = np.random.default_rng([3, 2, 1]).random((7, 15), dtype=np.float32)
    draws = structured_to_unstructured(Augmentation(weather=0.5).draw(3, 2, 7))
    assert (draws[:, :15] == before).all() and draws.shape == (7, 23)


def test_where_the_scale_is_unknown_weather_takes_the_median_for_three_metres():
    rgb, counts = make_batch(4)
    counts[:] = counts // 16 + 3000
    counts[:, 0, :16] = 0
    foggy = Augmentation(**NOTHING, weather=1)
    draws, photos = foggy.draw(0, 0, 4), []
    for units in (0, np.array([3 / np.median(part[part > 0]) for part in counts])):
        photos.append(rgb.copy())
        foggy.apply(photos[-1], counts, draws, units)
    assert (photos[0] == photos[1]).all()


def test_mixing_puts_another_photo_into_as_many_as_asked_and_takes_their_depth():
    count = 60
    rgb = np.repeat(np.arange(count, dtype=np.uint8) * 4, 32 * 48 * 3).reshape(count, 32, 48, 3)
    counts = np.full((count, 32, 48), 1000, np.uint16)
    mixing = Augmentation(**NOTHING, mix=0.5)
    mixed_rgb, mixed_counts = rgb.copy(), counts.copy()
    mixing.mix_photos(mixed_rgb, mixed_counts, mixing.draw(0, 0, count))
    unknown = (mixed_counts == 0).all(axis=(1, 2))
    assert 20 <= unknown.sum() <= 40
    assert (mixed_rgb[~unknown] == rgb[~unknown]).all() and (mixed_counts[~unknown] == 1000).all()
    even = [np.unique(photo).tolist() for photo in mixed_rgb[unknown]]
    windows = [values for values in even if len(values) == 2]
    assert 8 <= len(windows) <= 30 and all(value % 4 == 0 for pair in windows for value in pair)
    assert all(len(values) <= 2 for values in even)
    shares = [(photo != own).mean() for photo, own in zip(mixed_rgb, rgb, strict=True)]
    windows = [share for share in shares if 0 < share < 1]
    assert 0.05 < min(windows) < max(windows) < 0.7  # sides of .3 to .8


def test_without_mixing_nothing_is_mixed():
    rgb, counts = make_batch()
    new_rgb, new_counts = rgb.copy(), counts.copy()
    Augmentation().mix_photos(new_rgb, new_counts, Augmentation().draw(0, 0, len(rgb)))
    assert (new_rgb == rgb).all() and (new_counts == counts).all()


def test_no_chance_changes_nothing():
    rgb, counts = make_batch()
    new_rgb, new_counts = apply(Augmentation(**NOTHING), rgb, counts)
    assert (new_rgb == rgb).all() and (new_counts == counts).all()


def test_draws_depend_on_seed_epoch_and_index_alone():
    draw = Augmentation().draw
    assert (draw(0, 2, 5) == draw(0, 2, 50)[:5]).all()
    assert (draw(0, 2, 5) != draw(0, 3, 5)).any()
    assert (draw(0, 2, 5) != draw(1, 2, 5)).any()


def test_a_pair_comes_out_the_same_in_any_batch():
    rgb, counts = make_batch(6)
    augmentation = Augmentation(weather=0.7)
    draws = augmentation.draw(0, 0, 6)
    together = apply(augmentation, rgb, counts)
    for index in range(6):
        one = rgb[index : index + 1].copy(), counts[index : index + 1].copy()
        augmentation.apply(*one, draws[index : index + 1])
        assert (one[0][0] == together[0][index]).all()
        assert (one[1][0] == together[1][index]).all()


@pytest.mark.parametrize(
    "setting",
    [
        {"share": (0.5, 1.2)},
        {"crop": 1.5},
        {"cut_depth": 1.5},
        {"rotation": 90.0},
        {"flip": 1.5},
        {"jitter": -0.1},
        {"weather": 2.0},
        {"mix": 2.0},
        {"effects": ("fog", "snow")},
        {"effects": ()},
        {"effects": "fog"},
        {"gamma": (0, 1)},
        {"colour": (1.1, 0.9)},
    ],
)
def test_an_impossible_setting_is_named(setting):
    with pytest.raises(ValueError, match=f"`{next(iter(setting))}` must be .* Received: "):
        Augmentation(**setting)
