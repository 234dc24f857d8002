import json

import keras
import pandas as pd
import pytest

from depthlib.data.pairs import read_csv
from depthlib.data.specs import NYU_TRAIN
from experiments import studies
from experiments.studies import run_study, summarise_study
from tests.training.test_train import RECIPE, build_tiny


@pytest.fixture
def pairs(tiny_nyu, monkeypatch):
    monkeypatch.setattr("depthlib.training.build._build", build_tiny)
    return read_csv(tiny_nyu(scenes=6, frames=3) / "nyu2_train.csv", NYU_TRAIN)


def test_every_variant_runs_with_every_seed_and_finished_runs_are_read_back(
    pairs, tmp_path, monkeypatch
):
    variants = {"base": {}, "small batch": {"batch_size": 2}}
    settings = {"cache_folder": tmp_path / "cache", "verbose": 0}
    runs = run_study(RECIPE.change(epochs=1), variants, (0, 1), pairs, tmp_path, **settings)
    assert list(zip(runs["variant"], runs["seed"], strict=True)) == [
        ("base", 0),
        ("small batch", 0),
        ("base", 1),
        ("small batch", 1),
    ]
    assert runs["val_delta1"].between(0, 1).all()
    assert (runs["gmacs"] == runs["gmacs"][0]).all() and runs["gmacs"][0] > 0
    pd.testing.assert_frame_equal(
        pd.read_csv(tmp_path / "runs.csv"), runs, rtol=1e-5, check_dtype=False
    )
    assert (tmp_path / "small_batch/1/best.keras").exists()
    opened = studies.open_runs(runs, tmp_path, seed=1)
    assert list(opened) == ["base", "small batch"]
    log, predict = opened["small batch"]
    assert log["val_delta1"].iloc[-1] == pytest.approx(runs["val_delta1"].iloc[-1])
    assert (predict.height, predict.width) == (32, 48)
    # A second call trains nothing.
    monkeypatch.setattr("depthlib.training.train.EpochFollower", None)
    again = run_study(RECIPE.change(epochs=1), variants, (0, 1), pairs, tmp_path, **settings)
    pd.testing.assert_frame_equal(again, runs, check_exact=False, rtol=1e-5, check_dtype=False)


def test_a_variant_may_train_on_more_pairs_than_the_others(pairs, tmp_path):
    settings = {"cache_folder": tmp_path / "cache", "verbose": 0, "extra": {"more": [pairs]}}
    recipe = RECIPE.change(epochs=1)
    run_study(recipe, {"base": {}, "more": {}}, (0,), pairs, tmp_path, **settings)
    runs = [json.loads((tmp_path / f"{name}/0/run.json").read_text()) for name in ("base", "more")]
    base, more = (run["counts"] for run in runs)
    # What validates does not train, as pairs of its scenes or as more of them.
    assert more == {"training": 2 * base["training"], "validation": base["validation"]}


def test_what_is_measured_on_the_rooms_that_validate_joins_the_row_once(pairs, tmp_path):
    scenes = []

    def count_scenes(predict, validation):
        assert predict.height == RECIPE.height
        scenes.append(set(validation.table["scene"]))
        return {"rooms": len(scenes[-1])}

    settings = {"cache_folder": tmp_path / "cache", "verbose": 0, "measure": count_scenes}
    for _ in range(2):
        runs = run_study(RECIPE.change(epochs=1), {"base": {}}, (0, 1), pairs, tmp_path, **settings)
        assert runs["rooms"].tolist() == [3, 3]
    assert len(scenes) == 2 and scenes[0] != scenes[1]  # once a run; each seed has its own


def test_the_gain_is_over_pairs_of_runs_of_one_seed():
    runs = pd.DataFrame(
        {
            "variant": ["a", "b"] * 3,
            "seed": [0, 0, 1, 1, 2, 2],
            "gmacs": [1.0, 2.0] * 3,
            "parameters": [10, 20] * 3,
            "seconds": [3.0, 4.0] * 3,
            "val_delta1": [0.1, 0.2, 0.5, 0.7, 0.3, 0.6],
        }
    )
    summary = studies.summarise_study(runs).set_index("variant")
    assert summary.loc["a", ["median", "lowest", "highest", "gain"]].tolist() == [0.3, 0.1, 0.5, 0]
    assert summary.at["b", "gain"] == pytest.approx(0.2)
    # Gains of .1, .2 and .3: standard error .1 / sqrt(3); t of 2 degrees of freedom is 4.3027.
    assert summary.at["b", "high"] - summary.at["b", "gain"] == pytest.approx(0.24841, abs=1e-4)
    assert summary.at["b", "seconds"] == 4.0


def test_a_single_seed_has_no_interval():
    runs = pd.DataFrame(
        {
            "variant": ["a", "b"],
            "seed": [0, 0],
            "gmacs": [1.0, 2.0],
            "parameters": [1, 2],
            "seconds": [1.0, 2.0],
            "val_delta1": [0.1, 0.4],
        }
    )
    summary = summarise_study(runs).set_index("variant")
    assert summary.at["b", "gain"] == pytest.approx(0.3)
    assert summary[["low", "high"]].isna().all().all()


def test_what_is_measured_on_the_test_pairs_joins_the_row_under_its_own_name(pairs, tmp_path):
    def count(predict, measured):
        return {"pairs": len(measured)}

    settings = {"cache_folder": tmp_path / "cache", "verbose": 0, "measure": count}
    recipe = RECIPE.change(epochs=1, split="frame")
    test = pairs.select([0, 1])
    runs = run_study(recipe, {"base": {}}, (0,), pairs, tmp_path, test=test, **settings)
    # A third of 18 frames validates, rounded up: by scene it would be 3 rooms, which are 9.
    assert runs[["pairs", "test_pairs"]].to_numpy().tolist() == [[7, 2]]


def test_fresh_averages_are_measured_beside_a_runs_own_and_kept(pairs, tmp_path):
    def read_averages(predict, measured):
        norms = [each for each in predict.model.layers if hasattr(each, "moving_mean")]
        mean = keras.ops.convert_to_numpy(norms[0].moving_mean)
        return {"mean": float(abs(mean).sum()), "pairs": len(measured)}

    settings = {"cache_folder": tmp_path / "cache", "verbose": 0, "measure": read_averages}
    recipe, columns = RECIPE.change(epochs=1), ["mean", "pairs", "fresh_mean", "fresh_pairs"]
    runs = run_study(recipe, {"base": {}}, (0,), pairs, tmp_path, refresh=True, **settings)
    assert runs.at[0, "fresh_pairs"] == runs.at[0, "pairs"]
    # A step or two of a tenth each leave the averages far behind what the photos give.
    assert runs.at[0, "mean"] < 0.5 * runs.at[0, "fresh_mean"]
    again = run_study(recipe, {"base": {}}, (0,), pairs, tmp_path, refresh=True, **settings)
    assert again[columns].equals(runs[columns])
    assert "fresh_mean" not in run_study(recipe, {"base": {}}, (0,), pairs, tmp_path, **settings)
