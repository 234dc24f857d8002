import subprocess
import sys
import zipfile

import h5py
import keras
import numpy as np
import pytest

from depthlib.data.specs import SPECS
from depthlib.networks.saving import VIEWS, WEIGHTS, export_half, load_model, load_models
from depthlib.networks.unet import build_unet
from depthlib.prediction.predictor import Predictor
from tests.tiny_networks import HEAD, photos


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return build_unet(32, 48, **HEAD)


def test_the_file_is_half_as_large_and_computes_the_same_depth_in_float32(model, tmp_path):
    model.save(tmp_path / "full.keras")
    path = export_half(tmp_path / "full.keras", tmp_path / "half.keras")
    assert path.stat().st_size < 0.55 * (tmp_path / "full.keras").stat().st_size
    loaded = load_model(path)
    for kept, weight in zip(loaded.get_weights(), model.get_weights(), strict=True):
        # Norms and the like are small beside the kernels and keep their precision.
        rounded = weight if weight.size < 10_000 else weight.astype(np.float16)
        np.testing.assert_array_equal(kept, rounded)
    assert {weight.dtype for weight in loaded.weights} == {"float32"}
    images = photos(32, 48)
    np.testing.assert_allclose(
        loaded.predict_on_batch(images), model.predict_on_batch(images), rtol=5e-3
    )


def test_a_weight_too_large_for_float16_is_refused_and_nothing_written(model, tmp_path):
    kernel = model.get_layer("down5a_1_conv").kernel
    held = keras.ops.convert_to_numpy(kernel)
    kernel.assign(held + 1e6)
    model.save(tmp_path / "full.keras")
    kernel.assign(held)
    with pytest.raises(
        ValueError, match=r"at most 65504. Received: 1e\+06 for layers/.*full.keras"
    ):
        export_half(tmp_path / "full.keras", tmp_path / "half.keras")
    assert not (tmp_path / "half.keras").exists()


def test_a_file_that_is_no_model_or_a_damaged_one_is_not_halved(model, tmp_path):
    path = tmp_path / "bad.keras"

    def refuse(said, target="half.keras"):
        with pytest.raises(ValueError, match=f"{said}"):
            export_half(path, tmp_path / target)
        assert [path.name for path in tmp_path.iterdir()] == ["bad.keras"]

    path.write_bytes(b"no model")
    refuse("must be whole. Received: .*bad.keras")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "no model")
    refuse("must hold model.weights.h5. Received: .*bad.keras")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model.weights.h5", "no weights")
    refuse("must be as Keras wrote it. Received: .*bad.keras: ")
    model.save(path)
    refuse("must end in .keras. Received: .*half.zip", "half.zip")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    refuse("must be whole. Received: .*bad.keras, whose model.weights.h5 is damaged")


def test_a_name_has_one_file_or_one_a_seed(model, tmp_path):
    photo = photos(32, 48)[0]
    path = str(tmp_path / "model.keras")
    model.save(path)
    loaded = load_models({"one": path, "seeds": [path, path]})
    assert {name: len(networks) for name, networks in loaded.items()} == {"one": 1, "seeds": 2}
    for network in (*loaded["one"], *loaded["seeds"]):
        np.testing.assert_array_equal(Predictor(network)([photo])[0], Predictor(model)([photo])[0])


def test_a_file_that_is_no_model_or_half_a_model_is_refused_by_name(model, tmp_path):
    path = tmp_path / "bad.keras"
    path.write_bytes(b"no model")
    with pytest.raises(ValueError, match="file that depthlib saved. Received: .*bad.keras"):
        load_model(path)
    model.save(path)
    whole = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    path.write_bytes(whole[:-2000])
    with pytest.raises(ValueError, match="file that depthlib saved. Received: .*bad.keras"):
        load_model(path)
    # Whole zip files, of which Keras makes other errors.
    for name, text in (("config.json", "[" * 100_000), ("config.json", "null"), (WEIGHTS, "")):
        with zipfile.ZipFile(path, "w") as archive:
            for part, data in {**parts, name: text}.items():
                archive.writestr(part, data)
        with pytest.raises(ValueError, match="file that depthlib saved. Received: .*bad.keras"):
            load_model(path)


def test_where_there_is_no_network_those_that_ship_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no network .*lite.keras. Ship with .*light, best"):
        load_model(tmp_path / "lite.keras")


@pytest.mark.parametrize("given", [None, 123, "", " ", b"light", ["light"], True])
def test_what_is_no_name_and_no_path_is_no_network(given):
    with pytest.raises(ValueError, match="the name of one that ships, or the path .* Received: "):
        load_model(given)


@pytest.mark.parametrize("name", ["lite.KERAS", "lite.Keras", "lite", "lite.onnx", "lite.keras.1"])
def test_a_network_that_is_not_called_keras_is_refused_with_what_to_call_it(model, tmp_path, name):
    model.save(tmp_path / "lite.keras")
    (tmp_path / "lite.keras").rename(tmp_path / name)
    with pytest.raises(ValueError, match=f"Received: .*{name}. Where it is one, let its name end"):
        load_model(tmp_path / name)


def test_a_file_that_asks_for_more_than_a_network_has_is_refused_unopened(model, tmp_path):
    path = tmp_path / "large.keras"
    model.save(path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}

    def write(**changed):
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for part, data in {**parts, **changed}.items():
                archive.writestr(part, data)

    for asked, few in (
        (b'"filters": 100000000', b'"filters": 64'),
        (b"[null, 99999999, 48", b"[null, 32, 48"),
    ):
        assert few in parts["config.json"]
        write(**{"config.json": parts["config.json"].replace(few, asked, 1)})
        with pytest.raises(ValueError, match="large.keras: A size in its config is [19]"):
            load_model(path)
    write(**{"config.json": b'{"a":' * 100_000 + b"1" + b"}" * 100_000})
    with pytest.raises(ValueError, match="file that depthlib saved. Received: .*large.keras"):
        load_model(path)


def rewrite(model, path, **changed):
    """Saves the model with some of its parts changed; None: left out."""
    model.save(path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()} | changed
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            if data is not None:
                archive.writestr(name, data)
    return parts


def test_layers_that_are_each_small_but_need_much_room_together_are_refused(model, tmp_path):
    path = tmp_path / "wide.keras"
    config = rewrite(model, path)["config.json"]
    wide = config.replace(b'"filters": 64,', b'"filters": 60000,').replace(b", 64]", b", 60000]")
    assert wide.count(b"60000") > 4
    rewrite(model, path, **{"config.json": wide})
    with pytest.raises(ValueError, match="wide.keras: Its config asks for [0-9,]* weights"):
        load_model(path)
    # A part of a network that is within another one counts too.
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(9)]).save(tmp_path / "dense.keras")
    with zipfile.ZipFile(tmp_path / "dense.keras") as archive:
        small = archive.read("config.json")
    rewrite(model, path, **{"config.json": small.replace(b'"units": 9', b'"units": 999999')})
    with pytest.raises(ValueError, match="wide.keras: "):
        load_model(path)


@pytest.mark.parametrize("part", ["config.json", WEIGHTS])
def test_a_file_without_one_of_its_parts_is_refused_by_name(model, tmp_path, part):
    rewrite(model, tmp_path / "part.keras", **{part: None})
    with pytest.raises(ValueError, match="file that depthlib saved. Received: .*part.keras"):
        load_model(tmp_path / "part.keras")


def test_a_config_that_is_longer_than_any_is_not_read(model, tmp_path, monkeypatch):
    rewrite(model, tmp_path / "long.keras")
    monkeypatch.setattr("depthlib.networks.saving.MAX_CONFIG", 1000)
    with pytest.raises(ValueError, match="long.keras: Its config has more than 1,000 bytes"):
        load_model(tmp_path / "long.keras")


def test_weights_that_lie_in_another_file_are_not_read(model, tmp_path):
    secret = tmp_path / "secret.bin"
    secret.write_bytes(bytes(4000))
    for number in range(2):
        changed = tmp_path / "changed.h5"
        with h5py.File(changed, "w") as file:
            if number:
                file["layers"] = h5py.ExternalLink("other.h5", "/")
            else:
                outside = [(str(secret), 0, 4000)]
                file.create_dataset("layers/vars/0", (1000,), "f4", external=outside)
        rewrite(model, tmp_path / "link.keras", **{WEIGHTS: changed.read_bytes()})
        with pytest.raises(ValueError, match="link.keras: `.*` lies in another file"):
            load_model(tmp_path / "link.keras")


def test_weights_that_claim_more_than_the_memory_holds_are_not_read(model, tmp_path):
    with h5py.File(tmp_path / "huge.h5", "w") as file:
        file.create_dataset("layers/vars/0", (10**12,), "f4", chunks=(10**6,), compression="gzip")
    data = (tmp_path / "huge.h5").read_bytes()
    rewrite(model, tmp_path / "huge.keras", **{WEIGHTS: data})
    with pytest.raises(ValueError, match="huge.keras: Its arrays claim 4,000,000,000,000 bytes"):
        load_model(tmp_path / "huge.keras")


def test_a_file_that_unpacks_to_more_than_the_memory_holds_is_refused(model, tmp_path, monkeypatch):
    monkeypatch.setattr("depthlib.networks.saving.MAX_UNPACKED", 1_000_000)
    path = tmp_path / "bomb.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", "{}")
        archive.writestr(WEIGHTS, bytes(2_000_000))
    assert path.stat().st_size < 5000
    with pytest.raises(ValueError, match="bomb.keras: It unpacks to 2,000,002 bytes"):
        load_model(path)


def test_a_model_that_carries_code_is_not_run(tmp_path):
    photos = keras.Input((32, 48, 3), dtype="uint8")
    coded = keras.Model(photos, keras.layers.Lambda(lambda x: x * 2)(photos))
    coded.save(tmp_path / "coded.keras")
    with pytest.raises(ValueError, match="(?i)coded.keras: .*lambda"):
        load_model(tmp_path / "coded.keras")


def test_a_network_without_a_depth_head_is_refused(tmp_path):
    photos = keras.Input((32, 48, 3))
    keras.Model(photos, keras.layers.Conv2D(1, 3)(photos)).save(tmp_path / "other.keras")
    with pytest.raises(ValueError, match="must end in a `DepthHead`.*Conv2D"):
        load_model(tmp_path / "other.keras")


def test_a_new_process_needs_nothing_but_this_module_for_every_file_that_ships(project):
    """Some were saved compiled: with an optimizer, a loss and metrics of ours in their files."""
    files = sorted(str(path) for path in (project / "models").glob("*.keras"))
    assert len(files) == 5
    code = (
        "import sys, depthlib.networks.saving, keras\n"
        "for path in sys.argv[1:]: keras.models.load_model(path)"
    )
    command = [sys.executable, "-c", code, *files]
    answer = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr


def test_a_file_that_does_not_say_its_view_has_that_of_its_dataset(tmp_path):
    for name, view in VIEWS.items():
        assert view == SPECS[name].view(), name
    old = {key: value for key, value in HEAD.items() if key != "view"} | {"dataset": "kitti_raw"}
    network = build_unet(32, 48, variant="narrow", **old)
    network.save(tmp_path / "old.keras")
    assert load_model(tmp_path / "old.keras").layers[-1].view == VIEWS["kitti_raw"]
    own = {"focal": 0.7, "aspect": 1.5, "horizon": None}
    network = build_unet(32, 48, variant="narrow", **old, view=own)
    network.save(tmp_path / "new.keras")
    assert load_model(tmp_path / "new.keras").layers[-1].view == own
