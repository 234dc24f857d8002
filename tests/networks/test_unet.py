from functools import partial

import pytest

from depthlib.networks.layers import prepare_photos
from depthlib.networks.multiply_adds import count_macs
from depthlib.networks.unet import build_unet
from tests.tiny_networks import HEAD, assert_trains_and_reloads


def test_the_original_has_the_parameters_and_the_arithmetic_of_its_project():
    seed = build_unet(240, 320, variant="seed", **HEAD)
    assert seed.count_params() == 8_638_433
    assert count_macs(seed) == pytest.approx(19.2e9, rel=0.01)


def test_the_default_takes_at_most_a_quarter_of_the_originals_arithmetic():
    seed = build_unet(128, 128, variant="seed", **HEAD)
    assert count_macs(build_unet(128, 128, **HEAD)) <= count_macs(seed) / 4


@pytest.mark.parametrize("variant", ["default", "seed"])
def test_it_trains_a_step_and_comes_back_from_its_file(variant, tmp_path):
    assert_trains_and_reloads(build_unet(32, 48, variant=variant, **HEAD), tmp_path)


@pytest.mark.parametrize("size", [(240, 320), (128, 128), (16, 80)])
def test_the_depth_has_the_size_of_the_photo(size):
    assert build_unet(*size, **HEAD).output_shape == (None, *size, 1)


def test_a_wrong_size_or_variant_is_refused():
    with pytest.raises(ValueError, match="`width` must be a multiple of 16. Received: width=330"):
        build_unet(240, 330, **HEAD)
    with pytest.raises(
        ValueError, match="`variant` must be one of default, narrow, .*seed_shallow. Received"
    ):
        build_unet(240, 320, variant="plain", **HEAD)


def test_the_originals_network_takes_batch_norm_everywhere_or_a_level_less():
    plain, norm, shallow = (
        build_unet(32, 48, variant=name, **HEAD) for name in ("seed", "seed_norm", "seed_shallow")
    )
    # Four values a channel, after 2 convolutions of 512 and those of 256, 128, 64 and 32 channels.
    added = norm.count_params() - plain.count_params()
    assert added == 4 * (2 * 512 + 256 + 128 + 64 + 32)
    assert shallow.get_layer("bottleneck_convA").output.shape[1:] == (4, 6, 256)
    assert plain.get_layer("bottleneck_convA").output.shape[1:] == (2, 3, 512)


def test_what_the_photos_pass_first_is_saved_with_the_network(tmp_path):
    prepare = partial(prepare_photos, channels="bgr", normalise=True)
    assert_trains_and_reloads(build_unet(32, 48, variant="seed", prepare=prepare, **HEAD), tmp_path)
