"""Every study, run from top to bottom; a file of its own, to run beside the other notebooks."""

import pandas as pd
import pytest

from tests.test_notebook_runs import run_all


@pytest.fixture
def study(tiny_nyu, project, tmp_path, monkeypatch):
    """A function that gives the run of a study, by its name and what it is to change."""
    monkeypatch.chdir(project)
    root, out = tiny_nyu(scenes=4, frames=2, height=64, width=96), tmp_path / "out"
    common = {"DATA": f"{root}/nyu2_train.csv", "CACHE": f"{out}/cache", "SEEDS": (0,)}
    common |= {"HEIGHT": 32, "WIDTH": 64, "EPOCHS": 1}

    def give(name, own):
        files = {"FOLDER": f"{out}/{name}", "FIGURE": f"{out}/{name}.png"}
        if name not in ("learning_curve", "encoders"):  # their tables stand beside their figures
            files["TABLE"] = f"{out}/{name}.csv"
        return f"experiments/{name}", common | files | own

    return give


def read_tables(out, names):
    for name in names:
        assert (out / f"{name}.png").read_bytes().startswith(b"\x89PNG"), name
    return {name: pd.read_csv(out / f"{name}.csv").set_index("variant") for name in names}


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


@pytest.mark.slow  # four studies, each of which trains networks
def test_studies_of_encoders_faults_size_and_light_leave_table_and_figure(study, project, tmp_path):
    root, out = tmp_path / "tiny_nyu", tmp_path / "out"
    test = {"TEST_DATA": f"{root}/nyu2_test.csv"}
    changes = {
        "encoders": {"ENCODERS": ["mobilenet_v2"], "WEIGHTS": {}},
        "original_against_ours": {"ONLY": ["the original as written", "colours and crops"]} | test,
    }
    runs = [study(name, own) for name, own in changes.items()]
    common = runs[0][1]
    sizes = {"SMALL": 32, "LARGE": (48, 64), "ONLY": ["small", "small, middle only", "ours, large"]}
    folders = {name: f"{out}/image_size" for name in ("FOLDER", "FIGURES")}
    kept = {name: common[name] for name in ("DATA", "CACHE", "SEEDS", "EPOCHS")}
    runs.append(("experiments/image_size", kept | test | sizes | folders))
    roads = project / "datasets/sample_roads"
    lights = {name: common[name] for name in ("SEEDS", "HEIGHT", "WIDTH", "EPOCHS")}
    lights |= {"ONLY": ("clean", "mix and consistency"), "WEIGHTS": None}
    lights |= {"DATA": f"{roads}/road_train.csv", "TEST_DATA": f"{roads}/road_test.csv"}
    lights |= {name: f"{out}/lights.{end}" for name, end in (("TABLE", "csv"), ("FIGURE", "png"))}
    runs.append(("experiments/light_and_weather", lights | {"FOLDER": f"{out}/lights"}))
    run_all(runs, out)
    tables = read_tables(out, changes)
    lights = pd.read_csv(out / "lights.csv")
    assert set(lights["model"]) == {"clean", "mix and consistency"}
    assert {"clear", "reflection", "fog_50", "night"} <= set(lights["condition"])
    assert tables["encoders"].at["mobilenet_v2", "milliseconds"] > 0
    against = tables["original_against_ours"].set_index("metric", append=True)["median"]
    assert against.drop(("the original as written", "test δ1, metres")).between(0, 1).all()
    assert against.isna().sum() == 1  # the original knows no metres
    for name in ("losses", "gains", "depths"):
        assert (out / f"image_size/{name}.png").read_bytes().startswith(b"\x89PNG"), name
    sizes = pd.read_csv(out / "image_size/summary.csv").set_index("variant")
    assert sizes.index.tolist() == ["small", "small, middle only", "ours, large"]
    for kind in ("", "fresh_"):
        assert sizes[f"{kind}affine_delta1"].between(0, 1).all(), kind
        assert sizes[f"{kind}spread"].ge(0).all(), kind
