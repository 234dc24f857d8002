import os
import re
import shutil
import subprocess
import tomllib

import pytest

MAKE = shutil.which("make")
pytestmark = pytest.mark.skipif(not MAKE, reason="needs make")

ORDER = (
    "make_dataset train_resnet train_unet predict_resnet predict_unet "
    "predict_resnet_real_images predict_unet_real_images compare_two_models"
).split()

# Stands for an interpreter: it says its version, makes "environments", and notes what pip is told.
FAKE_PYTHON = """#!/bin/sh
case "$*" in
    *version_info*) echo {version} ;;
    "-m venv "*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
    "-m pip "*) echo "$*" >> pip.log; test ! -e no-network ;;
esac
"""


@pytest.fixture
def workplace(tmp_path, project):
    for name in ("Makefile", "requirements.txt", "pyproject.toml"):
        shutil.copy(project / name, tmp_path)
    (tmp_path / "bin").mkdir()
    for program in ("sh", "mkdir", "cp", "mv", "rm", "touch", "awk", "echo"):
        (tmp_path / "bin" / program).symlink_to(shutil.which(program))
    return tmp_path


def add_python(workplace, name, version):
    path = workplace / "bin" / name
    path.write_text(FAKE_PYTHON.format(version=version))
    path.chmod(0o755)


def make(workplace, *words):
    """Runs make where no Python is found but those that were added."""
    return subprocess.run(
        [MAKE, *words],
        cwd=workplace,
        env={"PATH": str(workplace / "bin")},
        capture_output=True,
        text=True,
        check=False,
    )


def pip_log(workplace):
    return (workplace / "pip.log").read_text().splitlines()


@pytest.mark.parametrize("target", ["setup", "test", "demo"])
def test_a_wrong_python_gets_one_line(workplace, target):
    add_python(workplace, "python3", "3.10")
    add_python(workplace, "python3.14", "3.14")
    for words in ([], ["PYTHON=python3.14"]):
        answer = make(workplace, target, *words)
        assert answer.returncode != 0
        assert answer.stdout == ""
        assert len(answer.stderr.splitlines()) == 1
        assert "Python 3.11, 3.12 or 3.13 is needed" in answer.stderr


def test_an_interpreter_that_does_not_run_is_passed_over(workplace):
    (workplace / "bin" / "python3.13").write_text("#!/bin/sh\nexit 127\n")
    (workplace / "bin" / "python3.13").chmod(0o755)
    add_python(workplace, "python3.12", "3.12")
    assert make(workplace, "setup").returncode == 0
    assert pip_log(workplace) == ["-m pip install -r requirements.txt -e ."]


def test_what_predicts_alone_is_set_up_beside_the_rest(workplace):
    add_python(workplace, "python3", "3.11")
    for _ in range(2):
        answer = make(workplace, "setup-predict")
        assert answer.returncode == 0
        assert answer.stdout.splitlines()[-1].startswith(".venv-predict/bin/depthlib predict ")
    assert pip_log(workplace) == ["-m pip install -e ."]
    assert not (workplace / ".venv").exists()
    assert make(workplace, "setup").returncode == 0
    assert make(workplace, "clean").returncode == 0
    assert not list(workplace.glob(".venv*"))


def test_an_interrupted_light_set_up_starts_afresh_and_leaves_the_other_one(workplace):
    add_python(workplace, "python3", "3.11")
    assert make(workplace, "setup").returncode == 0
    (workplace / "no-network").touch()
    assert make(workplace, "setup-predict").returncode != 0
    half = workplace / ".venv-predict" / "half-installed"
    half.touch()
    (workplace / "no-network").unlink()
    assert make(workplace, "setup-predict").returncode == 0
    assert not half.exists()
    assert (workplace / ".venv" / "setup.done").exists()


def test_the_requirements_are_what_predicts_and_the_extra_that_trains(project):
    declared = tomllib.loads((project / "pyproject.toml").read_text())["project"]
    wanted = declared["dependencies"] + declared["optional-dependencies"]["train"]
    lines = (project / "requirements.txt").read_text().splitlines()
    listed = [line for line in lines if line and not line.startswith("#")]
    assert sorted(listed) == sorted(wanted)


@pytest.mark.parametrize("package", ["keras", "tensorflow", "scikit-learn", "jupyterlab"])
def test_what_predicts_needs_none_of_what_trains(project, package):
    declared = tomllib.loads((project / "pyproject.toml").read_text())["project"]
    names = {re.split("[<>=]", line)[0] for line in declared["dependencies"]}
    assert package not in names


def test_lint_checks_style_and_then_types(workplace):
    add_python(workplace, "python3", "3.11")
    answer = make(workplace, "--dry-run", "lint")
    assert answer.stdout.splitlines()[-2:] == [
        ".venv/bin/python -m ruff check",
        ".venv/bin/python -m mypy",
    ]


def test_set_up_is_done_once_and_again_when_the_requirements_change(workplace):
    add_python(workplace, "python3", "3.11")
    assert make(workplace, "setup").returncode == 0
    mine = workplace / ".venv" / "what-the-user-added"
    mine.touch()
    assert make(workplace, "setup").returncode == 0
    assert len(pip_log(workplace)) == 1
    done = (workplace / ".venv" / "setup.done").stat().st_mtime
    os.utime(workplace / "requirements.txt", (done + 1, done + 1))
    assert make(workplace, "setup").returncode == 0
    assert len(pip_log(workplace)) == 2
    assert mine.exists()


def test_an_interrupted_set_up_starts_afresh(workplace):
    add_python(workplace, "python3", "3.11")
    (workplace / "no-network").touch()
    assert make(workplace, "setup").returncode != 0
    half = workplace / ".venv" / "half-installed"
    half.touch()
    (workplace / "no-network").unlink()
    assert make(workplace, "setup").returncode == 0
    assert not half.exists()
    assert len(pip_log(workplace)) == 2


def test_another_python_that_is_asked_for_takes_the_place_of_the_first(workplace):
    add_python(workplace, "python3.12", "3.12")
    add_python(workplace, "python3.11", "3.11")
    for words, installs in (([], 1), (["PYTHON=python3.12"], 1), (["PYTHON=python3.11"], 2)):
        assert make(workplace, "setup", *words).returncode == 0
        assert len(pip_log(workplace)) == installs
    assert make(workplace, "setup", "PYTHON=python3.10").returncode != 0


def test_the_demo_runs_the_notebooks_in_order(workplace):
    add_python(workplace, "python3", "3.11")
    assert re.findall(r"(\w+)\.ipynb", make(workplace, "-n", "demo").stdout) == ORDER


def test_all_of_nyu_is_listed_trained_on_and_scored_with_the_changes_asked_for(workplace):
    add_python(workplace, "python3", "3.11")
    words = ("FOLDER=archive/data", "RUN=runs/a", "CHANGES=epochs=2 seed=1")
    said = make(workplace, "-n", "nyu", *words)
    commands = said.stdout.replace("\\\n", "").split(".venv/bin/python -m ")[-3:]
    assert "make_dataset.ipynb 'FOLDER=archive/data'" in commands[0]
    assert "training resnet34 weights=imagenet epochs=2 seed=1" in commands[1]
    assert "--data 'archive/data/nyu2_train.csv' --run 'runs/a'" in commands[1]
    assert "peers.ipynb 'DATA=archive/data/nyu2_test.csv'" in commands[2]
    assert """'MODELS={"resnet34": "runs/a/best.keras"}'""" in commands[2]


def test_more_roads_are_of_another_seed_than_the_sample(workplace):
    add_python(workplace, "python3", "3.11")
    said = make(workplace, "-n", "roads", "SCENES=3", "FOLDER=my roads").stdout
    command = said.replace("\\\n", "").split("rendering roads ")[-1]
    words = "--seed 1 --scenes 3 --samples 16 --folder 'my roads' --resume"
    assert command.split() == words.split()
    chosen = "KINDS=street country", "ONLY=overcast clear", "VIEW=kitti", "HEIGHT=160"
    said = make(workplace, "-n", "roads", *chosen).stdout
    for word in ("--kinds street country", "--only overcast clear", "--view kitti", "--height 160"):
        assert word in said


def test_variables_become_parameters_of_the_notebook(workplace):
    add_python(workplace, "python3", "3.11")
    words = ("train-unet", "EPOCHS=2", "DATA=my data/nyu.csv", "PYTHON=python3")
    command = make(workplace, "-n", *words).stdout.splitlines()[-1].split(maxsplit=3)
    assert command[2] == "tools.run_notebooks"
    name, *parameters = re.findall(r"'[^']*'|\S+", command[3])
    assert name == "train_unet.ipynb"
    assert sorted(parameters) == ["'DATA=my data/nyu.csv'", "'EPOCHS=2'"]


def test_make_alone_lists_the_targets(workplace):
    listed = make(workplace).stdout
    for target in ("demo", "setup", "test", "train-resnet", "compare", "sample", "roads"):
        assert re.search(rf"^{target} +\w", listed, re.MULTILINE)
