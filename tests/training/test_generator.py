import shutil
import warnings
from collections import namedtuple
from dataclasses import replace

import cv2
import keras
import numpy as np
import pytest

from depthlib.data.augment import Augmentation
from depthlib.data.packed import pack_pairs
from depthlib.data.pairs import Pairs, read_csv
from depthlib.data.specs import NYU_RELATIVE, NYU_TRAIN
from depthlib.training.generator import DepthGenerator, EpochFollower

SIZE = (32, 48)
# Weights that tell any two batches apart, and a picture from its mirror image.
RAMP = np.linspace(0.5, 1.5, 32 * 48, dtype=np.float32).reshape(1, *SIZE, 1)


@pytest.fixture
def pairs(tiny_nyu):
    return read_csv(tiny_nyu(scenes=3, frames=4).joinpath("nyu2_train.csv"), NYU_TRAIN)


def make_training(pairs, batch_size=5, **settings):
    settings = {"shuffle": True, "augmentation": Augmentation(weather=0.5), "seed": 7} | settings
    return DepthGenerator(pairs, *SIZE, batch_size, **settings)


def read_all(generator):
    """The epoch's RGB and depth, whole."""
    batches = [generator[index] for index in range(len(generator))]
    return tuple(np.concatenate(arrays) for arrays in zip(*batches, strict=True))


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_batches_have_the_contracts_shapes_types_and_exact_number(pairs):
    generator = DepthGenerator(pairs, *SIZE, 5)
    assert len(generator) == generator.num_batches == 3
    assert [len(generator[index][0]) for index in range(3)] == [5, 5, 2]
    rgb, depth_m = generator[0]
    assert (rgb.shape, rgb.dtype) == ((5, *SIZE, 3), np.uint8)
    assert (depth_m.shape, depth_m.dtype) == ((5, *SIZE, 1), np.float32)
    assert 0.5 < depth_m.min() and depth_m.max() <= 10
    with pytest.raises(IndexError, match="0 to 2. Received: 3"):
        generator[3]


def test_without_shuffling_and_augmentation_no_epoch_differs(pairs):
    generator = DepthGenerator(pairs, *SIZE, 5)
    first = read_all(generator)
    generator.on_epoch_end()
    assert same(first, read_all(generator))
    counts = generator.source.gather(np.array([3]))[1][0]
    assert (first[1][3, ..., 0] == counts * np.float32(generator.metres_per_count)).all()


def test_counts_are_the_same_depth_as_the_cache_holds_it(pairs):
    counts, depth = make_training(pairs, as_counts=True), make_training(pairs)
    assert counts[1][1].dtype == np.uint16
    assert (counts[1][1] * np.float32(counts.metres_per_count) == depth[1][1]).all()


def test_relative_depth_among_metric_is_negative_and_both_are_augmented(pairs):
    spec = replace(NYU_TRAIN, metres_per_count=None, max_depth=1.0, median_range=(0.01, 1.0))
    relative = Pairs(pairs.root, pairs.table, spec)
    mixed = make_training([pairs, relative], as_counts=True)
    counts = read_all(mixed)[1]
    assert counts.dtype == np.int32 and len(counts) == 24
    signs = np.sign(counts).reshape(24, -1)
    assert (signs.min(axis=1) == signs.max(axis=1)).all() and signs[:, 0].sum() == 0
    still = make_training([pairs, relative], shuffle=False, augmentation=None)
    depth = read_all(still)[1]
    # The same files: what is metres in one is shares of 10 m in the other.
    np.testing.assert_allclose(
        depth[:12] / mixed.metres_per_count, -depth[12:] / mixed.metres_per_count, rtol=1e-3
    )


def test_depth_through_another_lens_is_that_of_the_first_datasets_lens(pairs):
    # Three times the focal length: a thing that fills as much of the photo is three times as far.
    tele = Pairs(
        pairs.root, pairs.table, replace(NYU_TRAIN, name="tele", focal=3 * NYU_TRAIN.focal)
    )
    unknown = Pairs(pairs.root, pairs.table, replace(NYU_TRAIN, name="unknown", focal=None))
    settings = {"shuffle": False, "augmentation": None}
    depth = read_all(make_training([pairs, tele, unknown], **settings))[1]
    np.testing.assert_allclose(3 * depth[12:24], depth[:12], atol=2 * 10 / 65535)
    np.testing.assert_array_equal(depth[24:], depth[:12])


@pytest.mark.parametrize("border", [(0.0, 1.0, 0.1, 0.9), (0.2, 0.7, 0.0, 1.0)])
@pytest.mark.parametrize("crop_border", [False, True])
def test_where_borders_are_cut_off_depth_is_that_of_the_lens_within(pairs, border, crop_border):
    main, extra = (
        replace(pairs, spec=replace(NYU_TRAIN, name=name, border=edge))
        for name, edge in (("main", border), ("extra", (0.0, 1.0, 0.0, 1.0)))
    )
    settings = {"shuffle": False, "augmentation": None, "crop_border": crop_border}
    depth = read_all(make_training([main, extra], **settings))[1][12:]
    own = read_all(make_training([extra], **settings))[1]
    factor = main.spec.view(crop_border)["focal"] / extra.spec.focal
    assert factor == pytest.approx(1 / (border[3] - border[2]) if crop_border else 1)
    kept = depth > 0  # the rest lies beyond 10 m now
    assert kept.mean() > 0.4
    np.testing.assert_allclose(depth[kept], factor * own[kept], atol=2 * 10 / 65535)


def test_a_road_beside_wider_photos_is_cut_to_their_part_of_it(pairs, tmp_path):
    road = Pairs(pairs.root, pairs.table, replace(NYU_TRAIN, name="road", aspect=1.5, horizon=0.5))
    for path in road.table[["rgb", "depth"]].to_numpy().ravel():
        middle = cv2.imread(str(road.root / path), cv2.IMREAD_UNCHANGED)
        height = len(middle)
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(tmp_path / path), middle[height // 4 : -height // 4])
    wide = Pairs(tmp_path, road.table, replace(road.spec, name="wide", aspect=3.0))
    rgb, depth = read_all(make_training([wide, road], shuffle=False, augmentation=None))
    np.testing.assert_array_equal(depth[:12], depth[12:])
    assert np.abs(rgb[:12].astype(int) - rgb[12:]).mean() < 6  # the middle is a JPEG once more


def test_an_empty_sky_is_as_far_as_depth_goes_whatever_enlarges_it(pairs):
    spec = replace(NYU_TRAIN, name="road", empty_is_far=True, max_depth=80.0, metres_per_count=0.04)
    for index in range(len(pairs)):
        path = pairs.depth_path(index)
        values = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        values[:10] = 0
        cv2.imwrite(str(path), values)
    road = Pairs(pairs.root, pairs.table, spec)
    mixed = make_training(
        [road, pairs], shuffle=False, augmentation=Augmentation(crop=1.0), as_counts=True
    )
    counts = read_all(mixed)[1]
    assert (counts[:12].reshape(12, -1).max(axis=1) >= 65535).sum() > 6  # crops may lie below
    assert counts[:12].min() > 0
    # Of the other dataset, what is empty stays empty.
    assert (counts[12:] == 0).any() and counts[12:].max() < 65535 / 8 + 1


def test_weather_knows_which_depth_is_in_metres(pairs):
    relative = Pairs(pairs.root, pairs.table, replace(NYU_TRAIN, metres_per_count=None))
    foggy = Augmentation(flip=0, jitter=0, crop=0, weather=1, effects=("fog", "shadow"))
    seen = {}
    for name, members in (("metric", pairs), ("relative", relative), ("both", [pairs, relative])):
        generator = make_training(members, augmentation=foggy, shuffle=False, as_counts=True)
        units = generator._metres_of(np.arange(len(generator.source)))
        seen[name] = units.tolist()
        still = make_training(members, augmentation=None, shuffle=False, as_counts=True)
        assert (read_all(generator)[1] == read_all(still)[1]).all(), "depth stays"
        assert (read_all(generator)[0] != read_all(still)[0]).any(axis=(1, 2, 3)).all()
    unit = NYU_TRAIN.scale
    assert seen["relative"] == [0] * 12 and len(set(seen["metric"])) == 1
    assert seen["both"] == seen["metric"] + seen["relative"] and seen["metric"][0] <= unit


def test_paired_views_are_two_views_of_one_depth_without_and_with_weather(pairs):
    foggy = Augmentation(weather=1, effects=("fog",))
    paired_views = make_training(pairs, augmentation=foggy, paired_views=True)
    assert len(paired_views) == 3 and [len(paired_views[index][0]) for index in range(3)] == [
        10,
        10,
        4,
    ]
    rgb, depth_m = read_all(paired_views)
    assert (depth_m[::2] == depth_m[1::2]).all()
    clear = make_training(pairs, augmentation=replace(foggy, weather=0))
    assert same((rgb[::2], depth_m[::2]), read_all(clear))
    assert same((rgb[1::2], depth_m[1::2]), read_all(make_training(pairs, augmentation=foggy)))
    with pytest.raises(ValueError, match="`paired_views` need an augmentation with weather"):
        make_training(pairs, augmentation=Augmentation(), paired_views=True)


def test_a_mixed_photo_has_no_depth_even_where_nothing_is_far(pairs):
    pairs = replace(pairs, spec=replace(pairs.spec, empty_is_far=True))
    augmentation = Augmentation(flip=0, jitter=0, crop=0, mix=0.5)
    mixed = read_all(make_training(pairs, augmentation=augmentation))
    plain = read_all(make_training(pairs, augmentation=Augmentation(flip=0, jitter=0, crop=0)))
    unknown = (mixed[1] == 0).all(axis=(1, 2, 3))
    assert 2 <= unknown.sum() <= 10
    for ours, theirs in zip(mixed, plain, strict=True):
        assert (ours[~unknown] == theirs[~unknown]).all()
    assert (mixed[0][unknown] != plain[0][unknown]).any()


def test_an_epoch_shows_each_pair_once_in_its_own_order(pairs):
    generator = make_training(pairs, augmentation=None)
    still = read_all(make_training(pairs, augmentation=None, shuffle=False))[1].sum((1, 2, 3))
    orders = []
    for epoch in range(2):
        generator.epoch = epoch
        orders.append(read_all(generator)[1].sum((1, 2, 3)))
        assert sorted(orders[-1]) == sorted(still)
    assert (orders[0] != orders[1]).any() and (orders[0] != still).any()


def test_a_pair_is_augmented_the_same_in_batches_of_any_size(pairs):
    assert same(read_all(make_training(pairs, 5)), read_all(make_training(pairs, 2)))
    assert not same(read_all(make_training(pairs)), read_all(make_training(pairs, seed=8)))


@pytest.mark.parametrize("mix", [0.0, 0.5])
@pytest.mark.parametrize("paired_views", [False, True])
def test_the_parts_of_a_batch_are_the_batch_and_what_fills_them_up_has_no_depth(
    pairs, mix, paired_views
):
    augmentation = Augmentation(weather=0.5, effects=("fog", "night"), mix=mix)
    settings = {"augmentation": augmentation, "paired_views": paired_views}
    whole = make_training(pairs, **settings)  # batches of 5, 5 and 2
    for shards, devices, padded in ((2, 2, (6, 6, 2)), (3, 6, (6, 6, 12)), (2, 8, (8, 8, 16))):
        parts = [
            make_training(pairs, shard=(number, shards), devices=devices, **settings)
            for number in range(shards)
        ]
        for index in range(3):
            batch = [np.concatenate(each) for each in zip(*(p[index] for p in parts), strict=True)]
            real = len(whole[index][0])
            assert same([images[:real] for images in batch], whole[index])
            assert not batch[1][real:].any()
            views = 2 if paired_views else 1
            assert len(batch[0]) == views * padded[index]
            assert parts[0].sizes[len(batch[0])] == real


def test_a_part_reads_no_others_rows(pairs, monkeypatch):
    generator = make_training(pairs, batch_size=4, shard=(1, 2), workers=1)
    read = []
    gather = generator.source.gather
    monkeypatch.setattr(generator.source, "gather", lambda rows: read.extend(rows) or gather(rows))
    read_all(generator)
    order = np.random.default_rng([7, 0, 0]).permutation(12).reshape(3, 2, 2)
    assert read == order[:, 1].ravel().tolist()


def test_a_shard_that_is_none_is_named(pairs):
    for shard, devices in (((2, 2), 2), ((-1, 2), 2), ((0, 2), 3), ((0, 2), 1), ((0, 0), None)):
        with pytest.raises(ValueError, match=f"`shard` must be .*Received: shard=.{shard[0]}, "):
            make_training(pairs, shard=shard, devices=devices)


def test_batches_are_the_same_in_any_sequence_of_asking(pairs):
    generator, other = make_training(pairs, 2, workers=1), make_training(pairs, 2, workers=4)
    for index in (5, 0, 1, 1, 4, 0, 2, 3):
        assert same(generator[index], other[index])
    other.epoch = 3  # while batches of epoch 0 are on their way
    generator.epoch = 3
    assert same(other[4], generator[4])


def test_the_cache_changes_no_pixel(pairs, tmp_path):
    for settings in ({}, {"crop_border": True}):
        cached = make_training(pairs, cache_folder=tmp_path / "cache", **settings)
        assert same(read_all(cached), read_all(make_training(pairs, **settings)))


def test_a_full_disk_is_told_and_batches_come_from_the_files(pairs, tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(9, 9, 0))
    with pytest.warns(UserWarning, match="must fit on the disk.*Decoding each batch anew"):
        generator = make_training(pairs, cache_folder=tmp_path / "cache")
    assert same(read_all(generator), read_all(make_training(pairs)))


def test_a_bad_file_stops_before_the_first_batch(pairs, tmp_path):
    pairs.depth_path(6).write_bytes(b"")
    with pytest.raises(ValueError, match="room_0002_out/3.png"):
        make_training(pairs, cache_folder=tmp_path / "cache")


def test_a_bad_file_without_a_cache_is_named_by_its_batch(pairs):
    pairs.depth_path(6).write_bytes(b"")
    with pytest.raises(ValueError, match="room_0002_out/3.png"):
        read_all(make_training(pairs))


@pytest.mark.parametrize("name", ["height", "width", "batch_size", "workers"])
def test_a_size_below_one_is_named(pairs, name):
    sizes = {"height": 32, "width": 48, "batch_size": 5} | {name: 0}
    with pytest.raises(ValueError, match=f"`{name}` must be at least 1. Received: {name}=0"):
        DepthGenerator(pairs, **sizes)


def test_no_pairs_are_an_error(pairs):
    with pytest.raises(ValueError, match="`pairs` must hold a pair"):
        make_training(pairs.select([]))


def fit(training, validation, epochs, initial_epoch=0):
    """What a network saw in each step of `fit`: a checksum of each batch of rgb and depth."""
    metric, seen = Checksum(name="checksum"), []
    inputs = keras.Input((*SIZE, 3), dtype="uint8")
    network = keras.Model(inputs, keras.layers.Rescaling(1 / 255)(inputs))
    network.compile("sgd", "mse", metrics=[metric])
    note = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: seen.append(float(logs["checksum"]))
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the network has no weights
        network.fit(
            training,
            validation_data=validation,
            shuffle=False,
            epochs=epochs,
            initial_epoch=initial_epoch,
            callbacks=[EpochFollower(training), note],
            verbose=0,
        )
    return seen


class Checksum(keras.metrics.Metric):
    """The last batch's sum, so that a callback can read what the network saw."""

    def __init__(self, name):
        super().__init__(name=name)
        self.last = self.add_variable((), "zeros", name="last")

    def update_state(self, y_true, y_pred, sample_weight=None):
        sums = [keras.ops.sum(keras.ops.multiply(image, RAMP)) for image in (y_true, y_pred)]
        self.last.assign(sums[0] + sums[1])

    def result(self):
        return self.last + 0.0


def test_fit_sees_each_epochs_batches_with_any_workers_and_after_a_resume(pairs, tmp_path):
    expected, reference = [], make_training(pairs, batch_size=2)
    for epoch in range(3):
        reference.epoch = epoch
        for index in range(len(reference)):
            rgb, depth_m = reference[index]
            expected.append((RAMP * depth_m).sum() + (RAMP * (rgb / np.float32(255))).sum())
    assert len({round(float(value), 2) for value in expected}) == 18  # all differ
    validation = DepthGenerator(pairs.select([0, 1, 2]), *SIZE, 2)
    before = read_all(validation)
    for workers in (1, 4):
        training = make_training(pairs, batch_size=2, workers=workers, cache_folder=tmp_path)
        assert fit(training, validation, epochs=3) == pytest.approx(expected, rel=1e-5)
    resumed = make_training(pairs, batch_size=2)
    assert fit(resumed, validation, 3, initial_epoch=2) == pytest.approx(expected[12:], rel=1e-5)
    assert same(before, read_all(validation))


def test_fit_without_a_follower_still_changes_epoch(pairs):
    training = make_training(pairs)
    first = read_all(training)
    training.on_epoch_end()
    assert training.epoch == 1 and not same(first, read_all(training))


@pytest.fixture
def trusted(pairs):
    """The pairs with confidence maps: the left half of each is certain, the right a guess."""
    confidence = np.full((32, 48), 255, np.uint8)
    confidence[:, 24:] = 51
    names = [f"confidence/{number}.png" for number in range(len(pairs))]
    (pairs.root / "confidence").mkdir()
    for name in names:
        cv2.imwrite(str(pairs.root / name), confidence)
    return replace(pairs, table=pairs.table.assign(confidence=names))


def test_confidence_is_a_second_channel_that_moves_with_the_photo(trusted):
    flipped = Augmentation(flip=1, jitter=0, crop=0)
    (_, truth), (_, mirrored) = (
        DepthGenerator(trusted, *SIZE, 12, augmentation=augmentation)[0]
        for augmentation in (None, flipped)
    )
    assert truth.shape == (12, *SIZE, 2) and truth.dtype == np.float32
    assert (truth[..., :24, 1] == 255).all() and (truth[..., 24:, 1] == 51).all()
    np.testing.assert_array_equal(mirrored, truth[:, :, ::-1])
    # The left .75 of each photo alone: the guess begins at two thirds of the width.
    cut = Augmentation(flip=0, jitter=0, crop=1, share=(0.75, 0.75))
    draws = cut.draw(0, 0, 12)
    draws["left"] = 0
    confidence = np.repeat(truth[:, :, :, 1].astype(np.uint8)[:1], 12, axis=0)
    rgb, counts = DepthGenerator(trusted, *SIZE, 12).source.gather(range(12))
    cut.apply(rgb, counts, draws, confidence=confidence)
    assert (confidence[:, :, :31] == 255).all() and (confidence[:, :, 33:] == 51).all()


def test_without_confidence_a_source_beside_one_that_has_it_is_certain(trusted, pairs):
    both = DepthGenerator([pairs, trusted], *SIZE, 24, as_counts=True)
    (_, truth), (_, plain) = both[0], DepthGenerator(pairs, *SIZE, 12, as_counts=True)[0]
    assert truth.dtype == np.uint16 and plain.shape == (12, *SIZE, 1)
    np.testing.assert_array_equal(truth[:12, ..., 0], plain[..., 0])
    assert (truth[:12, ..., 1] == 255).all() and truth[12:, ..., 1].min() == 51
    cached = DepthGenerator([pairs, trusted], *SIZE, 24, as_counts=True, cache_folder=pairs.root)
    np.testing.assert_array_equal(cached[0][1], truth)


def test_each_photo_counts_as_much_as_its_source_in_a_shuffled_batch(pairs):
    relative = replace(pairs, spec=NYU_RELATIVE)
    weighed = DepthGenerator([pairs, relative], *SIZE, 7, weights=(1, 0.25), shuffle=True)
    for index in range(len(weighed)):
        _, truth, weights = weighed[index]
        expected = np.where(truth.max(axis=(1, 2, 3)) > 0, 1, 0.25)  # relative depth is negative
        np.testing.assert_array_equal(weights, expected)


@pytest.mark.parametrize("size", [(48, 32), (32, 60), (24, 32), (64, 96)])
def test_a_confidence_map_of_another_shape_than_its_photo_is_refused(trusted, size):
    cv2.imwrite(str(trusted.root / "confidence/0.png"), np.full(size, 255, np.uint8))
    rows, columns = size
    said = rf"its confidence map in the same shape.*32x48 in .*jpg and {rows}x{columns} in .*0\.png"
    for cached in ({}, {"cache_folder": trusted.root / "cache"}):
        with pytest.raises(ValueError, match=said):
            DepthGenerator(trusted, *SIZE, 12, **cached)[0]


@pytest.mark.parametrize("size", [(32, 48), (16, 24)])
def test_a_confidence_map_of_its_photos_shape_is_taken(trusted, size):
    cv2.imwrite(str(trusted.root / "confidence/0.png"), np.full(size, 128, np.uint8))
    assert (DepthGenerator(trusted, *SIZE, 12)[0][1][0, ..., 1] == 128).all()


def test_a_confidence_map_of_another_kind_is_refused_by_name(trusted):
    bad = trusted.root / "confidence/0.png"
    cv2.imwrite(str(bad), np.ones((32, 48), np.uint16))
    with pytest.raises(ValueError, match=r"uint8, 255 for certain. Received: uint16.*0\.png"):
        DepthGenerator(trusted, *SIZE, 12)[0]


def test_packed_pairs_need_no_cache(pairs, tmp_path):
    fresh = make_training(pairs)
    pack_pairs(pairs, *SIZE, tmp_path / "packed", progress=False)
    packed = make_training(read_csv(tmp_path / "packed" / "pairs.csv"))
    assert same(read_all(fresh), read_all(packed))
