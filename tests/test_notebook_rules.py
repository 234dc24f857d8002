import ast
import re
from pathlib import Path

import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager

from tools.clean_notebook import clean

PROJECT = Path(__file__).parents[1]
NOTEBOOKS = sorted([*PROJECT.glob("*.ipynb"), *PROJECT.glob("experiments/*.ipynb")])
NAMED = (
    "start_here make_dataset gpu_test train_resnet train_unet predict_resnet predict_unet "
    "predict_resnet_real_images predict_unet_real_images predict_video compare_two_models "
    "make_kitti_dataset make_stereo_dataset train_kitti_resnet train_kitti_unet "
    "train_from_stereo train_from_video"
).split()

IN_EXPERIMENTS = "Path.cwd().name == 'experiments'"
IN_COLAB = "'google.colab' in sys.modules"
FETCHES = re.compile(r"\bpip\b|git clone|kagglehub|urlretrieve|wget|curl")


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request):
    return nbformat.read(request.param, as_version=4)


def parse(source):
    """The code of a cell, with IPython's %magic and !commands turned into calls."""
    return ast.parse(TransformerManager().transform_cell(source))


def condition_of(node):
    return ast.unparse(node.test) if isinstance(node, ast.If) else ""


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_the_notebooks_of_the_design_are_there():
    assert set(NAMED) <= {path.stem for path in NOTEBOOKS}


def test_it_is_as_gits_filter_writes_it(request, notebook):
    """Else one that was run and saved would have changed."""
    data = request.node.callspec.params["notebook"].read_bytes()
    assert clean(data) == data


def test_it_is_short(notebook):
    assert len(notebook.cells) <= 12
    for cell in notebook.cells:
        assert len(cell.source.splitlines()) <= 12, cell.source


def test_it_is_valid_and_carries_no_outputs(notebook):
    nbformat.validate(notebook)
    for cell in code_cells(notebook):
        assert not cell.outputs
        assert cell.execution_count is None


def test_the_first_cell_says_in_words_what_it_is_with_the_badge(notebook, request):
    first = notebook.cells[0]
    path = request.node.callspec.params["notebook"].relative_to(PROJECT).as_posix()
    assert first.cell_type == "markdown"
    assert first.source.startswith("# ")
    assert re.search(rf"colab-badge.*colab\.research\.google\.com/.*/{path}\)", first.source)


def test_the_second_cell_holds_the_parameters_each_with_a_comment(notebook):
    cell = notebook.cells[1]
    assert cell.metadata.get("tags") == ["parameters"]
    for line in cell.source.splitlines():
        assert re.fullmatch(r"[A-Z][A-Z0-9_]* = .+  # .+", line), line
    assert [tags for cell in notebook.cells[2:] if (tags := cell.metadata.get("tags"))] == []


def test_the_third_cell_holds_all_imports(notebook, request):
    """A study's: the third finds the project's folder, the fourth begins with its imports."""
    study = request.node.callspec.params["notebook"].parent.name == "experiments"
    cell = notebook.cells[2]
    assert cell.cell_type == "code"
    for node in parse(cell.source).body:
        is_import = isinstance(node, ast.Import | ast.ImportFrom)
        allowed = {IN_COLAB, IN_EXPERIMENTS} if study else {IN_COLAB}
        assert is_import or condition_of(node) in allowed, ast.unparse(node)
    if study:
        kinds = [
            isinstance(n, ast.Import | ast.ImportFrom) for n in parse(notebook.cells[3].source).body
        ]
        assert kinds[0] and kinds == sorted(kinds, reverse=True)
    for cell in code_cells(notebook)[3 if study else 2 :]:
        imports = [n for n in parse(cell.source).body if isinstance(n, ast.Import | ast.ImportFrom)]
        assert not imports, cell.source


def test_it_defines_nothing(notebook):
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda
    for cell in code_cells(notebook):
        assert not any(isinstance(node, kinds) for node in ast.walk(parse(cell.source)))
        assert "%run" not in cell.source


def test_it_fetches_only_in_colab_or_when_a_parameter_asks(notebook):
    for cell in code_cells(notebook):
        for node in parse(cell.source).body:
            asked = condition_of(node) == IN_COLAB or condition_of(node).isupper()
            assert asked or not FETCHES.search(ast.unparse(node)), ast.unparse(node)
