import keras
import numpy as np
import pytest

from depthlib.metrics import depth_metrics
from depthlib.networks.keras_metrics import FORMULAS, DepthMetric
from depthlib.networks.losses import DepthLoss

IMAGES, HEIGHT, WIDTH = 5, 32, 48


def random_maps(seed=0):
    """Five maps with holes and values beyond 10 m; the third has no measured pixel at all."""
    rng = np.random.default_rng(seed)
    truth = rng.uniform(0.5, 12, (IMAGES, HEIGHT, WIDTH, 1))
    prediction = truth * rng.uniform(0.5, 1.7, truth.shape)
    prediction[rng.random(truth.shape) < 0.05] = 0
    truth[rng.random(truth.shape) < 0.3] = 0
    truth[2] = 0
    return truth.astype(np.float32), prediction.astype(np.float32)


def update_in_batches(metric, truth, prediction, batch_size=2):
    for start in range(0, len(truth), batch_size):
        stop = start + batch_size
        metric.update_state(truth[start:stop], prediction[start:stop])
    return float(metric.result())


@pytest.mark.parametrize("kind", FORMULAS)
def test_the_mean_over_partial_batches_is_that_of_the_numpy_metrics(kind):
    truth, prediction = random_maps()
    expected = np.mean(
        [depth_metrics(truth[i, ..., 0], prediction[i, ..., 0])[kind] for i in (0, 1, 3, 4)]
    )
    assert update_in_batches(DepthMetric(kind), truth, prediction) == pytest.approx(
        expected, rel=1e-5
    )


def test_the_range_is_that_of_the_numpy_metrics():
    truth, prediction = random_maps()
    expected = depth_metrics(truth[0, ..., 0], prediction[0, ..., 0], 2.0, 6.0)["abs_rel"]
    metric = DepthMetric("abs_rel", min_depth=2.0, max_depth=6.0)
    assert update_in_batches(metric, truth[:1], prediction[:1]) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("kind", FORMULAS)
def test_counts_are_judged_as_the_depth_that_they_stand_for(kind):
    truth = np.full((1, 2, 2, 1), 2.0, np.float32)
    prediction = truth * np.array([1.1, 1.3, 1.6, 2.1], np.float32).reshape(truth.shape)
    depth, counts = DepthMetric(kind), DepthMetric(kind, truth_unit=1e-3)
    depth.update_state(truth, prediction)
    counts.update_state((truth * 1000).astype(np.uint16), prediction)
    assert float(counts.result()) == pytest.approx(float(depth.result()), rel=1e-5)


@pytest.mark.parametrize("kind", FORMULAS)
def test_nan_in_a_hole_and_a_perfect_map_give_numbers(kind):
    truth, _ = random_maps()
    metric = DepthMetric(kind)
    result = update_in_batches(metric, truth, np.where(truth > 0, truth, np.nan))
    assert result == pytest.approx(1 if kind.startswith("delta") else 0, abs=1e-4)
    metric.reset_state()
    assert update_in_batches(metric, truth[2:3], truth[2:3]) == 0


def test_images_weigh_by_their_sample_weight():
    truth, prediction = random_maps()
    metric = DepthMetric("rmse")
    metric.update_state(truth, prediction, sample_weight=[0, 1, 1, 0, 0])
    assert float(metric.result()) == pytest.approx(
        depth_metrics(truth[1, ..., 0], prediction[1, ..., 0])["rmse"], rel=1e-5
    )


def test_an_unknown_kind_and_a_missing_axis_are_refused():
    with pytest.raises(ValueError, match="Received: kind='accuracy'"):
        DepthMetric("accuracy")
    truth, prediction = random_maps()
    with pytest.raises(ValueError, match=r"y_true.shape=\(5, 32, 48\)"):
        DepthMetric("rmse").update_state(truth[..., 0], prediction)


def test_a_compiled_model_keeps_loss_and_metrics_when_it_is_saved(tmp_path):
    truth, prediction = random_maps()
    model = keras.Sequential([keras.layers.Input((HEIGHT, WIDTH, 1)), keras.layers.Conv2D(1, 1)])
    metrics = [DepthMetric(kind, max_depth=8.0) for kind in FORMULAS]
    model.compile("sgd", DepthLoss(max_depth=8.0), metrics=metrics)
    before = model.evaluate(prediction, truth, batch_size=2, verbose=0, return_dict=True)
    assert set(before) == {"loss", *FORMULAS}
    model.save(tmp_path / "model.keras")
    restored = keras.saving.load_model(tmp_path / "model.keras", compile=True, safe_mode=True)
    after = restored.evaluate(prediction, truth, batch_size=2, verbose=0, return_dict=True)
    assert after == pytest.approx(before)
