"""What a user types: a right value, or an error of ours that repeats it. Hypothesis draws it."""

import contextlib
import io
import json
import os
import shutil
import tempfile
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from depthlib.__main__ import main
from depthlib.data.dataset_file import _RULES, describe_spec, make_spec
from depthlib.data.lenses import parse_focal
from depthlib.data.stereo.boards import parse_board
from depthlib.prediction.known_distance import KnownDistance
from depthlib.prediction.onnx import PeerSpec
from depthlib.training.recipes import Recipe, read_changes
from tests.fuzz.boundaries import draw_rgb
from tests.onnx_files import write_own_onnx
from tests.test_makefile import MAKE, add_python, words_of

TRIES = int(os.environ.get("FUZZ_TRIES", "30"))
fuzz = settings(
    max_examples=TRIES,
    deadline=60_000,
    derandomize="FUZZ_TRIES" not in os.environ,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

TEXTS = st.text(max_size=12) | st.sampled_from(
    ["", " ", "nan", "inf", "1e400", "-0", "1/0", "..", "/", "\0", "\ud800", "'", "$(id)", "٣",
     "1_0", "0x1", "9" * 5000, "exif", "26mm", "518px", "0.75", "9x6", "light", "none", "None",
     "True"]
)  # fmt: skip
SCALARS = (
    TEXTS | st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from([10**30, -1])
)
VALUES = st.recursive(
    SCALARS, lambda v: st.lists(v, max_size=4) | st.dictionaries(TEXTS, v, max_size=2), max_leaves=6
)


@fuzz
@given(st.sampled_from([field.name for field in fields(Recipe)]), VALUES)
@example("counts", [1])
@example("loss_weights", [1])
@example("effects", [["fog"]])
def test_a_recipe_takes_a_value_that_json_keeps_or_refuses_it_by_the_fields_name(name, value):
    try:
        recipe = Recipe().change(**{name: value})
    except ValueError as error:
        assert name in str(error) and type(error) is ValueError
        return
    assert Recipe(**json.loads(json.dumps(recipe.to_dict()))) == recipe


@fuzz
@given(TEXTS, TEXTS)
@example("epochs", "(" * 3000)
@example("epochs", "9" * 5000)
def test_words_of_a_recipe_are_changes_or_refused(name, value):
    with contextlib.suppress(ValueError):
        assert read_changes([f"{name}={value}"])
    read_changes([f"epochs={value.replace('=', '')}"])


@fuzz
@given(st.dictionaries(st.sampled_from([*_RULES]) | TEXTS, VALUES, max_size=5))
def test_a_dataset_is_described_by_what_reads_back_the_same_or_refused(given_fields):
    given_fields = {"metres_per_count": 0.001, **given_fields, "name": "fuzz"}
    try:
        spec = make_spec(**given_fields)
    except ValueError as error:
        assert type(error) is ValueError and len(str(error)) > 20
        return
    assert make_spec(**json.loads(json.dumps(describe_spec(spec)))) == spec


@fuzz
@given(TEXTS, st.sampled_from([parse_focal, PeerSpec.parse, KnownDistance.parse]))
@example("size=9x9,size=", PeerSpec.parse)
@example("1,1,2,2=" + "9" * 400, KnownDistance.parse)
def test_words_that_mean_numbers_are_read_or_refused(text, parse):
    with contextlib.suppress(ValueError):
        parse(text)


@fuzz
@given(TEXTS, SCALARS)
def test_words_that_mean_a_board_are_read_or_refused(text, square):
    with contextlib.suppress(ValueError):
        parse_board(text, square if isinstance(square, float) else 0.02)


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    """A folder with a photo, a network, a list and a user's own files; commands run there."""
    from depthlib.data.images import write_rgb

    folder = tmp_path_factory.mktemp("shelf")
    write_rgb(folder / "a.jpg", draw_rgb())
    write_own_onnx(folder / "own.onnx")
    (folder / "list.txt").write_text("a.jpg\n")
    for name in ("mine.csv", "mine.pdf", "mine.yml"):
        (folder / name).write_text("made by hand")
    return folder


OPTIONS = {
    "predict": ["--model", "--focal", "--camera", "--known", "--save", "--runtime", "--flip"],
    "label": ["--teacher", "--combine", "--focal", "--long-side", "--every", "--least-confidence"],
    "data": ["--photos", "--depth", "--spec", "--focal", "--test", "--check", "--tolerance"],
    "evaluate": ["--data", "--spec", "--root", "--protocol", "--align", "--depth-scale", "--out"],
    "stereo": [
        "board",
        "calibrate",
        "match",
        "--board",
        "--square",
        "--left",
        "--right",
        "--rig",
        "--out",
        "--figure",
    ],
}
WORDS = TEXTS | st.sampled_from(
    ["a.jpg", "own.onnx", "list.txt", "mine.csv", "mine.pdf", "mine.yml", "."]
)
PAIRS = st.tuples(st.integers(0, 9), WORDS)


@fuzz
@given(st.sampled_from([*OPTIONS]), WORDS, st.lists(PAIRS, max_size=3))
@example("stereo", "board", [(4, "0.03"), (8, "mine.pdf")])
@example("stereo", "calibrate", [(4, "0.03"), (5, "a.jpg"), (6, "a.jpg"), (8, "mine.yml")])
@example("evaluate", "own.onnx", [(0, "list.txt"), (6, "mine.csv")])
def test_a_command_ends_with_a_status_or_one_line_and_writes_where_it_was_told(
    shelf, tmp_path, command, path, options
):
    words = [command, path]
    for number, value in options:
        words += [OPTIONS[command][number % len(OPTIONS[command])], value]
    out = tmp_path / "out"
    if command in ("predict", "label", "data"):
        words += ["--out", str(out)]
    words += {"predict": ["--model", "own.onnx"], "label": ["--teacher", "own.onnx"]}.get(
        command, []
    )
    before, here = {file.name: file.read_bytes() for file in shelf.iterdir()}, Path.cwd()
    os.chdir(shelf)
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
            status = main(words)
        assert status in (0, 1)
    except SystemExit as end:
        assert end.code == 2 or isinstance(end.code, str) or end.code == 0, end.code
    finally:
        os.chdir(here)
        shutil.rmtree(out, ignore_errors=True)
    assert "Traceback" not in said.getvalue()
    assert {file.name: file.read_bytes() for file in shelf.iterdir()} == before


@pytest.mark.skipif(not MAKE, reason="needs make")
@fuzz
@given(st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=12))
@example("$(shell touch bad)")
@example("'; touch bad #")
@example("a\nb")
def test_a_variable_of_make_reaches_python_as_it_was_typed(value):
    value = value.lstrip()  # which make does too
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        _set_up(place)
        *_, ran = words_of(place, "train-unet", f"RUN={value}")
        assert ran == ["tools.run_notebooks", "train_unet.ipynb", f"RUN={value}"]
        assert not (place / "bad").exists()


def _set_up(place: Path) -> None:
    project = Path(__file__).parents[2]
    for name in ("Makefile", "requirements.txt", "pyproject.toml"):
        shutil.copy(project / name, place)
    (place / "experiments").mkdir()
    (place / "bin").mkdir()
    for program in ("sh", "mkdir", "cp", "mv", "rm", "touch", "awk", "echo"):
        (place / "bin" / program).symlink_to(shutil.which(program))
    add_python(place, "python3", "3.11")
