import json

import numpy as np
import onnx
import pytest

from depthlib.prediction.onnx import OnnxPredictor, PeerSpec
from tests.onnx_files import CHANNELS, write_onnx, write_own_onnx

RNG = np.random.default_rng(0)


PHOTO = RNG.integers(0, 256, (4, 6, 3), np.uint8)


@pytest.mark.parametrize("shape", [(1, 3, 4, 6), (1, 4, 6, 3), ("batch", 3, 4, 6)])
def test_the_photo_is_scaled_to_0_to_1_in_the_layout_of_the_file(shape, tmp_path):
    network = OnnxPredictor(write_onnx(tmp_path / "tiny.onnx", shape))
    assert (network.height, network.width, network.unit) == (4, 6, "metre")
    (depth,) = network([PHOTO])
    assert depth.dtype == np.float32
    np.testing.assert_allclose(depth, PHOTO @ CHANNELS / 255, rtol=1e-5)


def test_mean_and_deviation_are_of_each_channel(tmp_path):
    mean, deviation = (0.5, 0.4, 0.3), (0.2, 0.3, 0.5)
    spec = PeerSpec(mean=mean, deviation=deviation)
    (depth,) = OnnxPredictor(write_onnx(tmp_path / "tiny.onnx"), spec)([PHOTO])
    red, green, blue = np.moveaxis(PHOTO / 255, -1, 0)
    expected = (red - 0.5) / 0.2 + 2 * (green - 0.4) / 0.3 + 4 * (blue - 0.3) / 0.5
    np.testing.assert_allclose(depth, expected, rtol=1e-4, atol=1e-4)


def test_a_network_that_takes_uint8_sees_the_photo_itself(tmp_path):
    network = OnnxPredictor(write_onnx(tmp_path / "tiny.onnx", (1, 4, 6, 3), "UINT8"))
    np.testing.assert_array_equal(network.run(PHOTO), PHOTO @ CHANNELS)


@pytest.mark.parametrize("output", [(1, 4, 6), (4, 6), (1, 4, 6, 1), (1, 2, 12)])
def test_the_map_may_have_any_axes_of_one_and_a_size_of_its_own(output, tmp_path):
    network = OnnxPredictor(write_onnx(tmp_path / "tiny.onnx", output=output))
    assert network.run(PHOTO).shape == tuple(n for n in output if n > 1)
    assert network([np.zeros((32, 48, 3), np.uint8)])[0].shape == (32, 48)


def test_a_size_that_the_file_leaves_free_is_the_specs(tmp_path):
    path = write_onnx(tmp_path / "tiny.onnx", ("n", 3, "height", "width"))
    network = OnnxPredictor(path, PeerSpec(size=(8, 12)))
    assert (network.height, network.width) == (8, 12)
    with pytest.raises(ValueError, match="`size` must be given .* Received: none for .*tiny.onnx"):
        OnnxPredictor(path)


def test_depth_comes_at_the_size_of_each_photo_and_in_its_place(tmp_path):
    network = OnnxPredictor(write_onnx(tmp_path / "tiny.onnx"))
    lit = np.zeros((32, 48, 3), np.uint8)
    lit[:16, :24] = 255
    small, large = network([PHOTO, lit])
    assert (small.shape, large.shape) == ((4, 6), (32, 48))
    np.testing.assert_allclose(large[:12, :20], 7, rtol=1e-5)
    assert not large[20:].any() and not large[:, 28:].any()


def test_a_mirrored_photo_has_the_mirrored_depth_and_flips_are_averaged(tmp_path):
    ramp = np.linspace(0.0, 1.0, 6, dtype=np.float32)  # what the network adds sees no photo
    network = OnnxPredictor(write_onnx(tmp_path / "tiny.onnx", bias=ramp))
    (plain,), (mean,) = network([PHOTO]), network([PHOTO], True)
    np.testing.assert_allclose(plain, PHOTO @ CHANNELS / 255 + ramp, rtol=1e-5)
    np.testing.assert_allclose(mean, PHOTO @ CHANNELS / 255 + 0.5, rtol=1e-5)


def test_disparity_becomes_its_inverse_after_flips_are_averaged(tmp_path):
    ramp = np.linspace(0.0, 1.0, 6, dtype=np.float32)
    network = OnnxPredictor(
        write_onnx(tmp_path / "tiny.onnx", bias=ramp), PeerSpec(output="disparity")
    )
    assert network.unit == "disparity"
    (depth,) = network([PHOTO], True)
    np.testing.assert_allclose(depth, 1 / (PHOTO @ CHANNELS / 255 + 0.5), rtol=1e-5)


def test_a_disparity_of_zero_is_far_but_not_infinite(tmp_path):
    network = OnnxPredictor(write_onnx(tmp_path / "tiny.onnx"), PeerSpec(output="disparity"))
    photo = PHOTO.copy()
    photo[0, 0] = 0
    (depth,) = network([photo])
    assert depth[0, 0] == pytest.approx(1000 * depth.min(), rel=1e-4)


def test_a_network_sees_its_view_and_the_rest_continues_its_edge(tmp_path):
    network = OnnxPredictor(write_onnx(tmp_path / "tiny.onnx"), PeerSpec(view="nyu_densedepth"))
    photo = np.zeros((24, 80, 3), np.uint8)
    photo[1:23, 3:77] = 255  # rows 20 to 460 of 480, columns 24 to 616 of 640
    (depth,) = network([photo])
    np.testing.assert_allclose(depth, 7, rtol=1e-5)


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [((1, 4, 6, 1), "FLOAT"), ((2, 3, 4, 6), "FLOAT"), ((4, 6, 3), "FLOAT"), (None, "INT64")],
)
def test_a_network_that_takes_no_single_photo_is_refused(shape, dtype, tmp_path):
    path = write_onnx(tmp_path / "odd.onnx", shape or (1, 3, 4, 6), dtype)
    with pytest.raises(ValueError, match="must take one photo, .* Received: tensor.*odd.onnx"):
        OnnxPredictor(path)


def test_a_network_that_takes_a_photo_without_pixels_is_refused_by_name(tmp_path):
    path = write_onnx(tmp_path / "tiny.onnx")
    network = onnx.load(path)
    network.graph.input[0].type.tensor_type.shape.dim[2].dim_value = 0
    onnx.save(network, path)
    with pytest.raises(ValueError, match="Received: .*tiny.onnx: `height` .* Received: height=0"):
        OnnxPredictor(path)


def test_a_network_whose_first_output_is_no_map_is_refused(tmp_path):
    network = OnnxPredictor(write_onnx(tmp_path / "odd.onnx", output=(1, 2, 4, 3)))
    with pytest.raises(ValueError, match=r"must be one map.* Received: \(1, 2, 4, 3\)"):
        network([PHOTO])


def test_what_is_no_network_or_no_photo_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no ONNX network .*none.onnx"):
        OnnxPredictor(tmp_path / "none.onnx")
    (tmp_path / "bad.onnx").write_bytes(b"no network")
    with pytest.raises(ValueError, match="must be an ONNX file .* Received: .*bad.onnx"):
        OnnxPredictor(tmp_path / "bad.onnx")
    network = OnnxPredictor(write_onnx(tmp_path / "tiny.onnx"))
    with pytest.raises(ValueError, match=r"must be uint8 RGB .* Received: float32 \(4, 6\)"):
        network([np.zeros((4, 6), np.float32)])


def test_a_spec_that_does_not_exist_or_fit_is_refused(tmp_path):
    with pytest.raises(ValueError, match="`output` must be one of .* Received: output='inverse'"):
        PeerSpec(output="inverse")
    with pytest.raises(ValueError, match="`view` must be one of .* Received: view='centre'"):
        PeerSpec(view="centre")
    with pytest.raises(ValueError, match="must be said as output=.*Received: 'size=1"):
        PeerSpec.parse(f"size={10**400}x8")
    with pytest.raises(ValueError, match=r"`size` must be .* Received: size=\[8, 12\]"):
        OnnxPredictor(write_onnx(tmp_path / "tiny.onnx"), PeerSpec(size=(8, 12)))


@pytest.mark.parametrize(
    "changed",
    [
        {"max_depth": -10},
        {"max_depth": "10"},
        {"max_depth": float("nan")},
        {"max_depth": None},
        {"focal": 0},
        {"focal": True},
        {"aspect": [4, 3]},
        {"aspect": 10**400},
        {"horizon": 1.5},
        {"camera": 1},
        {"unit": "foot"},
        {"unit": ["metre"]},
        {"dataset": None},
    ],
)
def test_metadata_that_cannot_be_is_refused(tmp_path, changed):
    path = write_own_onnx(tmp_path / "own.onnx")
    network = onnx.load(path)
    own = json.loads(network.metadata_props[0].value)
    for name, value in changed.items():
        (own if name in own else own["view"])[name] = value
    network.metadata_props[0].value = json.dumps(own)
    onnx.save(network, path)
    with pytest.raises(ValueError, match="must be what depthlib writes. Received: .*own.onnx"):
        OnnxPredictor(path)


@pytest.mark.parametrize("name", ["photo", "depthlib", "nyu_metre", "map", "batch", "height"])
def test_a_file_whose_names_are_no_text_is_refused_by_name(tmp_path, name):
    """Of the input, the metadata, the output, and of dimensions that are free."""
    own = name not in ("batch", "height")
    path = tmp_path / "bad.onnx"
    write_own_onnx(path) if own else write_onnx(path, ("batch", 3, "height", 6))
    whole = path.read_bytes()
    path.write_bytes(whole.replace(name.encode(), name[:-1].encode() + b"\xa0"))
    assert path.read_bytes() != whole
    with pytest.raises(ValueError, match="that ONNX Runtime reads. Received: .*bad.onnx: .*0xa0"):
        OnnxPredictor(path, PeerSpec(size=None if own else (4, 6)))([np.zeros((4, 6, 3), np.uint8)])


def test_parameters_are_the_weights_in_the_file(tmp_path):
    network = OnnxPredictor(write_onnx(tmp_path / "tiny.onnx", output=(4, 6)))
    assert network.count_parameters() == 3 + 1  # weights and bias; axes and shapes are none


def test_what_another_projects_network_makes_nothing_of_is_refused(tmp_path):
    path = write_onnx(tmp_path / "tiny.onnx")
    with pytest.raises(ValueError, match="`preprocess` must be of a network of ours.*tiny.onnx"):
        OnnxPredictor(path, preprocess=lambda rgb: 255 - rgb)
    with pytest.raises(ValueError, match="`focals` must be of a network that knows a lens.*tiny"):
        OnnxPredictor(path)([PHOTO], focals=[0.8])
    OnnxPredictor(path)([PHOTO], focals=[None])
