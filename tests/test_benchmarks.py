"""That the benchmarks run and count right; what they measure is never asserted."""

import os
import time
from concurrent.futures import Future

import keras
import numpy as np
import pytest

from benchmarks import gpu, onednn, predict_folder
from benchmarks.rounds import median_ratio, run_rounds, time_rate
from benchmarks.synthetic import PlainLoader
from depthlib.data.pairs import read_csv
from depthlib.data.specs import NYU_TRAIN
from depthlib.training.devices import find_place
from depthlib.training.recipes import ORIGINAL_RESNET34, ORIGINAL_UNET


def test_rounds_are_interleaved_after_a_first_one_that_does_not_count():
    calls = []
    jobs = {name: lambda name=name: calls.append(name) or len(calls) for name in "ab"}
    results = run_rounds(jobs, rounds=3)
    assert calls == list("abababab")
    assert results == {"a": [3, 5, 7], "b": [4, 6, 8]}
    assert median_ratio(results, "b", "a") == pytest.approx(6 / 5)


def test_a_rate_is_what_was_done_over_the_time_that_it_took():
    def work():
        time.sleep(0.01)
        return 5

    assert 200 < time_rate(work, 0.1) <= 500


def test_the_plain_loader_gives_min_max_images_in_float64(tiny_nyu):
    pairs = read_csv(tiny_nyu() / "nyu2_train.csv", NYU_TRAIN)
    rgb, depth = PlainLoader(pairs, 16, 24, 4)[0]
    assert (rgb.shape, depth.shape) == ((4, 16, 24, 3), (4, 16, 24, 1))
    assert rgb.dtype == depth.dtype == np.float64
    for image in (*rgb, *depth):
        assert (image.min(), image.max()) == (0, 1)


def test_onednn_is_timed_by_a_process_that_has_it_and_one_that_has_not(monkeypatch):
    class Process:
        """Starts at its first call, as a pool's process does, and keeps that environment."""

        def __init__(self, *_):
            self.switch = None

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def submit(self, function, *arguments):
            self.switch = self.switch or os.environ[onednn.SWITCH]
            answer = Future()
            answer.set_result({"1": 30.0, "0": 20.0}[self.switch])
            return answer

    monkeypatch.delenv(onednn.SWITCH, raising=False)
    monkeypatch.setattr(onednn, "ProcessPoolExecutor", Process)
    rounds = onednn.bench_onednn(seconds=0)
    assert onednn.SWITCH not in os.environ
    for name in onednn.NETWORKS:
        assert median_ratio(rounds, f"onednn_{name}", f"eigen_{name}") == 1.5


def test_the_gpu_benchmark_runs_on_any_device_and_prints_each_figure(capsys, monkeypatch):
    monkeypatch.setattr(gpu, "PRECISIONS", ("bfloat16",))
    recipes = tuple(r.change(height=32, width=64) for r in (ORIGINAL_RESNET34, ORIGINAL_UNET))
    steps = []
    monkeypatch.setattr(gpu, "time_steps", lambda model, *_, **__: steps.append(model.name) or 10.0)
    monkeypatch.setattr(gpu, "time_epoch", lambda *_: 4.0)
    monkeypatch.setattr(gpu, "time_nyu", lambda *_: 5.0)
    gpu.main(recipes=recipes, batches=(2, 4), matrix=64, pairs=8)
    out = capsys.readouterr().out
    assert steps == ["resnet34", "resnet34", "unet", "unet"]
    assert "resnet34   bfloat16     2      10.0 images/s" in out
    assert "unet_seed  bfloat16  epoch of 20,000 + 5,000 images: 4.0 s" in out
    assert "resnet34   bfloat16  epoch of 8 cached pairs: 5.0 s" in out


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="needs KERAS_BACKEND=jax")
def test_the_gpu_benchmark_prints_what_several_devices_bring(capsys, monkeypatch):
    recipe = ORIGINAL_UNET.change(height=32, width=48)
    seen = []

    def time_steps(model, batch_size, seconds):
        model.train_on_batch(*gpu.FixedBatch((32, 48), batch_size, 1).batch)
        seen.append((find_place().devices, batch_size))
        return 10.0 * len(seen)

    monkeypatch.setattr(gpu, "time_steps", time_steps)
    monkeypatch.setattr(gpu, "build", build_small)
    gpu.bench_devices("unet_seed  bfloat16 ", recipe, "bfloat16", 2, 3)
    assert seen == [(1, 2), (2, 4), (3, 6)] and keras.distribution.distribution() is None
    out = capsys.readouterr().out
    assert "bfloat16     3 devices      30.0 images/s, 3.00 times one, 1.00 of their sum\n" in out


def build_small(recipe, precision):
    """A convolution: a real network takes JAX half a minute to compile."""
    photos = keras.Input((recipe.height, recipe.width, 3), dtype="uint8")
    model = keras.Model(photos, keras.layers.Conv2D(1, 3, padding="same")(photos))
    model.compile("sgd", "mse")
    return model


def test_the_gpu_benchmark_ends_in_time(capsys):
    gpu.main(minutes=0, batches=(2, 4), matrix=64)
    assert capsys.readouterr().out.count("left out: no time") == 12


def test_the_gpu_benchmark_times_real_steps_and_cached_epochs(tmp_path):
    recipe = ORIGINAL_UNET.change(height=32, width=48)
    model = gpu.build(recipe, "bfloat16")
    assert {layer.compute_dtype for layer in model.layers} >= {"bfloat16", "float32"}
    assert gpu.time_steps(model, 2, seconds=0.1) > 0
    assert gpu.time_epoch(recipe, 100.0, model, 2) > 200
    assert gpu.time_nyu(recipe, model, 2, count=5) > 0


def test_a_folder_is_timed_against_its_network_and_a_start_to_its_files(tmp_path, monkeypatch):
    starts = []
    monkeypatch.setattr(predict_folder, "_time_start", lambda photo: starts.append(photo) or 0.5)
    monkeypatch.setattr(predict_folder, "SIZE", (48, 64))
    rounds = predict_folder.bench_predict_folder(tmp_path, photos=2)
    assert set(rounds) == {"start_light", "alone_onnx_light", "folder_light"}
    assert len(starts) == 6 and starts[0].exists()
    assert all(rate > 0 for rates in rounds.values() for rate in rates)
