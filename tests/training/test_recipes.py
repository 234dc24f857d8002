import json
from pathlib import Path

import numpy as np
import pytest

from depthlib.training.recipes import (
    ORIGINAL_RESNET34,
    ORIGINAL_UNET,
    RECIPES,
    Recipe,
    get_recipe,
    is_network,
    read_changes,
)


def test_the_originals_two_runs_are_as_published():
    for recipe, size, batch, weights, schedule in (
        (ORIGINAL_RESNET34, (128, 128), 16, (1.0, 3.0, 0.1), "constant"),
        (ORIGINAL_UNET, (240, 320), 4, (1.0, 1.0, 0.1), "linear"),
    ):
        assert (recipe.height, recipe.width) == size
        assert (recipe.batch_size, recipe.epochs, recipe.counts) == (batch, 10, (20_000, 5_000))
        assert (recipe.learning_rate, recipe.schedule) == (1e-4, schedule)
        assert (recipe.optimizer, recipe.loss_weights) == ("adam_amsgrad", weights)


def test_a_recipe_takes_the_weights_of_a_network_that_ships_by_its_name():
    for name in ("light", "resnet34", "unet", "road"):
        assert get_recipe(name, weights=name).weights == name
    assert get_recipe("fine_tune").weights == "light"
    assert is_network("light") and is_network("runs/a/best.keras")
    assert not is_network("imagenet") and not is_network("light.h5")


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
        ({"epochs": 0}, "`epochs` must be an integer, at least 1 and .*Received: epochs=0"),
        ({"learning_rate": -1.0}, "`learning_rate` must be a number, above 0 and at most 1. "),
        ({"consistency": 1.0}, "consistency=1.0, weather=0.0, augment=True. Use weather=1"),
        ({"mix": 0.5}, "`mix` needs a teacher, .*mix=0.5, teacher=None, augment=True. Use mix=0"),
        ({"split": "room"}, "`split` must be one of scene, frame. Received: split='room'"),
        ({"channels": "hsv"}, "`channels` must be one of rgb, bgr"),
        ({"normalise": True}, "`normalise` needs the loss .*Received: loss='scale_invariant'"),
        (
            {"weather": 1.5},
            "`weather` must be a number, at least 0 and at most 1. Received: weather=1.5",
        ),
        ({"loss": "depth", "loss_weights": (0, 0, 0)}, "`loss_weights` must leave a term"),
        ({"network": "unet", "weights": "imagenet"}, "U-Net must be a .keras file.*weights=None"),
        ({"network": "unet_seed", "weights": "a.h5"}, "U-Net must be a .keras file.*'a.h5'"),
        (
            {"weights": "light"},
            "'light', which is mobilenet_v2, for network='resnet34'. Use resnet34",
        ),
        ({"weights": "best"}, "'best', which is two networks as one, for .* Use resnet34 or None"),
        ({"network": "unet_seed", "weights": "unet"}, "'unet', which is unet, for .*. Use None"),
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


@pytest.mark.parametrize(
    "change",
    [
        "height=abc", "width=192.0", "height=-32", "height=1e9", "batch_size=0", "batch_size=True",
        "epochs=1.5", "epochs='3'", "epochs=None", "epochs=nan", "learning_rate=1e30",
        "learning_rate=0", "learning_rate=fast", "learning_rate=1e999", "learning_rate=True",
        "weight_decay=-1", "weight_decay=1e30", "encoder_rate=-0.1", "encoder_rate=2",
        "clip_norm=-1", "clip_norm=0", "clip_norm=1e999", "average=1", "average=-0.5",
        "loss_weights=3", "loss_weights=(1, 3)", "loss_weights=(1, 3, 'a')",
        "loss_weights=(1, 3, -1)", "loss_weights=(1, 3, 1e999)", "consistency=-1",
        "consistency=1e30", "teacher=5", "weights=0", "weights=('a.keras',)", "augment=1",
        "augment=yes", "jitter=1.5", "jitter=(0, 1)", "crop=-0.1", "rotation=90", "rotation=-1",
        "boxes=2", "whole=1", "max_depth=0", "max_depth=1e9",
        "cut_depth=2", "mix=1.1", "effects=fog", "effects=5", "effects=()", "effects=(1,)",
        "validation=1", "validation=-0.2", "validation=20%", "counts=5", "counts=(8,)",
        "counts=(0, 2)", "counts=(8, -1)", "counts=(8.0, 2)", "counts=(8, True)", "scenes=0",
        "scenes=1.5", "crop_border=maybe", "crop_border=0", "normalise=None", "normalise=''",
        "seed=-1", "seed=0.5", "seed=4294967296", "network=7", "schedule=None", "split=[]",
        "loss={1: 2}", "precision=float16", "height={[1]: 2}", "height=((((((", "epochs=",
        "weights=", "teacher=", "effects=('',)",
    ],
)  # fmt: skip
def test_a_value_of_another_type_or_beyond_its_range_is_refused_by_its_field(change):
    name = change.partition("=")[0]
    with pytest.raises(ValueError, match=rf"^`{name}` must be .*Received: {name}="):
        Recipe(**read_changes([change]))


def test_no_number_is_not_a_number_for_any_field():
    numbers = [name for name, value in Recipe().to_dict().items() if isinstance(value, int | float)]
    assert len(numbers) > 15
    for name in numbers:
        for value in (float("nan"), float("inf"), -float("inf"), np.float32("nan"), 10**400):
            with pytest.raises(ValueError, match=f"^`{name}` must be .*Received: {name}="):
                Recipe(**{name: value})


def test_numpys_scalars_lists_and_paths_are_what_a_recipe_takes_for_its_own():
    recipe = Recipe(
        epochs=np.int64(3),
        seed=np.uint8(7),
        learning_rate=np.float32(0.5),
        jitter=1,
        crop_border=np.bool_(True),
        loss_weights=[1, np.float64(3), 0],
        counts=[np.int32(8), 0],
        effects=["fog"],
        teacher=Path("runs/a/best.keras"),
    )
    expected = Recipe(
        epochs=3, seed=7, learning_rate=0.5, jitter=1.0, crop_border=True, counts=(8, 0),
        loss_weights=(1.0, 3.0, 0.0), effects=("fog",), teacher="runs/a/best.keras",
    )  # fmt: skip
    assert recipe == expected and hash(recipe) == hash(expected)
    text = json.dumps(recipe.to_dict())
    assert text == json.dumps(expected.to_dict()) and Recipe(**json.loads(text)) == recipe


def test_what_a_field_must_be_is_said_in_words():
    for fields, words in (
        ({"counts": 5}, "a tuple of 2 (an integer, at least 1 and at most 10000000; an integer, "),
        ({"loss_weights": 1}, "a tuple of 3 (a number, at least 0 and at most 1000). Received"),
        ({"clip_norm": 0}, "a number, above 0 and at most 1000, or None. Received: clip_norm=0."),
        ({"effects": "fog"}, "a tuple such as (one,), each a non-empty string, or None. Received"),
        ({"average": 1}, "a number, at least 0 and below 1. Received: average=1."),
        ({"crop_border": "maybe"}, "True or False. Received: crop_border='maybe'."),
    ):
        with pytest.raises(ValueError) as refused:
            Recipe(**fields)
        assert words in str(refused.value)


def test_a_field_that_a_recipe_lacks_is_named():
    with pytest.raises(ValueError, match="has the fields network, .*Received: epoch, lr. Correct"):
        Recipe().change(epoch=3, lr=0.1, seed=1)


def test_changes_are_read_from_words_as_numbers_where_they_are():
    words = ["epochs=2", "weights=imagenet", "counts=(8, 2)", "clip_norm=None"]
    assert read_changes([*words, "effects='fog','rain'"]) == {
        "epochs": 2, "weights": "imagenet", "counts": (8, 2), "clip_norm": None,
        "effects": ("fog", "rain"),
    }  # fmt: skip
    for word in ("epochs", "steps=3"):
        with pytest.raises(ValueError, match=f"field=value. Received: '{word}'. Fields: network, "):
            read_changes([word])
