import re

import numpy as np
import pytest

from depthlib.data.images import read_rgb
from depthlib.data.pairs import read_csv
from depthlib.data.specs import NYU_TEST
from depthlib.evaluation import evaluate
from depthlib.metrics import NYU_DENSEDEPTH
from depthlib.networks.saving import load_model
from depthlib.networks.shipped import SHIPPED
from depthlib.prediction.predictor import Predictor


@pytest.mark.parametrize("name", ["resnet34", "unet", "light", "best"])
def test_a_network_that_ships_has_its_card_and_tells_metres_from_its_path_alone(
    name, project, sample
):
    path = project / "models" / f"{name}.keras"
    assert path.stat().st_size < 50e6
    card = path.with_suffix(".md").read_text()
    for word in ("data", "command", "seed", "hardware", "Bad at", "Licence"):
        assert word in card, word
    model = load_model(path)
    assert model.name == (SHIPPED[name].network or "ensemble")
    assert {weight.dtype for weight in model.weights} == {"float32"}
    predict = Predictor(model)
    assert (predict.unit, predict.dataset) == ("metre", "nyu_train")
    photos = [read_rgb(photo) for photo in sorted(sample.glob("nyu2_test/*_colors.png"))[::20]]
    for depth in predict(photos):
        assert depth.shape == photos[0].shape[:2]
        assert 0.5 < np.median(depth) < 8, "rooms are metres deep, not millimetres"


@pytest.mark.slow  # four networks on all photos of the sample's test set
@pytest.mark.parametrize("name", ["resnet34", "unet", "light", "best"])
def test_a_network_has_the_metrics_of_its_original_to_the_third_decimal(name, project, sample):
    card = " ".join((project / f"models/{name}.md").read_text().split())
    told = re.search(r"float32 original.*?δ1 ([\d.]+), AbsRel ([\d.]+), RMSE ([\d.]+) m", card)
    pairs = read_csv(sample / "nyu2_test.csv", NYU_TEST)
    predict = Predictor(load_model(project / f"models/{name}.keras"))
    means = evaluate(predict, pairs, NYU_DENSEDEPTH)[["delta1", "abs_rel", "rmse"]].mean()
    assert means.tolist() == pytest.approx([float(number) for number in told.groups()], abs=6e-4)


def test_the_roads_network_has_its_card_and_puts_the_road_before_the_wheels_and_far_away(project):
    card = (project / "models/road.md").read_text()
    for word in ("data", "command", "seed", "hardware", "Bad at", "Licence"):
        assert word in card, word
    predict = Predictor(load_model(project / "models/road.keras"))
    assert (predict.unit, predict.dataset, predict.max_depth) == ("metre", "kitti", 200)
    scenes = project / "datasets/sample_roads/test"
    for path in sorted(scenes.glob("*/overcast.jpg"))[:3]:
        (depth,) = predict([read_rgb(path)])
        rows = np.median(depth, axis=1)
        assert 1 < rows[-1] < 8 and rows[-1] < rows[180] < rows[140], path
