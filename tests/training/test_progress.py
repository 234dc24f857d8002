import re
from types import SimpleNamespace

import keras
import nbformat
import numpy as np
import pytest
from IPython.core.inputtransformer2 import TransformerManager

from depthlib import plotting
from depthlib.data.pairs import read_csv
from depthlib.data.specs import NYU_TRAIN
from depthlib.networks.layers import DepthHead
from depthlib.training import progress
from depthlib.training.run_folder import RunRecord
from depthlib.training.train import open_batches, train
from tests.training.test_train import RECIPE


def build_tiny(recipe, spec):
    """A convolution and a head that carries the unit, as `build._build` would."""
    photos = keras.Input((recipe.height, recipe.width, 3), dtype="uint8")
    x = keras.layers.Rescaling(1 / 255)(photos)
    logits = keras.layers.Conv2D(1, 3, padding="same", name="final_conv")(x)
    unit = "relative" if recipe.normalise else spec.unit
    depth = DepthHead(spec.min_depth, spec.max_depth, unit=unit, dataset=spec.name)(logits)
    return keras.Model(photos, depth, name="tiny")


@pytest.fixture(autouse=True)
def tiny_network(monkeypatch):
    monkeypatch.setattr("depthlib.training.build._build", build_tiny)


@pytest.fixture
def root(tiny_nyu):
    return tiny_nyu(scenes=4, frames=2)


@pytest.fixture
def kernel(monkeypatch):
    """What a Jupyter kernel was asked to show: a picture's path and the place of its display."""
    shown = []

    def display(picture, display_id):
        shown.append(("new", picture))
        return SimpleNamespace(update=lambda picture: shown.append(("in place", picture)))

    ipython = SimpleNamespace(
        get_ipython=lambda: SimpleNamespace(kernel=object()),
        display=SimpleNamespace(Image=lambda filename: filename, display=display),
    )
    # Matplotlib looks there too, so not in sys.modules itself.
    monkeypatch.setattr(progress, "sys", SimpleNamespace(modules={"IPython": ipython}))
    return shown


def test_a_notebook_sees_one_figure_from_before_the_first_step_to_the_last_epoch(
    root, tmp_path, kernel, capsys
):
    pairs, run = read_csv(root / "nyu2_train.csv", NYU_TRAIN), tmp_path / "run"
    recipe = RECIPE.change(epochs=2)
    train(recipe, pairs, run, verbose=2)
    picture = run / "history.png"
    assert picture.read_bytes().startswith(b"\x89PNG")
    # Before the first step, and the last epoch, however short the epochs are.
    assert kernel[0] == ("new", picture) and ("in place", picture) in kernel[1:]
    said = capsys.readouterr().out
    assert said.index("Compiling the first step") < said.index("Epoch 1/2")
    train(recipe, pairs, run, verbose=2)  # finished: it shows what is there
    assert kernel[-1] == ("new", picture)
    train(recipe, pairs, tmp_path / "quiet", verbose=0)
    assert not (tmp_path / "quiet" / "history.png").exists()


def test_where_epochs_are_short_only_some_are_drawn_but_always_the_last(
    root, tmp_path, monkeypatch
):
    drawn = []

    def show(log, example, unit):
        drawn.append((len(log), [*example], unit))
        return plotting.plt.figure()

    monkeypatch.setattr(progress, "show_history", show)
    pairs = read_csv(root / "nyu2_train.csv", NYU_TRAIN)
    _, batches = open_batches(RECIPE, [pairs], pairs, None)
    record = RunRecord(tmp_path, 0, "delta1")
    figure = progress.HistoryFigure(record, batches)
    record.set_model(build_tiny(RECIPE, NYU_TRAIN))
    figure.on_train_begin()
    for epoch in range(3):
        figure.seconds = 0.0 if epoch == 0 else 1e6
        figure.on_test_end()
        record.log = record.log.reindex(range(epoch + 1))
        figure.on_epoch_end(epoch)
    figure.on_train_end()
    photos = ["validation photo", "true depth"]
    assert drawn == [
        (epochs, [*photos, f"predicted depth, epoch {epochs}"], "metre") for epochs in (0, 1, 3)
    ]
    # The photo and its truth are as the files have them, whatever the network says.
    rgb, truth = pairs.select(np.array([len(pairs) // 2])).load()
    np.testing.assert_array_equal(figure.photo[0], rgb[0])
    np.testing.assert_allclose(figure.truth, truth[0], atol=1e-3)


RELATIVE = {"SPEC": "nyu_relative", "CHANGES": {"batch_size": 4, "validation": 0.5}}
ORIGINAL = {"CHANGES": {"batch_size": 4, "normalise": True, "loss": "depth"}}
ALL_TRAIN = {"CHANGES": {"batch_size": 4, "validation": 0}}


@pytest.mark.parametrize(
    ("name", "changes", "said"),
    [
        ("train_resnet", RELATIVE, r"epoch [12] of 2, with validation SILog \d"),
        ("train_unet", ORIGINAL, r"epoch [12] of 2, with validation SILog \d"),
        ("train_kitti_unet", ALL_TRAIN, "epoch 2 of 2, the last one, as nothing was validated"),
        ("train_kitti_resnet", {}, r"epoch [12] of 2, with validation δ1 0\.\d{3}, AbsRel \d"),
    ],
)
def test_the_notebooks_train_whatever_depth_is_and_say_the_best_epoch(
    name, changes, said, root, project, tmp_path, capsys
):
    """Their cells, run here: a kernel would take TensorFlow's import and a real network's trace."""
    if "SPEC" in changes:  # relative depth has another folder
        (root / "relative_1").mkdir()
        for path in sorted(root.glob("nyu2_train/*/*.*")):
            path.rename(root / "relative_1" / f"{path.parent.name}_{path.name}")
        rows = [f"relative_1/{path.name}" for path in sorted(root.glob("relative_1/*.jpg"))]
        table = "".join(f"{row},{row.replace('jpg', 'png')}\n" for row in rows)
        (root / "nyu2_train.csv").write_text(table)
    parameters = {"DATA": str(root / "nyu2_train.csv"), "SPEC": "nyu_train", "WEIGHTS": None}
    parameters |= {"HEIGHT": 32, "WIDTH": 48, "EPOCHS": 2, "RUN": str(tmp_path / "run")}
    parameters |= {"CACHE": str(tmp_path / "cache"), "VERBOSE": 2, **changes}
    cells = nbformat.read(project / f"{name}.ipynb", as_version=4).cells
    names: dict = {}
    for cell in cells:
        if cell.cell_type == "code":
            exec(TransformerManager().transform_cell(cell.source), names)
            if cell.metadata.get("tags") == ["parameters"]:
                names.update(parameters)
    assert (tmp_path / "run" / "history.png").read_bytes().startswith(b"\x89PNG")
    assert re.search(f"run/best.keras: {said}", capsys.readouterr().out)
