"""Studies that train; test_notebook_runs has more of them, so that two workers share all."""

import pytest

from tests.test_notebook_runs import read_tables, run_all


@pytest.mark.slow  # four studies, each of which trains networks
def test_studies_of_structure_recipe_data_and_loss_leave_table_and_figure(study, tmp_path):
    root, out = tmp_path / "tiny_nyu", tmp_path / "out"
    changes = {
        "unet_structure": {"BATCH_SIZE": 4},
        "recipe_ablations": {
            "ONLY": ["linear depth"],
            "WEIGHTS": None,
            "MORE": [f"{root}/nyu2_train.csv"] * 2,
        },
        "learning_curve": {"SCENES": (1, 2), "EPOCHS": (1,), "STEPS_OF": 1, "WEIGHTS": None},
        "loss_weights": {"ONLY": ["L1 alone", "scale-invariant"]},
    }
    runs = [study(name, own) for name, own in changes.items()]
    del dict(runs)["experiments/recipe_ablations"]["CACHE"]  # it has no room for that parameter
    run_all(runs, out)
    tables = read_tables(out, changes)
    structures = tables["unet_structure"]
    assert structures.index.tolist() == ["default", "seed", "narrow", "shallow", "full size"]
    assert structures.at["seed", "parameters"] == 8_638_433
    data_changes = ["rendered rooms first", "relative depth too"]
    assert tables["recipe_ablations"].index.tolist() == ["recipe", "linear depth", *data_changes]
    assert tables["learning_curve"].index.tolist() == ["1 scenes", "2 scenes", "1 epochs"]
    assert tables["loss_weights"].index.tolist() == 2 * ["L1 alone", "scale-invariant"]
    measured = ["validation δ1", "F1 of edges"]
    assert tables["loss_weights"]["metric"].unique().tolist() == measured
