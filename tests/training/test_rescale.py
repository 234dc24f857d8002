import re
from dataclasses import replace
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest

from depthlib.data.dataset_file import make_spec
from depthlib.data.images import write_rgb
from depthlib.data.pairs import PACKED, read_csv
from depthlib.data.specs import NYU_RELATIVE, NYU_TRAIN
from depthlib.networks.ensemble import main as ensemble
from depthlib.networks.fine_tuning import put_in_metres
from depthlib.networks.layers import DepthHead
from depthlib.networks.saving import export_model, load_model, save_model
from depthlib.prediction.predictor import Predictor
from depthlib.training.__main__ import main as train
from depthlib.training.rescale import (
    find_scale,
    find_scale_by_height,
    find_scale_by_teacher,
    main,
)
from tests.tiny_networks import photos
from tests.training.test_train import RECIPE, build_tiny


@pytest.fixture
def pairs(tiny_nyu):
    return read_csv(tiny_nyu(scenes=3, frames=2) / "nyu2_train.csv", NYU_TRAIN)


@pytest.fixture
def network():
    """One that sees rooms of 1 to 4 m."""
    keras.utils.set_random_seed(0)
    network = build_tiny(RECIPE, NYU_TRAIN)
    last = network.get_layer("final_conv")
    kernel, bias = last.get_weights()
    last.set_weights([kernel / 3, np.full_like(bias, network.layers[-1].logit(2.0))])
    return network


def test_a_network_that_sees_rooms_too_small_is_brought_back_by_the_measured_photos(
    network, pairs, tmp_path, capsys
):
    right = find_scale(network, pairs).factor
    csv, out = pairs.root / "nyu2_train.csv", tmp_path / "back.keras"
    for factor in (0.3, 0.8, 2.5):
        small = put_in_metres(network, right / factor)
        save_model(small, tmp_path / "small.keras")
        for _ in range(2):  # the same command may be run again
            main([str(tmp_path / "small.keras"), "--data", str(csv), "--export", str(out)])
            said = re.search("depth times ([0-9.]+)", capsys.readouterr().out)
            assert float(said[1]) == pytest.approx(factor, rel=1e-3)
        before, after = (n.predict_on_batch(photos(32, 48)) for n in (small, load_model(out)))
        np.testing.assert_allclose(after / before, float(said[1]), rtol=1e-4)


SHAPES = {  # height and width of photos, and their focal lengths over the width
    "of the training camera": (48, 64, [0.81, 0.81]),
    "zoomed": (48, 64, [1.62, 1.62]),
    "wide": (36, 64, [0.81, 0.81]),
    "upright": (64, 36, [1.44, 1.44]),
    "each of its own lens": (48, 64, [0.7, 1.3]),
    "of a lens that nobody knows": (36, 64, [None, None]),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_photos_of_any_lens_and_shape_tell_the_scale_of_what_is_predicted_of_them(
    network, tmp_path, shape
):
    height, width, focals = SHAPES[shape]
    network.layers[-1].view = {"focal": 0.81, "aspect": 4 / 3}
    predictor, rows = Predictor(network), []
    for number, (rgb, focal) in enumerate(zip(photos(height, width), focals, strict=True)):
        (depth,) = predictor([rgb], focals=[focal])
        write_rgb(tmp_path / f"{number}.png", rgb)
        cv2.imwrite(str(tmp_path / f"{number}_depth.png"), np.rint(1500 * depth).astype(np.uint16))
        rows.append(f"{number}.png,{number}_depth.png,{width * (focal or 0)}")
    (tmp_path / "pairs.csv").write_text("\n".join(["rgb,depth,lens", *rows]))
    lens = {"focal_column": "lens"} if len(set(focals)) > 1 else {"focal": focals[0]}
    spec = make_spec("own", metres_per_count=0.001, **lens)
    scale = find_scale(network, read_csv(tmp_path / "pairs.csv", spec))
    assert scale.photos == 2 and scale.factor == pytest.approx(1.5, rel=2e-3)
    assert scale.middle == pytest.approx((1.5, 1.5), rel=2e-3)


def test_a_scale_needs_photos_with_depth(network, pairs, tmp_path):
    views = replace(pairs, spec=replace(NYU_TRAIN, name="drive", encoding="none"))
    with pytest.raises(ValueError, match="needs true depth.*Received: 'drive' in "):
        find_scale(network, views)
    (tmp_path / PACKED).write_text("{}")
    with pytest.raises(ValueError, match="packed dataset has left behind"):
        find_scale(network, replace(pairs, root=tmp_path))


@pytest.mark.parametrize(
    "command",
    [
        lambda *words: main([*words, "--data", "absent.csv"]),
        lambda path, *words: ensemble([path, "other.keras", *words]),
        lambda path, *words: train(["light", f"weights={path}", "--data=a.csv", "--run=r", *words]),
        lambda path, *words: train(["light", "--data=a", f"--run={Path(path).parent}", *words]),
    ],
)
@pytest.mark.parametrize("name", ["last.keras", "best.keras"])
def test_a_network_is_never_exported_over_what_it_is_made_of(tmp_path, command, name):
    mine = tmp_path / name
    mine.write_text("mine")
    with pytest.raises(SystemExit, match=f"over its source. Received: {mine}"):
        command(str(mine), "--export", str(mine))
    assert list(tmp_path.iterdir()) == [mine] and mine.read_text() == "mine"


@pytest.mark.parametrize(
    "command",
    [
        lambda *words: main(["n.keras", "--data", "absent.csv", *words]),
        lambda *words: main(["n.keras", "--photos=.", "--camera-height=1.6", *words]),
        lambda *words: ensemble(["n.keras", "other.keras", *words]),
        lambda *words: train(["light", "--data=a.csv", "--run=r", *words]),
    ],
)
def test_a_network_of_ones_own_is_never_exported_over(tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    write_rgb(tmp_path / "photo.png", np.zeros((32, 48, 3), np.uint8))
    mine = tmp_path / "mine.keras"
    mine.write_text("mine")
    with pytest.raises(SystemExit, match="one's own must not be written over. Received: mine"):
        command("--export", "mine.keras")
    with pytest.raises(SystemExit, match="must end in .keras. Received: mine. Use such a name"):
        command("--export", "mine")
    assert {*tmp_path.iterdir()} == {mine, tmp_path / "photo.png"} and mine.read_text() == "mine"


def test_a_network_never_takes_the_place_of_its_teacher(tmp_path, network):
    teacher = export_model(network, tmp_path / "teacher.keras")
    before = teacher.read_bytes()
    write_rgb(tmp_path / "photo.png", np.zeros((32, 48, 3), np.uint8))
    words = ["n.keras", "--photos", str(tmp_path), "--teacher", str(teacher)]
    with pytest.raises(SystemExit, match="over its source. Received: .*teacher.keras"):
        main([*words, "--export", str(teacher)])
    assert teacher.read_bytes() == before


def test_relative_depth_has_no_scale_to_take(network, pairs):
    with pytest.raises(ValueError, match="must be taken in metres.*relative of nyu_relative"):
        find_scale(network, replace(pairs, spec=NYU_RELATIVE))


FOCAL, HORIZON, SIZE = 0.8, 0.4, (32, 48)  # of the plane's network; its input has square pixels


def see_plane(height, scale="log", unit="relative"):
    """A network that sees a level road from `height` of its units, and sky, whatever the photo."""
    rows = np.arange(SIZE[0]) - (HORIZON * SIZE[0] - 0.5)  # below the horizon's
    depth = np.minimum(FOCAL * SIZE[1] * height / np.maximum(rows, 1e-3), 79.0)
    view = {"focal": FOCAL, "aspect": SIZE[1] / SIZE[0], "horizon": HORIZON}
    head = DepthHead(0.05, 80.0, scale, unit, "plane", view=view)
    photos = keras.Input((*SIZE, 3), dtype="uint8")
    logits = keras.layers.Dense(SIZE[0] * SIZE[1], kernel_initializer="zeros", name="final_conv")
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(1 / 255)(photos))
    network = keras.Model(photos, head(keras.layers.Reshape((*SIZE, 1))(logits(x))), name="plane")
    biases = np.repeat([head.logit(float(one)) for one in depth], SIZE[1])
    logits.set_weights([logits.get_weights()[0], biases])
    return network


@pytest.fixture
def road(tmp_path):
    """Photos of any road, of the size at which the network sees them."""
    for number, rgb in enumerate(photos(*SIZE)):
        write_rgb(tmp_path / "road" / f"{number}.png", rgb)
    return tmp_path / "road"


@pytest.mark.parametrize("scale", ["log", "linear"])
def test_the_cameras_height_over_the_road_gives_the_metres(road, tmp_path, capsys, scale):
    network = see_plane(0.5, scale)
    save_model(network, tmp_path / "moved.keras")
    out = tmp_path / "metric.keras"
    words = [str(tmp_path / "moved.keras"), "--photos", str(road), "--focal", str(FOCAL)]
    main([*words, "--camera-height", "1.65", "--export", str(out)])
    assert "depth times 3.3000, by 2 photos, half of them 3.3 to 3.3" in capsys.readouterr().out
    metric = load_model(out)
    head = metric.layers[-1]
    assert head.unit == "metre" and head.view["horizon"] == HORIZON
    assert (head.min_depth, head.max_depth) == pytest.approx((0.165, 264), rel=1e-4)
    before, after = (one.predict_on_batch(photos(*SIZE)) for one in (network, metric))
    np.testing.assert_allclose(after, 3.3 * before, rtol=1e-4)
    # A row 10 below the horizon, from 1.65 m: 0.8 * 48 * 1.65 / 10, between two of its rows.
    low, high = after[0, 23, 0, 0], after[0, 22, 0, 0]
    assert low < 0.8 * 48 * 1.65 / 10 < high


def test_a_teacher_gives_the_metres_of_what_both_see(road, tmp_path, capsys):
    save_model(see_plane(0.5), tmp_path / "moved.keras")
    save_model(see_plane(1.65, unit="metre"), tmp_path / "teacher.keras")
    words = [str(tmp_path / "moved.keras"), "--photos", str(road / "*.png"), "--export"]
    words += [str(tmp_path / "metric.keras"), "--focal", str(FOCAL), "--teacher"]
    main([*words, str(tmp_path / "teacher.keras")])
    assert "depth times 3.3000, by 2 photos" in capsys.readouterr().out
    assert load_model(tmp_path / "metric.keras").layers[-1].unit == "metre"
    relative = Predictor(see_plane(0.5))
    with pytest.raises(ValueError, match="teacher of scale must know metres. Received.*relative"):
        find_scale_by_teacher(relative, sorted(road.iterdir()), relative, FOCAL)


def test_a_photo_of_another_lens_gives_the_same_height(road):
    """Seen through a lens twice as long, the plane that the network sees is twice as far."""
    paths = sorted(road.iterdir())
    one, other = (
        find_scale_by_height(Predictor(see_plane(0.5)), paths, 1.65, focal).factor
        for focal in (FOCAL, 2 * FOCAL)
    )
    # Twice the depth at the same rows, twice the focal length: as high as before.
    assert one == pytest.approx(3.3, rel=1e-4) and other == pytest.approx(one, rel=1e-3)


def test_measured_depth_puts_a_relative_network_in_metres(pairs, tmp_path, capsys):
    network = build_tiny(RECIPE, NYU_TRAIN)
    head = network.layers[-1]
    relative = DepthHead(head.min_depth, head.max_depth, unit="relative", dataset="x", name="depth")
    network = keras.Model(network.inputs[0], relative(head.input), name="tiny")
    save_model(network, tmp_path / "moved.keras")
    csv, out = pairs.root / "nyu2_train.csv", tmp_path / "metric.keras"
    main([str(tmp_path / "moved.keras"), "--data", str(csv), "--export", str(out)])
    assert load_model(out).layers[-1].unit == "metre"
    assert find_scale(load_model(out), pairs).factor == pytest.approx(1, rel=1e-3)


def test_photos_that_show_no_ground_and_wrong_words_are_told(road, network, tmp_path):
    paths = sorted(road.iterdir())
    wall = Predictor(see_plane(0.5))
    wall.predict_batch = lambda batch: np.full(batch.shape[:3], 5.0, np.float32)
    with pytest.raises(ValueError, match="must show level ground on 20%.*Received: 0% at most"):
        find_scale_by_height(wall, paths, 1.65, FOCAL)
    for height in (0, -1, 165, float("nan")):
        with pytest.raises(ValueError, match="height must be 0.1 to 20 metres"):
            find_scale_by_height(wall, paths, height, FOCAL)
    with pytest.raises(ValueError, match="needs the focal length of the photos"):
        find_scale_by_height(Predictor(network), paths, 1.65, None)
    save_model(network, tmp_path / "n.keras")
    common = [str(tmp_path / "n.keras"), "--export", str(tmp_path / "out.keras")]
    for words in (
        [],
        ["--photos", str(road)],
        ["--photos", str(road), "--camera-height=1.6", "--teacher=light"],
        ["--data", "x.csv", "--photos", str(road), "--camera-height=1.6"],
        ["--data", "x.csv", "--camera-height=1.6"],
    ):
        with pytest.raises(SystemExit, match="Give --data, or --photos with"):
            main([*common, *words])
    for words in (
        ["--data", "x.csv", "--focal=26mm"],
        ["--photos", str(road), "--camera-height=1.6", "--spec=kitti"],
        ["--photos", str(road), "--camera-height=1.6", "--root=x"],
    ):
        with pytest.raises(SystemExit, match=f"{words[-1][2:6]}.*, of the other one. Leave it out"):
            main([*common, *words])
    assert not (tmp_path / "out.keras").exists()
    for factor in (0, -1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="must be above 0 and finite"):
            put_in_metres(network, factor)
