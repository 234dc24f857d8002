import json

import pytest

from depthlib.training.recipes import (
    ORIGINAL_RESNET34,
    ORIGINAL_UNET,
    RECIPES,
    get_recipe,
    read_changes,
)


def test_the_seeds_two_runs_are_as_published():
    for recipe, size, batch, weights, schedule in (
        (ORIGINAL_RESNET34, (128, 128), 16, (1.0, 3.0, 0.1), "constant"),
        (ORIGINAL_UNET, (240, 320), 4, (1.0, 1.0, 0.1), "linear"),
    ):
        assert (recipe.height, recipe.width) == size
        assert (recipe.batch_size, recipe.epochs, recipe.counts) == (batch, 10, (20_000, 5_000))
        assert (recipe.learning_rate, recipe.schedule) == (1e-4, schedule)
        assert (recipe.optimizer, recipe.loss_weights) == ("adam_amsgrad", weights)


def test_a_recipe_is_changed_into_a_new_one_and_none_leaves_a_field():
    changed = get_recipe("unet", epochs=3, height=None)
    assert (changed.epochs, changed.height) == (3, RECIPES["unet"].height)
    assert RECIPES["unet"].epochs != 3


def test_every_recipe_survives_json():
    for recipe in RECIPES.values():
        assert json.loads(json.dumps(recipe.to_dict())) == recipe.to_dict()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"network": "vgg"}, "`network` must be one of resnet18.*Received: network='vgg'"),
        ({"loss": "mse"}, "`loss` must be one of"),
        ({"depth_scale": "cubic"}, "`depth_scale` must be one of linear, log, bins"),
        ({"epochs": 0}, "`epochs` must be positive. Received: epochs=0"),
        ({"learning_rate": -1.0}, "`learning_rate` must be positive"),
        ({"consistency": 1.0}, "consistency=1.0, weather=0.0, augment=True. Use weather=1"),
        ({"mix": 0.5}, "`mix` needs a teacher, .*mix=0.5, teacher=None, augment=True. Use mix=0"),
        ({"split": "room"}, "`split` must be one of scene, frame. Received: split='room'"),
        ({"channels": "hsv"}, "`channels` must be one of rgb, bgr"),
        ({"normalise": True}, "`normalise` needs the loss .*Received: loss='scale_invariant'"),
        ({"weather": 1.5}, "`weather` must be 0 to 1. Received: weather=1.5"),
        (
            {"effects": ("snow",)},
            r"`effects` must be a tuple of names of shadow, .*Received: effects=\('snow'",
        ),
    ],
)
def test_a_choice_that_makes_no_sense_is_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        get_recipe("resnet34", **fields)
    with pytest.raises(ValueError, match="`recipe` must be one of resnet34, unet"):
        get_recipe("resnet18")


def test_changes_are_read_from_words_as_numbers_where_they_are():
    words = ["epochs=2", "weights=imagenet", "counts=(8, 2)", "clip_norm=None"]
    assert read_changes([*words, "effects='fog','rain'"]) == {
        "epochs": 2, "weights": "imagenet", "counts": (8, 2), "clip_norm": None,
        "effects": ("fog", "rain"),
    }  # fmt: skip
    for word in ("epochs", "steps=3"):
        with pytest.raises(ValueError, match=f"field=value. Received: '{word}'. Fields: network, "):
            read_changes([word])
