import os
import signal
import subprocess
import sys
from functools import partial

import nbformat
import pytest

from tools.run_notebooks import main, run_notebooks

PARAMETERS = 'COUNT = 3  # of what\nNAME = "a"  # of it\nSIZE = None  # height and width'


@pytest.fixture
def notebook(tmp_path, monkeypatch):
    """A function that writes small.ipynb, with parameters and one cell of code."""
    monkeypatch.chdir(tmp_path)

    def write(code):
        cells = [nbformat.v4.new_code_cell(PARAMETERS), nbformat.v4.new_code_cell(code)]
        cells[0].metadata.tags = ["parameters"]
        metadata = {
            "kernelspec": {"name": "a-kernel-of-mine", "display_name": "", "language": "python"}
        }
        nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=metadata), "small.ipynb")

    return write


def test_a_notebook_runs_with_its_parameters_and_shows_what_it_prints(notebook, tmp_path, capsys):
    notebook("from pathlib import Path\nprint(COUNT + 1, NAME + 'b', SIZE)\nPath.cwd().name")
    main(["small.ipynb", "COUNT=4", "NAME=5", "SIZE=(32, 48)", "--output", "runs"])
    shown = capsys.readouterr().out
    assert "[1/1] small.ipynb" in shown
    assert f"5 5b [32, 48]\n'{tmp_path.name}'" in shown
    assert (tmp_path / "runs" / "small.ipynb").exists()


def test_a_progress_bar_is_a_line_with_its_name(notebook, capsys):
    bar = "tqdm(range(2), 'road & rooms', mininterval=0)"
    notebook(f"from tqdm.auto import tqdm\nfor step in {bar}: pass\nprint('over')")
    main(["small.ipynb", "--output", "runs"])
    shown = capsys.readouterr()
    *steps, last = shown.err.rstrip("\n").split("\r")
    assert any(step.startswith("road & rooms:  50% 1/2 [") for step in steps)
    assert last.startswith("road & rooms: 100% 2/2 [") and shown.err.endswith("]\n")
    assert "HBox" not in shown.out and "over" in shown.out


def test_a_notebook_that_fails_stops_the_rest_with_its_own_words(notebook, capsys):
    notebook("raise ValueError('the height is odd')")
    with pytest.raises(SystemExit) as stop:
        main(["small.ipynb", "small.ipynb", "--output", "runs"])
    assert stop.value.code.startswith("small.ipynb failed: ValueError: the height is odd\n")
    assert "runs/small.ipynb" in stop.value.code
    assert "[2/2]" not in capsys.readouterr().out


def test_a_wrong_parameter_or_notebook_stops_before_the_first_one_runs(notebook, capsys):
    notebook("pass")
    for words, message in (
        (["small.ipynb", "small.ipynb", "EPOCHS=2"], "EPOCHS .* It has COUNT, NAME, SIZE"),
        (["small.ipynb", "other.ipynb"], "no notebook other.ipynb"),
        (["small.ipynb", "NAME="], "must have a value.* Received: NAME= for small.ipynb"),
    ):
        with pytest.raises(SystemExit, match=message):
            main(words)
    assert capsys.readouterr().out == ""


def test_parameters_keep_the_kind_that_they_are_written_in(notebook, tmp_path):
    notebook("assert (COUNT, NAME, SIZE) == (None, '2', True)")
    run_notebooks(
        [(tmp_path / "small.ipynb", {"COUNT": "None", "NAME": "2", "SIZE": "True"})],
        tmp_path / "out",
    )


def test_a_tuple_within_another_value_is_a_list_as_one_alone_is(notebook, tmp_path):
    notebook("assert SIZE == {'counts': [16, [4, 5]]}, SIZE")
    main(["small.ipynb", "SIZE={'counts': (16, (4, 5))}", "--output", "runs"])


def test_text_reaches_the_notebook_as_it_was_written(notebook, tmp_path):
    text = """it's "a" $b $(c) ${d} `e`; f\\n\\\n# 100% {g} größe 深度\\"""
    notebook(f"assert NAME == {text!r}, NAME")
    run_notebooks([(tmp_path / "small.ipynb", {"NAME": text})], tmp_path / "out")


def test_a_notebook_as_run_never_replaces_its_source(notebook, tmp_path):
    notebook("pass")
    source = (tmp_path / "small.ipynb").read_bytes()
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "small.ipynb").symlink_to(tmp_path / "small.ipynb")
    for output in (".", "runs", str(tmp_path)):
        with pytest.raises(SystemExit, match="must not replace its source. Received: small.ipynb"):
            main(["small.ipynb", "--output", output])
    assert (tmp_path / "small.ipynb").read_bytes() == source


def test_a_kernel_that_dies_leaves_its_last_words(notebook, tmp_path):
    notebook("import os\nos.write(2, b'no memory left')\nos.abort()")
    with pytest.raises(SystemExit, match="small.ipynb died.*\n.*runs/small.log"):
        main(["small.ipynb", "--output", "runs"])
    assert "no memory left" in (tmp_path / "runs" / "small.log").read_text()


@pytest.mark.skipif(os.name == "nt", reason="Windows has another way to interrupt")
@pytest.mark.parametrize("sign", ["nbclient", "[1/1] small.ipynb", "begun"])
def test_an_interrupt_ends_in_one_line_whether_it_imports_begins_or_runs(notebook, project, sign):
    notebook("import time\nprint('begun')\ntime.sleep(60)")
    process = subprocess.Popen(
        [sys.executable, "-X", "importtime", "-m", "tools.run_notebooks", "small.ipynb"],
        env={**os.environ, "PYTHONPATH": str(project)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        # A job in the background, as tests may be, hands down that it is ignored.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdout is not None
    while sign not in process.stdout.readline():
        assert process.poll() is None
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    said, _ = process.communicate(timeout=60)
    lines = [line for line in said.splitlines() if line and not line.startswith("import time:")]
    assert [line for line in lines if line not in (sign, "begun", "[1/1] small.ipynb")] == [
        "Stopped."
    ]
    assert process.returncode == 1


def test_notebooks_that_share_a_kernel_share_its_imports_but_no_names_and_no_folder(
    notebook, tmp_path
):
    notebook("import os, sys\nheld = sys.held = os.getpid()\nos.chdir('/')")
    first = (tmp_path / "small.ipynb").rename(tmp_path / "first.ipynb")
    kept = f"assert sys.held and Path.cwd().name == {tmp_path.name!r}"
    gone = "assert not {'held', 'os'} & set(globals())"
    notebook(f"import sys\nfrom pathlib import Path\n{kept}\n{gone}")
    runs = [(first, {}), (tmp_path / "small.ipynb", {})]
    run_notebooks(runs, tmp_path / "out", one_kernel=True)
    with pytest.raises(RuntimeError, match="no attribute 'held'"):
        run_notebooks(runs, tmp_path / "out")
