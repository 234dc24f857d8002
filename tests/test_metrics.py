import numpy as np
import pytest

from depthlib.metrics import (
    ALIGNMENTS,
    FULL,
    KITTI_GARG,
    METRICS,
    NYU_BTS,
    NYU_DENSEDEPTH,
    NYU_FASTDEPTH,
    PROTOCOLS,
    align,
    bootstrap_interval,
    depth_metrics,
    pooled_rmse,
    score,
)

# Worked by hand: valid ratios 1.2, 1 and 2; log ratios ln 1.2, 0 and -ln 2; the 0 is a hole.
TRUTH = np.array([[1.0, 2.0], [4.0, 0.0]])
PREDICTION = np.array([[1.2, 2.0], [2.0, 9.0]])
BY_HAND = {
    "delta1": 2 / 3,
    "delta2": 2 / 3,  # 2 > 1.25² = 1.5625
    "delta3": 2 / 3,  # 2 > 1.25³ = 1.953125
    "abs_rel": (0.2 + 0 + 0.5) / 3,
    "sq_rel": (0.04 + 0 + 1) / 3,
    "rmse": 1.160460,  # sqrt((0.04 + 4) / 3)
    "rmse_log": 0.413801,  # sqrt((0.033241 + 0.480453) / 3)
    "log10": (0.0791812 + 0.3010300) / 3,
    "silog": 37.71446,  # 100 sqrt(0.171231 - 0.170275²)
}


def random_maps(seed=0, height=48, width=64):
    rng = np.random.default_rng(seed)
    truth = rng.uniform(0.5, 9.5, (height, width)).astype(np.float32)
    prediction = truth * rng.uniform(0.7, 1.4, truth.shape).astype(np.float32)
    return truth, prediction


def test_every_metric_matches_a_map_worked_by_hand():
    metrics = depth_metrics(TRUTH, PREDICTION)
    assert tuple(metrics) == METRICS
    assert metrics == pytest.approx(BY_HAND, rel=1e-5)


def test_a_perfect_prediction_has_no_error():
    metrics = depth_metrics(TRUTH, TRUTH)
    assert [metrics[f"delta{k}"] for k in (1, 2, 3)] == [1, 1, 1]
    assert all(metrics[name] == 0 for name in METRICS[3:])


def test_depth_outside_the_range_is_neither_compared_nor_predicted():
    truth = np.array([[1.0, 2.0], [50.0, 0.0]])
    prediction = np.array([[-3.0, 99.0], [7.0, 7.0]])
    metrics = depth_metrics(truth, prediction, min_depth=0.5, max_depth=4.0)
    assert metrics["abs_rel"] == pytest.approx(((1 - 0.5) / 1 + (4 - 2) / 2) / 2)


def test_a_prediction_that_is_not_finite_is_refused_where_it_is_compared():
    for bad in (np.nan, np.inf):
        prediction = PREDICTION.copy()
        prediction[1, 1] = bad
        depth_metrics(TRUTH, prediction)  # only the hole is touched
        prediction[0, 0] = bad
        with pytest.raises(ValueError, match="must be finite.*1 of 3 valid"):
            depth_metrics(TRUTH, prediction)


def test_an_image_without_valid_pixels_is_refused():
    with pytest.raises(ValueError, match="At least one pixel .* none of 4"):
        depth_metrics(np.zeros((2, 2)), PREDICTION)
    truth, prediction = random_maps()
    truth[NYU_BTS.crop(*truth.shape)] = 0
    assert truth.any()
    with pytest.raises(ValueError, match="At least one pixel"):
        score(truth, prediction, NYU_BTS)


def test_sizes_that_differ_are_refused():
    with pytest.raises(ValueError, match=r"truth.shape=\(2, 2\), prediction.shape=\(2, 3\)"):
        score(TRUTH, np.ones((2, 3)), FULL)
    with pytest.raises(ValueError, match="drop the batch and channel axes"):
        depth_metrics(TRUTH[..., None], PREDICTION[..., None])


def test_crops_are_those_published():
    assert NYU_BTS.crop(480, 640) == (slice(45, 471), slice(41, 601))
    assert NYU_DENSEDEPTH.crop(480, 640) == (slice(20, 460), slice(24, 616))
    assert NYU_FASTDEPTH.crop(250, 333) == (slice(11, 239), slice(14, 318))
    assert KITTI_GARG.crop(375, 1242) == (slice(153, 371), slice(44, 1197))
    assert FULL.crop(33, 47) == (slice(0, 33), slice(0, 47))


def test_crops_follow_the_size_of_the_truth():
    assert NYU_DENSEDEPTH.crop(240, 320) == (slice(10, 230), slice(12, 308))
    assert NYU_DENSEDEPTH.crop(960, 1280) == (slice(40, 920), slice(48, 1232))


def test_protocols_are_found_by_name():
    assert all(PROTOCOLS[name].name == name for name in PROTOCOLS)
    flips = {"nyu_densedepth", "kitti_garg_flips"}
    assert {p.name for p in PROTOCOLS.values() if p.flip_average} == flips


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS)
def test_score_sees_only_the_crop(protocol):
    truth, prediction = random_maps()
    crop = protocol.crop(*truth.shape)
    expected = depth_metrics(truth[crop], prediction[crop].clip(*protocol.prediction_range), 0, 80)
    outside = np.ones(truth.shape, bool)
    outside[crop] = False
    prediction[outside] = np.nan
    result = score(truth, prediction, protocol)
    assert result.pop("pixels") == truth[crop].size
    assert result == pytest.approx(expected)


def test_score_clips_the_prediction_to_the_range_of_the_protocol():
    truth = np.full((48, 64), 5.0)
    assert score(truth, truth * 9, NYU_BTS)["abs_rel"] == pytest.approx(1.0)  # 45 m counts as 10
    assert score(truth, truth * 9, KITTI_GARG)["abs_rel"] == pytest.approx(8.0)
    assert score(truth, truth * 0, NYU_DENSEDEPTH)["abs_rel"] == pytest.approx(0.98)  # as 0.1 m


def test_median_alignment_undoes_any_scale():
    truth, prediction = random_maps()
    aligned = align(truth, prediction, "median")
    np.testing.assert_allclose(align(truth, prediction * 7, "median"), aligned, rtol=1e-5)
    assert np.median(aligned) == pytest.approx(np.median(truth), rel=1e-6)


def test_disparity_alignment_undoes_any_scale_and_shift_of_disparity():
    truth, _ = random_maps()
    prediction = 1 / (3 / truth + 0.2)
    np.testing.assert_allclose(align(truth, prediction, "disparity"), truth, rtol=1e-4)


def test_affine_alignment_is_the_line_of_least_squares_and_stays_in_front_of_the_camera():
    truth = np.array([[1.0, 2.0], [6.0, 0.0]])
    prediction = np.array([[1.0, 2.0], [3.0, -1.0]])  # the hole's -1 is not fitted
    # Means 2 and 3; the slope is (1 * 2 + 0 + 1 * 3) / 2 = 2.5, the shift 3 - 2.5 * 2 = -2.
    expected = [[0.5, 3.0], [5.5, 2e-3]]  # at -1 the line gives -4.5: a thousandth of the median
    np.testing.assert_allclose(align(truth, prediction, "affine"), expected, rtol=1e-6)
    np.testing.assert_allclose(
        align(truth, 0.2 * prediction + 7, "affine")[truth > 0], [0.5, 3.0, 5.5], rtol=1e-6
    )


def test_affine_alignment_makes_a_flat_prediction_the_mean_of_the_truth():
    aligned = align(np.array([[1.0, 2.0, 6.0]]), np.full((1, 3), 5.0), "affine")
    np.testing.assert_allclose(aligned, 3.0, rtol=1e-6)


def test_alignment_looks_at_valid_pixels_alone():
    truth, prediction = random_maps()
    holes = truth.copy()
    holes[10:30] = 0
    for how in ALIGNMENTS[1:]:
        whole = align(
            np.delete(truth, slice(10, 30), 0), np.delete(prediction, slice(10, 30), 0), how
        )
        partial = align(holes, prediction, how)
        np.testing.assert_allclose(np.delete(partial, slice(10, 30), 0), whole, rtol=1e-4)


def test_disparity_alignment_never_gives_depth_behind_the_camera():
    truth = np.array([[1.0, 2.0, 4.0, 8.0]])
    prediction = np.array([[1.0, 1.1, 1.2, 40.0]])  # the line crosses zero before the last one
    aligned = align(truth, prediction, "disparity")
    assert (aligned > 0).all() and aligned.max() == pytest.approx(8.0)
    assert align(truth, prediction, "disparity", max_depth=10.0).max() == pytest.approx(10.0)


def test_an_unknown_alignment_or_a_negative_prediction_is_refused():
    with pytest.raises(ValueError, match="Received: how='mean'"):
        align(TRUTH, PREDICTION, "mean")
    with pytest.raises(ValueError, match="must be positive to be aligned"):
        align(TRUTH, -PREDICTION, "median")


@pytest.mark.parametrize("alignment", ALIGNMENTS[1:])
def test_scores_of_relative_depth_do_not_depend_on_its_unit(alignment):
    truth, prediction = random_maps()
    expected = score(truth, prediction, NYU_DENSEDEPTH, alignment, relative=True)
    assert "rmse" not in expected and "sq_rel" not in expected
    assert {"delta1", "abs_rel", "rmse_log", "silog"} <= set(expected)
    for unit in (0.01, 100.0):
        result = score(truth * unit, prediction, NYU_DENSEDEPTH, alignment, relative=True)
        assert result == pytest.approx(expected, rel=1e-4)


def test_relative_depth_must_be_aligned():
    with pytest.raises(ValueError, match="must be aligned"):
        score(TRUTH, PREDICTION, FULL, relative=True)


def test_pooled_rmse_is_that_of_all_pixels_together():
    errors = [np.array([1.0, -1.0]), np.array([3.0]), np.array([0.5, 2.0, -4.0])]
    pooled = pooled_rmse([np.sqrt(np.mean(e**2)) for e in errors], [e.size for e in errors])
    assert pooled == pytest.approx(np.sqrt(np.mean(np.concatenate(errors) ** 2)))


def test_the_interval_of_independent_images_is_that_of_the_normal_distribution():
    values = np.random.default_rng(1).normal(2.0, 1.0, 900)
    low, high = bootstrap_interval(values, np.arange(900), seed=0, resamples=4000)
    half = 1.96 * values.std() / 30
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.006)


def test_the_interval_widens_when_images_share_a_scene():
    rng = np.random.default_rng(2)
    scenes = np.repeat(np.arange(30), 20)
    values = rng.normal(size=30)[scenes] + 0.01 * rng.normal(size=600)
    low, high = bootstrap_interval(values, scenes, seed=0)
    alone_low, alone_high = bootstrap_interval(values, np.arange(600), seed=0)
    assert (high - low) / (alone_high - alone_low) == pytest.approx(np.sqrt(20), rel=0.15)


def test_scenes_of_different_sizes_count_by_their_images():
    # Two scenes drawn twice: the mean of the images is 0, 3/4 or 1 with chances 1/4, 1/2, 1/4.
    low, high = bootstrap_interval([0, 1, 1, 1], list("abbb"), seed=0, level=0.4)
    assert (low, high) == (0.75, 0.75)
    assert bootstrap_interval([0, 1, 1, 1], list("abbb"), seed=0) == (0.0, 1.0)


def test_one_scene_gives_no_interval_and_a_missing_value_is_refused():
    assert np.isnan(bootstrap_interval([1.0, 2.0], ["a", "a"], seed=0)).all()
    with pytest.raises(ValueError, match="1 not finite"):
        bootstrap_interval([1.0, np.nan], ["a", "b"], seed=0)
    with pytest.raises(ValueError, match=r"values.shape=\(1,\), groups.shape=\(2,\)"):
        bootstrap_interval([1.0], ["a", "b"], seed=0)
