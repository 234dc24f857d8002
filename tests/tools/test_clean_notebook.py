import json
import shutil
import subprocess
import sys

import nbformat
import pytest

from tools.clean_notebook import clean, tell_git

NAMES = ("Makefile", ".gitattributes", ".gitignore", "tools/clean_notebook.py", "gpu_test.ipynb")
pytestmark = pytest.mark.skipif(
    not shutil.which("git") or not shutil.which("make"), reason="needs git and make"
)


def git(clone, *words):
    """What git says. A clone stands alone: without the settings of whoever tests."""
    settings = ("-c", "user.name=me", "-c", "user.email=me@example.org")
    answer = subprocess.run(
        ["git", *settings, *words], cwd=clone, capture_output=True, text=True, check=True
    )
    assert not answer.stderr, answer.stderr
    return answer.stdout


@pytest.fixture
def clone(project, tmp_path):
    """A repository with a notebook and its filter, which is not set up."""
    git(tmp_path, "init", "-q")
    for name in NAMES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(project / name, tmp_path / name)
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / ".venv/bin/python").symlink_to(sys.executable)
    return tmp_path


def set_up(clone):
    subprocess.run(["make", "-s", "notebook-filter"], cwd=clone, check=True)


def run_all(clone):
    """What Lab leaves of a notebook that was run: outputs, counts, versions, widgets, folds."""
    path = clone / "gpu_test.ipynb"
    notebook = nbformat.read(path, as_version=4)
    for number, cell in enumerate(notebook.cells):
        cell.metadata["collapsed"] = True
        if cell.cell_type == "code":
            cell.execution_count = number
            cell.outputs = [nbformat.v4.new_output("stream", text=f"cpu: {number}\n")]
            cell.metadata["execution"] = {"iopub.status.busy": "2026-01-01"}
    notebook.metadata.kernelspec.display_name = "Python 3 (ipykernel)"
    notebook.metadata.language_info.version = "3.12.1"
    notebook.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": {"state": {}}}
    nbformat.write(notebook, path)
    return path


def test_a_notebook_that_was_run_has_not_changed_and_commits_no_outputs(clone):
    set_up(clone)
    path = run_all(clone)
    assert git(clone, "diff") == ""
    tell_git({"type": "notebook"}, str(path), contents_manager=None)
    assert git(clone, "status", "--porcelain") == git(clone, "diff") == ""
    changed = json.loads(path.read_text())
    changed["cells"][1]["source"] = ["SIZE = 4096  # of the square matrices"]
    path.write_text(json.dumps(changed))
    diff = git(clone, "diff", "--unified=0").splitlines()
    lines = [line for line in diff if line[0] in "+-" and line[:3] not in ("+++", "---")]
    assert len(lines) == 2 and "4096" in lines[1]
    tell_git({"type": "notebook"}, str(path))
    assert git(clone, "diff", "--cached") == ""  # a change is not staged behind one's back
    git(clone, "commit", "-qam", "larger")
    committed = nbformat.reads(git(clone, "show", "HEAD:gpu_test.ipynb"), as_version=4)
    assert "4096" in committed.cells[1].source
    assert not any(cell.get("outputs") for cell in committed.cells)
    assert committed.cells[1].metadata == {"tags": ["parameters"]}
    assert "cpu: 3" in path.read_text()  # what was seen is still there
    assert git(clone, "status", "--porcelain") == ""


@pytest.mark.parametrize("gone", [".venv", "tools"])
def test_without_the_filter_or_its_file_git_works_as_ever(clone, gone):
    for has_filter in (False, True):
        if has_filter:
            set_up(clone)
            shutil.rmtree(clone / gone)
            git(clone, "add", ".")
        run_all(clone)
        assert " M gpu_test.ipynb" in git(clone, "status", "--porcelain")
        git(clone, "checkout", "-q", "gpu_test.ipynb")
    git(clone, "worktree", "add", "-q", "beside")
    assert git(clone / "beside", "status", "--porcelain") == ""


def test_what_is_no_git_repository_needs_no_filter(clone):
    shutil.rmtree(clone / ".git")
    set_up(clone)
    tell_git({"type": "notebook"}, str(clone / "gpu_test.ipynb"))
    tell_git({"type": "file"}, str(clone / "nowhere" / "notes.txt"))
    tell_git({"type": "notebook"}, str(clone / "nowhere" / "gpu_test.ipynb"))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no notebook",
        b"{}",
        b"[]",
        b"\xff\xfe",
        b'{"cells": 3}',
        b'{"cells": [{"source": 3}]}',
    ],
)
def test_what_is_no_notebook_stays_as_it_is(data):
    assert clean(data) == data
