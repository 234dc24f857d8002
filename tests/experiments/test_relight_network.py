import cv2
import numpy as np
import pytest

from depthlib.data.images import write_rgb
from depthlib.data.pairs import read_csv
from depthlib.data.specs import ROADS
from experiments.relight_network import (
    PhotoPairs,
    Relighter,
    build_relight_network,
    load_relighter,
    main,
    match_without_shadow,
    read_relight_pairs,
    train_relight,
)


@pytest.fixture(scope="module")
def roads(tmp_path_factory):
    """Nine roads as rendered ones lie on disk: a speckled ground, a soft shadow, an even sky."""
    folder = tmp_path_factory.mktemp("roads")
    rng = np.random.default_rng(0)
    for number in range(9):
        ground = rng.uniform(90, 180, 3) * rng.uniform(0.9, 1.1, (32, 48, 1))
        ground[:6] = 220
        shadow = np.zeros((32, 48), np.float32)
        row, column = rng.integers(8, 18), rng.integers(4, 24)
        shadow[row : row + 10, column : column + 18] = 1
        shadow = cv2.GaussianBlur(shadow, (0, 0), 1)
        shadow[:6] = 0
        sunny = ground * (1 - shadow[..., None] * [0.6, 0.54, 0.45])
        scene = folder / f"road_{number}"
        write_rgb(scene / "clear.jpg", sunny.astype(np.uint8), 100)
        write_rgb(scene / "overcast.jpg", (ground * [0.7, 0.75, 0.8]).astype(np.uint8), 100)
        write_rgb(scene / "clear_mask.png", _repeat(255 * (shadow > 0.02)))
        depth = np.full((32, 48), 20 * 256, np.uint16)
        depth[:6] = 0
        cv2.imwrite(str(scene / "depth.png"), depth)
    names = [(f"road_{number}", light) for number in range(9) for light in ("clear", "overcast")]
    rows = [f"{scene}/{light}.jpg,{scene}/depth.png\n" for scene, light in names]
    (folder / "road_train.csv").write_text("".join(rows))
    index = [f"{scene}/{light}.jpg,{scene},{light}\n" for scene, light in names]
    (folder / "index.csv").write_text("".join(["photo,scene,condition\n", *index]))
    return read_csv(folder / "road_train.csv", ROADS)


def _repeat(grey):
    return np.repeat(grey.astype(np.uint8)[..., None], 3, axis=2)


@pytest.fixture(scope="module")
def trained(roads, tmp_path_factory):
    """The log of a short training, and the network read back from its file alone."""
    path = tmp_path_factory.mktemp("model") / "relight.keras"
    log = train_relight(roads, path, height=32, width=48, steps=72, verbose=0)
    return log, load_relighter(path)


def test_an_untrained_network_changes_nothing():
    photos = np.random.default_rng(0).integers(0, 256, (2, 24, 40, 3), np.uint8)
    network = build_relight_network(24, 40)
    np.testing.assert_allclose(network.predict_on_batch(photos), photos, atol=1e-3)
    np.testing.assert_array_equal(Relighter(network)(photos[0]), photos[0])
    assert network.count_params() < 1_000_000


def test_a_size_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="multiple of 8.*height=33"):
        build_relight_network(33, 48)


def test_the_target_is_the_lit_photo_with_overcast_surfaces_in_the_light_beside_them():
    surface = np.where(np.arange(48)[None, :, None] % 2, 80.0, 120.0)
    surface = np.broadcast_to(surface, (32, 48, 3))
    sunny = surface * [1.5, 1.4, 1.2]
    shadow = np.zeros((32, 48))
    shadow[12:20, 16:32] = 1
    photo = np.where(shadow[..., None] > 0, surface * [0.5, 0.55, 0.6], sunny)
    known = np.ones((32, 48), bool)
    known[:4] = False
    photo[:4] = [90, 140, 220]  # a blue sky, which says nothing of the ground's light
    target = match_without_shadow(
        np.rint(photo).astype(np.uint8), np.rint(surface).astype(np.uint8), shadow, known
    )
    assert np.abs(target[4:] - sunny[4:]).max() <= 3
    np.testing.assert_array_equal(target[:4], photo[:4])


def test_pairs_are_read_with_their_scenes_and_photos_without_shadow_stay(roads):
    photos, targets, scenes = read_relight_pairs(roads, 16, 24)
    assert photos.shape == targets.shape == (18, 16, 24, 3)
    assert scenes[:3] == ["road_0", "road_0", "road_1"]
    np.testing.assert_array_equal(photos[1::2], targets[1::2])
    lifted = targets[::2].astype(int) - photos[::2]
    assert 20 < lifted.max() and -2 < lifted.min()


def test_photo_and_target_are_changed_alike_and_by_the_seed_alone():
    photos = np.random.default_rng(0).integers(0, 256, (5, 16, 24, 3), np.uint8)
    batches = PhotoPairs(photos, photos, batch_size=4)
    for index, count in ((0, 4), (1, 1)):
        changed, targets = batches[index]
        assert changed.shape == (count, 16, 24, 3)
        np.testing.assert_array_equal(changed, targets)
    first = batches[0][0]
    np.testing.assert_array_equal(first, batches[0][0])
    batches.epoch = 1
    assert (batches[0][0] != first).any()


@pytest.mark.slow  # 72 steps of training
def test_a_few_steps_learn_to_lift_shadows_of_roads_never_seen(trained):
    log, _ = trained
    assert log["loss"].iloc[-1] < 0.7 * log["loss"].iloc[0]
    assert log["val_loss"].iloc[-1] < 0.8 * log["unchanged"].iloc[-1]


@pytest.mark.slow  # the same training
def test_a_trained_network_lightens_the_shadow_more_than_the_rest(trained, roads):
    _, relighter = trained
    photos, _, _ = read_relight_pairs(roads, 64, 96)
    shadow = cv2.imread(str(roads.root / "road_8" / "clear_mask.png"), cv2.IMREAD_GRAYSCALE)
    shadow = cv2.resize(shadow, (96, 64)) / 255
    relit = relighter(photos[-2])
    assert relit.dtype == np.uint8 and relit.shape == (64, 96, 3)
    gain = (relit + 1.0) / (photos[-2] + 1.0)
    assert gain[shadow > 0.9].mean() > 1.2 * gain[shadow < 0.1].mean()


def test_a_network_that_is_missing_is_named_with_what_trains_it(tmp_path):
    with pytest.raises(FileNotFoundError, match="no .*a.keras. Train it: .*experiments.rel"):
        load_relighter(tmp_path / "a.keras")


def test_the_command_says_what_is_missing(tmp_path):
    with pytest.raises(SystemExit, match="There is no .*road_train.csv"):
        main([str(tmp_path / "road_train.csv"), str(tmp_path / "a.keras")])


def test_roads_without_sun_are_refused(roads):
    cloudy = roads.select(np.flatnonzero(roads.table["condition"] == "overcast"))
    with pytest.raises(ValueError, match="clear, low_sun. Received: none in .* Run `make roads`"):
        read_relight_pairs(cloudy, 16, 24)
