import keras
import numpy as np
import pytest
from keras import layers

from depthlib.data.pairs import read_csv
from depthlib.data.specs import KITTI, NYU_TRAIN
from depthlib.networks.distillation import add_teacher, take_student
from depthlib.networks.ensemble import build_ensemble
from depthlib.networks.layers import DepthHead
from depthlib.networks.losses import ScaleInvariantLoss
from depthlib.networks.saving import load_model
from depthlib.prediction.predictor import Predictor
from depthlib.training.build import build_network
from depthlib.training.recipes import LIGHT, UNET
from depthlib.training.train import train

SIZE = (64, 96)
PHOTOS = np.random.default_rng(0).integers(0, 256, (3, *SIZE, 3), np.uint8)


def build(height=64, width=96, seed=0, **head):
    """A U-Net of three strides: TensorFlow traces a step of it in a second, a whole one in many."""
    keras.utils.set_random_seed(seed)
    photos = keras.Input((height, width, 3), dtype="uint8")
    x, features = layers.Rescaling(1 / 255)(photos), []
    for filters in (8, 12, 16):
        x = layers.Conv2D(filters, 3, 2, "same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
        features.append(x)
    for skipped in features[-2::-1]:
        x = layers.Concatenate()([layers.UpSampling2D()(x), skipped])
        x = layers.Conv2D(8, 3, padding="same", activation="relu")(x)
    logits = layers.Conv2D(1, 3, padding="same")(layers.UpSampling2D()(x))
    depth = DepthHead(**{"min_depth": 0.1, "max_depth": 10} | head)(logits)
    return keras.Model(photos, depth, name="unet")


@pytest.fixture(scope="module")
def student():
    return build(seed=1)


def test_the_student_answers_as_it_does_alone_and_is_given_back(student):
    model = add_teacher(student, build())
    alone = student.predict(PHOTOS, verbose=0)
    np.testing.assert_allclose(model.predict(PHOTOS, verbose=0), alone, rtol=1e-5)
    taken = take_student(model)
    assert (taken.name, taken.count_params()) == (student.name, student.count_params())
    assert isinstance(taken.layers[-1], DepthHead)
    np.testing.assert_allclose(taken.predict(PHOTOS, verbose=0), alone, rtol=1e-5)
    assert take_student(student) is student


def test_a_fit_moves_the_student_towards_the_teacher_and_not_the_teacher(student):
    teacher, student = build(), build(seed=1)
    model = add_teacher(student, teacher)
    before = [weight.copy() for weight in model.get_layer("teacher").get_weights()]
    loss = ScaleInvariantLoss()
    taught = teacher.predict(PHOTOS, verbose=0)
    start = float(loss(taught, student.predict(PHOTOS, verbose=0)))
    assert [layer.name for layer in model.layers if "hint" in layer.name] == ["hint4", "hint8"]
    model.compile("adam", loss=ScaleInvariantLoss())
    model.optimizer.build(model.trainable_variables)  # else TensorFlow traces the step twice
    unknown = np.zeros((3, *SIZE, 1), np.float32)  # no truth at all: only the teacher teaches
    first, *_, last = (model.train_on_batch(PHOTOS, unknown) for _ in range(30))
    assert last < 0.8 * first
    for old, new in zip(before, model.get_layer("teacher").get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    # As it was trained, by the batch's own averages: the running ones lag after 30 steps.
    assert float(loss(taught, keras.ops.convert_to_numpy(student(PHOTOS, training=True)))) < start


def test_features_at_strides_4_to_32_are_hints_whatever_the_two_encoders():
    student = build_network(UNET.change(height=64, width=96, precision="float32"), NYU_TRAIN)
    recipe = LIGHT.change(height=96, width=128, weights=None, precision="float32")
    model = add_teacher(student, build_network(recipe, NYU_TRAIN))  # of another size
    channels = {name: model.get_layer(name).filters for name in ("hint4", "hint8", "hint16")}
    assert channels == {"hint4": 24, "hint8": 32, "hint16": 96}
    assert model.get_layer("hint32").filters == 320


def test_an_ensemble_teaches_by_its_depth_alone(student):
    model = add_teacher(student, build_ensemble([build(), build(seed=2)]))
    assert not [layer.name for layer in model.layers if "hint" in layer.name]
    model.compile("adam", loss=ScaleInvariantLoss())
    assert model.test_on_batch(PHOTOS, np.zeros((3, *SIZE, 1), np.float32)) > 0.1


def test_a_network_that_was_taught_teaches_in_turn(student):
    taught = take_student(add_teacher(build(seed=2), build()))
    listed = keras.Model(taught.inputs, taught.outputs[0])  # as models/resnet34.keras has it
    for teacher in (taught, listed):
        given = add_teacher(student, teacher).get_layer("teacher")(PHOTOS)[0]
        np.testing.assert_allclose(given, taught.predict(PHOTOS, verbose=0), rtol=1e-5)


@pytest.mark.parametrize(
    ("own", "taught", "factor"),
    [(0.8, 0.8, 1), (1.6, 0.8, 2), (0.4, 0.8, 0.5), (None, 0.8, 1), (0.8, None, 1)],
)
def test_a_teacher_of_another_lens_says_what_it_would_say_of_the_students(own, taught, factor):
    def view(focal):
        return {"focal": focal, "aspect": 1.5, "horizon": None}

    student, teacher = build(seed=1, view=view(own)), build(view=view(taught))
    model = add_teacher(student, teacher)
    said = teacher.predict(PHOTOS, verbose=0) * factor
    said[said > 10] = 0  # beyond what the student can answer
    model.compile(loss=ScaleInvariantLoss())
    found = model.test_on_batch(PHOTOS, np.zeros((3, *SIZE, 1), np.float32))
    lesson = ScaleInvariantLoss()(said, student.predict(PHOTOS, verbose=0))
    hints = add_teacher(build(seed=1), build())  # of no lens: the same but for the depth
    hints.compile(loss=ScaleInvariantLoss())
    hints.set_weights(model.get_weights())
    plain = hints.test_on_batch(PHOTOS, np.zeros((3, *SIZE, 1), np.float32))
    plain_lesson = ScaleInvariantLoss()(
        teacher.predict(PHOTOS, verbose=0), student.predict(PHOTOS, verbose=0)
    )
    assert found - plain == pytest.approx(float(lesson) - float(plain_lesson), abs=1e-4)
    again = keras.models.model_from_json(model.to_json())
    assert again.layers[-1].lens == pytest.approx(factor)


def test_a_teacher_of_another_range_is_refused(student):
    with pytest.raises(ValueError, match=r"\('metre', 80.0\) for \('metre', 10.0\)"):
        add_teacher(student, build(max_depth=KITTI.max_depth))
    with pytest.raises(ValueError, match="Conv2D for"):
        add_teacher(student, keras.Model(student.inputs, student.layers[-1].input))


@pytest.mark.parametrize("size", ["small", pytest.param("whole", marks=pytest.mark.slow)])
def test_a_run_with_a_teacher_goes_on_and_leaves_the_student_alone(
    tiny_nyu, tmp_path, monkeypatch, size
):
    def build_student(recipe, spec):
        return build(recipe.height, recipe.width, recipe.seed, dataset=spec.name)

    if size == "small":
        monkeypatch.setattr("depthlib.training.build._build", build_student)
    root = tiny_nyu(scenes=4, frames=2, height=64, width=96)
    pairs = read_csv(root / "nyu2_train.csv", NYU_TRAIN)
    recipe = UNET.change(network="unet_narrow", height=64, width=96, batch_size=4, epochs=2)
    recipe = recipe.change(precision="float32", validation=0.25)
    build_network(recipe, NYU_TRAIN).save(tmp_path / "teacher.keras")
    taught = recipe.change(teacher=f"{tmp_path}/teacher.keras", mix=0.5)
    settings = {"cache_folder": tmp_path / "cache", "verbose": 0}
    log = train(taught, pairs, tmp_path / "run", minutes=0, **settings)
    assert len(log) == 1
    log = train(taught, pairs, tmp_path / "run", keep_epochs=True, **settings)
    assert log["epoch"].tolist() == [1, 2] and log["loss"].gt(0).all()
    files = ("best.keras", "last.keras", "epochs/002.keras")
    networks = [load_model(tmp_path / "run" / name) for name in files]
    for network in networks:
        assert network.name == "unet"
        depth = Predictor(network)([PHOTOS[0]])[0]
        assert depth.shape == SIZE and 0.1 <= depth.min() <= depth.max() <= 10
    assert len(networks[0].weights) == len(build_network(recipe, NYU_TRAIN).weights)
