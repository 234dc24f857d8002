import json

import keras
import pytest

from depthlib.data.pairs import find_pairs
from depthlib.data.specs import NYU_TRAIN
from depthlib.networks.saving import save_model
from depthlib.training import run_folder
from depthlib.training.recipes import Recipe
from depthlib.training.run_folder import claim_folder


def test_what_a_run_goes_on_from_takes_a_tenth_of_the_time_at_most(tmp_path, monkeypatch):
    now, epochs, saves = [0.0], [], []
    monkeypatch.setattr(run_folder.time, "perf_counter", lambda: now[0])

    def save(model, path):
        now[0] += 2.0
        saves.append(epochs[-1])

    monkeypatch.setattr(run_folder, "save_model", save)
    record = run_folder.RunRecord(tmp_path, 0, "delta1")
    record.set_model(keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)]))
    record.model.compile("sgd", "mse")
    record.set_params({"epochs": 30})
    for epoch in range(30):
        epochs.append(epoch)
        record.on_epoch_begin(epoch)
        now[0] += 5.0
        record.on_test_end()
        # The first is the best, so that no best.keras comes between.
        record.on_epoch_end(epoch, {"loss": 1.0, "val_delta1": float(epoch == 0)})
    assert saves == [0, 0, 4, 8, 12, 16, 20, 24, 28, 29]  # 20 s apart, 2 s each


def test_a_loss_that_is_no_number_stops_the_run_and_writes_nothing(tmp_path):
    record = run_folder.RunRecord(tmp_path, 0, "delta1")
    with pytest.raises(FloatingPointError, match="nan in epoch 3. Lower `learning_rate`"):
        record.on_epoch_end(2, {"loss": float("nan"), "val_delta1": 0.5})
    assert not list(tmp_path.iterdir())


def test_a_run_of_before_a_field_came_goes_on_where_the_field_has_its_default(tmp_path):
    recipe = Recipe(epochs=3)
    old = {"recipe": recipe.to_dict(), "dataset": "rooms", "split": {}}
    del old["recipe"]["cut_depth"]
    (tmp_path / "run.json").write_text(json.dumps(old))
    claim_folder(tmp_path, {**old, "recipe": recipe.to_dict()})
    with pytest.raises(ValueError, match="differs in recipe"):
        claim_folder(tmp_path, {**old, "recipe": recipe.change(cut_depth=0.5).to_dict()})


def test_a_run_can_be_described_where_there_is_no_git(tiny_nyu, monkeypatch, tmp_path):
    pairs, _ = find_pairs(tiny_nyu(scenes=1), NYU_TRAIN)
    monkeypatch.setenv("PATH", str(tmp_path))
    run = run_folder.describe_run(Recipe(), [pairs], pairs)
    assert run["versions"]["commit"] == "" and run["counts"]["training"] == len(pairs)


def test_a_model_that_cannot_be_written_whole_leaves_the_old_one(tmp_path):
    class Model:
        def save(self, path):
            path.write_bytes(b"half")
            raise OSError(28, "No space left on device")

    path = tmp_path / "last.keras"
    path.write_bytes(b"old")
    with pytest.raises(OSError, match="last.keras.*No space left.*untouched"):
        save_model(Model(), path)
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["last.keras"]
