import keras
import numpy as np
import pytest
from keras import ops

from depthlib.networks.losses import (
    ConsistentLoss,
    DepthLoss,
    NormalisedDepthLoss,
    ScaleInvariantLoss,
)

HEIGHT, WIDTH = 32, 48
LOSSES = [DepthLoss(), ScaleInvariantLoss(), ConsistentLoss(ScaleInvariantLoss())]


def random_batch(seed=0, holes=0.3, images=2):
    """Smooth maps in 1..9 m, a prediction beside them, and a share of pixels without truth."""
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(1, 9, (images, HEIGHT // 4, WIDTH // 4, 1))
    truth = coarse.repeat(4, axis=1).repeat(4, axis=2)
    prediction = np.clip(truth * rng.uniform(0.6, 1.5, truth.shape), 0.1, 10)
    truth[rng.random(truth.shape) < holes] = 0
    return truth.astype(np.float32), prediction.astype(np.float32)


def value(loss, truth, prediction, **kwargs):
    return ops.convert_to_numpy(loss(truth, prediction, **kwargs)).item()


def windowed_ssim(truth, prediction, valid):
    """SSIM by NumPy's weighted covariance, one window after the other."""
    offsets = np.arange(11) - 5
    gauss = np.exp(-(offsets**2) / (2 * 1.5**2))
    gauss = np.outer(gauss, gauss) / gauss.sum() ** 2
    values, weights = [], []
    for y in range(truth.shape[0] - 10):
        for x in range(truth.shape[1] - 10):
            window = np.s_[y : y + 11, x : x + 11]
            weight = gauss[valid[window]]
            pair = np.stack([truth[window][valid[window]], prediction[window][valid[window]]])
            if weight.size == 0:
                continue
            t, p = np.average(pair, axis=1, weights=weight)
            (tt, tp), (_, pp) = np.cov(pair, aweights=weight, ddof=0)
            luminance = (2 * t * p + 1e-4) / (t * t + p * p + 1e-4)
            values.append(luminance * (2 * tp + 9e-4) / (tt + pp + 9e-4))
            weights.append(weight.sum())
    return np.average(values, weights=weights)


def steps(error, valid):
    """Sum of the absolute steps between valid neighbours, over the number of valid pixels."""
    error = np.where(valid, error, np.nan)
    total = np.nansum(np.abs(np.diff(error, axis=0))) + np.nansum(np.abs(np.diff(error, axis=1)))
    return total / valid.sum()


def test_gradient_and_l1_terms_match_a_map_worked_by_hand():
    truth = np.array([[2.0, 4.0], [6.0, 0.0]]).reshape(1, 2, 2, 1)
    prediction = np.array([[3.0, 4.0], [4.0, 9.0]]).reshape(1, 2, 2, 1)
    # Errors of .1, 0 and -.2 of 10 m: L1 = .3 / 3; steps of .1 across and .3 down, over 3 pixels.
    assert value(DepthLoss(0, 0, 1), truth, prediction) == pytest.approx(0.1)
    assert value(DepthLoss(0, 1, 0), truth, prediction) == pytest.approx(0.4 / 3)
    assert value(DepthLoss(0, 3, 0.1), truth, prediction) == pytest.approx(0.41)


def test_depth_loss_matches_numpy_where_a_third_is_missing():
    truth, prediction = random_batch()
    expected = []
    for t, p in zip(truth[..., 0] / 10.0, prediction[..., 0] / 10.0, strict=True):
        valid = t > 0
        ssim = windowed_ssim(t, p, valid)
        l1 = np.abs(t - p)[valid].mean()
        expected.append((1 - ssim) / 2 + 3 * steps(p - t, valid) + 0.1 * l1)
    result = DepthLoss(reduction="none")(truth, prediction)
    np.testing.assert_allclose(ops.convert_to_numpy(result), expected, rtol=1e-4)


def test_depth_loss_without_holes_has_the_ssim_and_gradients_of_tensorflow():
    tf = pytest.importorskip("tensorflow")
    truth, prediction = (depth / 10.0 for depth in random_batch(holes=0.0))
    ssim = np.mean(tf.image.ssim(truth, prediction, 1.0))
    assert value(DepthLoss(1, 0, 0, max_depth=1), truth, prediction) == pytest.approx(
        (1 - ssim) / 2, abs=1e-5
    )
    gradients = tf.image.image_gradients(tf.constant(prediction - truth))
    assert value(DepthLoss(0, 1, 0, max_depth=1), truth, prediction) == pytest.approx(
        sum(np.abs(gradient).mean() for gradient in gradients), rel=1e-5
    )


def test_ssim_without_holes_is_that_of_keras_and_of_scikit_image():
    metrics = pytest.importorskip("skimage.metrics")
    truth, prediction = (depth / 10.0 for depth in random_batch(holes=0.0, images=1))
    ssim = 1 - 2 * value(DepthLoss(1, 0, 0, max_depth=1), truth, prediction)
    expected = metrics.structural_similarity(
        *(truth[0, ..., 0], prediction[0, ..., 0]),
        data_range=1.0,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    assert ssim == pytest.approx(expected, abs=1e-5)
    keras_ssim = ops.convert_to_numpy(ops.image.ssim(truth, prediction)).item()
    assert ssim == pytest.approx(keras_ssim, abs=1e-5)


def test_a_mostly_empty_map_looks_no_better_than_its_measured_part():
    truth, prediction = random_batch(holes=0.0)
    measured = np.s_[:, :16]
    whole = value(DepthLoss(), truth[measured], prediction[measured])
    sparse = truth.copy()
    sparse[:, 16:] = 0
    assert value(DepthLoss(), sparse, prediction) == pytest.approx(whole, rel=0.2)


def test_scale_invariant_loss_matches_a_map_worked_by_hand():
    truth, prediction = np.ones((1, 1, 2, 1)), np.array([1.0, np.e]).reshape(1, 1, 2, 1)
    # e = 0 and 1: mean e² = .5, mean e = .5; one step of 1 over two pixels at the first scale,
    # none at the coarser ones. 10 sqrt(.5 - .85 * .25) = 5.361903.
    for loss, expected in (
        (ScaleInvariantLoss(), 5.361903 + 0.5 * 1 / 2),
        (ScaleInvariantLoss(variance_focus=1), 10 * 0.25**0.5 + 0.5 * 1 / 2),
        (ScaleInvariantLoss(variance_focus=0, scale=1, gradient_weight=0), 0.5**0.5),
    ):
        assert value(loss, truth, prediction) == pytest.approx(expected, rel=1e-5)


def test_scale_invariant_loss_matches_numpy_where_a_third_is_missing():
    truth, prediction = random_batch()
    expected = []
    for t, p in zip(truth[..., 0], prediction[..., 0], strict=True):
        valid = t > 0
        error = np.log(p, where=valid, out=np.zeros_like(p)) - np.log(t, where=valid, out=t * 0)
        e = error[valid].astype(np.float64)
        gradients = sum(steps(error[::k, ::k], valid[::k, ::k]) for k in (1, 2, 4, 8))
        expected.append(10 * np.sqrt(np.mean(e**2) - 0.85 * np.mean(e) ** 2) + 0.5 * gradients)
    result = ScaleInvariantLoss(reduction="none")(truth, prediction)
    np.testing.assert_allclose(ops.convert_to_numpy(result), expected, rtol=1e-4)


def test_only_full_variance_focus_is_blind_to_scale_and_says_so():
    truth, prediction = random_batch()
    blind, seeing = ScaleInvariantLoss(variance_focus=1), ScaleInvariantLoss()
    expected = value(blind, truth, prediction)
    assert value(blind, truth, 3 * prediction) == pytest.approx(expected, rel=1e-5)
    assert value(seeing, truth, 3 * prediction) > 1.1 * value(seeing, truth, prediction)
    assert blind.scale_invariant
    assert not seeing.scale_invariant and not DepthLoss().scale_invariant


def test_a_negative_truth_is_known_only_up_to_a_scale():
    truth = np.random.default_rng(0).uniform(1, 9, (2, 8, 12, 1)).astype("float32")
    truth[:, 2] = 0
    prediction = np.random.default_rng(1).uniform(1, 9, truth.shape).astype("float32")
    signs = np.array([1, -1], "float32").reshape(2, 1, 1, 1)
    mixed = ScaleInvariantLoss(reduction=None)(truth * signs, prediction)
    metric, relative = (
        ScaleInvariantLoss(focus, reduction=None)(truth, prediction) for focus in (0.85, 1.0)
    )
    np.testing.assert_allclose(mixed, [metric[0], relative[1]], rtol=1e-5)


def test_two_views_of_one_photo_pay_for_what_differs_between_them():
    base = DepthLoss(0, 0, 1)
    truth = np.full((5, 32, 48, 1), 2, np.float32)
    truth[2:] = np.float32([3, 4, 5]).reshape(3, 1, 1, 1)  # images 0 and 1 alone share a truth
    prediction = truth.copy()
    prediction[1, :16] *= 4  # half of the second view is four times as far: ln 4 / 2 on the mean
    extra = value(ConsistentLoss(base, 3.0), truth, prediction) - value(base, truth, prediction)
    assert extra == pytest.approx(3 * np.log(4) / 2, rel=1e-5)
    prediction[3] *= 2  # beside image 2, whose truth is another
    extra = value(ConsistentLoss(base, 3.0), truth, prediction) - value(base, truth, prediction)
    assert extra == pytest.approx(3 * np.log(4) / 2, rel=1e-5)
    for images in (slice(1, 4), slice(0, 1)):  # odd batches, and none that share a truth
        pair = truth[images], prediction[images]
        assert value(ConsistentLoss(base, 3.0), *pair) == pytest.approx(value(base, *pair))
    assert ConsistentLoss(ScaleInvariantLoss(1)).scale_invariant
    assert not ConsistentLoss(base).scale_invariant


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
def test_a_perfect_prediction_costs_nothing(loss):
    truth, _ = random_batch()
    assert value(loss, truth, np.where(truth > 0, truth, 7)) == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
def test_what_is_predicted_in_a_hole_changes_nothing(loss):
    truth, prediction = random_batch()
    expected = value(loss, truth, prediction)
    for anything in (0.0, 1e6, np.nan):
        filled = np.where(truth > 0, prediction, anything)
        assert value(loss, truth, filled) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("kind", [DepthLoss, ScaleInvariantLoss])
def test_counts_are_judged_as_the_depth_that_they_stand_for(kind):
    truth, prediction = random_batch()
    counts = np.rint(truth / 2e-4).astype(np.uint16)
    expected = value(kind(), truth, prediction)
    assert value(kind(truth_unit=2e-4), counts, prediction) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("loss", LOSSES)
def test_images_count_alike_and_by_their_sample_weight(loss):
    truth, prediction = random_batch()
    truth[0, 8:] = 0  # one image with a quarter of the pixels of the other
    first, second = (value(loss, truth[i : i + 1], prediction[i : i + 1]) for i in (0, 1))
    assert value(loss, truth, prediction) == pytest.approx((first + second) / 2, rel=1e-5)
    weighted = value(loss, truth, prediction, sample_weight=np.array([0.0, 1.0]))
    assert weighted == pytest.approx(second / 2, rel=1e-5)


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
def test_half_precision_predictions_are_judged_in_float32(loss):
    truth, prediction = random_batch()
    prediction = prediction.astype(np.float16)
    result = loss(truth, ops.convert_to_tensor(prediction))
    assert keras.backend.standardize_dtype(result.dtype) == "float32"
    assert float(result) == pytest.approx(value(loss, truth, prediction.astype(np.float32)))


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
def test_empty_and_perfect_maps_have_a_finite_gradient(loss):
    """One step of gradient descent on an identity network shows the gradient on any backend."""
    truth, _ = random_batch()
    photo = np.where(truth > 0, truth, 5)
    # At a perfect map any slope of |x| at 0 is right, and the backends differ in it.
    for target, learns in ((truth * 0, False), (truth, None), (truth * 2, True)):
        model = keras.Sequential(
            [keras.layers.Input((HEIGHT, WIDTH, 1)), keras.layers.Conv2D(1, 1)]
        )
        model.set_weights([np.ones((1, 1, 1, 1)), np.zeros(1)])
        model.compile(keras.optimizers.SGD(1e-3), loss, run_eagerly=True)
        assert np.isfinite(model.train_on_batch(photo, target))
        kernel, bias = model.get_weights()
        moved = abs(kernel.item() - 1) + abs(bias.item())
        assert np.isfinite(moved)
        assert learns is None or (moved > 0) == learns


@pytest.mark.parametrize(
    "loss",
    [
        DepthLoss(2, 1, 0.5, 80),
        ScaleInvariantLoss(1, 5, 0.1, 2, 0.01),
        ConsistentLoss(DepthLoss(2, 1, 0.5, 80), 3.0),
    ],
    ids=["depth", "log", "consistent"],
)
def test_losses_survive_saving(loss):
    data = keras.saving.serialize_keras_object(loss)
    assert data["registered_name"] == f"depthlib>{type(loss).__name__}"
    restored = keras.saving.deserialize_keras_object(data)
    assert restored.get_config() == loss.get_config()
    assert value(restored, *random_batch()) == value(loss, *random_batch())


def test_shapes_that_do_not_fit_are_refused():
    truth, prediction = random_batch()
    for loss in LOSSES:
        with pytest.raises(ValueError, match=r"y_true.shape=\(2, 32, 48\)"):
            loss(truth[..., 0], prediction)  # would broadcast to (2, 2, 32, 48)
        with pytest.raises(ValueError, match="Resize the truth"):
            loss(truth[:, :16], prediction)
    with pytest.raises(ValueError, match="at least 11.*height=10, width=48"):
        DepthLoss()(truth[:, :10], prediction[:, :10])


def test_arguments_out_of_range_are_refused():
    with pytest.raises(ValueError, match="Received: max_depth=0"):
        DepthLoss(max_depth=0)
    with pytest.raises(ValueError, match="Received: variance_focus=1.5"):
        ScaleInvariantLoss(variance_focus=1.5)
    with pytest.raises(ValueError, match="Received: min_depth=0"):
        ScaleInvariantLoss(min_depth=0)


def test_the_normalised_loss_stretches_each_truth_to_its_own_range():
    near = np.array([[2.0, 4.0], [6.0, 0.0]])
    truth = np.stack([near, 10 * near])[..., None]  # the scale of a map makes no difference
    # Of 10 m: 2, 4 and 6 m become 0, 5 and 10. Errors of .1, 0 and -.2: L1 is .3 / 3.
    prediction = np.array([[1.0, 5.0], [8.0, 9.0]]).reshape(1, 2, 2, 1).repeat(2, axis=0)
    assert value(NormalisedDepthLoss(0, 0, 1), truth, prediction) == pytest.approx(0.1, abs=1e-5)
    counts = NormalisedDepthLoss(0, 0, 1, truth_unit=0.02)
    assert value(counts, truth * 50, prediction) == pytest.approx(0.1, abs=1e-5)
    assert value(DepthLoss(0, 0, 1), truth, prediction) > 0.5
    flat = np.full((1, 2, 2, 1), 3.0)  # nothing to stretch: all 0, and no division by it
    assert value(NormalisedDepthLoss(0, 0, 1), flat, flat) == pytest.approx(0.3, abs=1e-5)


def test_confidence_weighs_each_pixel_in_every_mean():
    truth = np.array([[2.0, 4.0], [6.0, 0.0]]).reshape(1, 2, 2, 1)
    prediction = np.array([[3.0, 4.0], [4.0, 9.0]]).reshape(1, 2, 2, 1)
    confidence = np.array([[255, 102], [51, 255]]).reshape(1, 2, 2, 1)  # 1, .4, .2
    trusted = np.concatenate([truth, confidence], axis=-1)
    # Errors of .1, 0 and -.2 of 10 m, steps of .1 between weights 1 and .4, of .3 between 1 and .2.
    assert value(DepthLoss(0, 0, 1), trusted, prediction) == pytest.approx(0.14 / 1.6)
    assert value(DepthLoss(0, 1, 0), trusted, prediction) == pytest.approx(0.1 / 1.6)
    errors, weights = np.log([3 / 2, 1, 4 / 6]), np.array([1, 0.4, 0.2])
    mean = np.average(errors, weights=weights)
    squared = np.average(errors**2, weights=weights) - 0.85 * mean**2
    loss = ScaleInvariantLoss(gradient_weight=0)
    assert value(loss, trusted, prediction) == pytest.approx(10 * squared**0.5, rel=1e-4)


@pytest.mark.parametrize(
    "loss", [DepthLoss(), NormalisedDepthLoss(), ScaleInvariantLoss(), ConsistentLoss(DepthLoss())]
)
def test_all_of_a_truth_that_is_certain_counts_as_one_without_confidence(loss):
    truth, prediction = random_batch()
    certain = np.concatenate([truth, np.full_like(truth, 255)], axis=-1)
    assert value(loss, certain, prediction) == pytest.approx(value(loss, truth, prediction))
