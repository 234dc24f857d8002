import ast
import os
import re
import shlex
import shutil
import subprocess
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from depthlib.training.recipes import read_changes

MAKE = shutil.which("make")
pytestmark = pytest.mark.skipif(not MAKE, reason="needs make")

ORDER = (
    "make_dataset train_resnet train_unet predict_resnet predict_unet "
    "predict_resnet_real_images predict_unet_real_images compare_two_models"
).split()

# Stands for an interpreter: it says its version, makes "environments", and notes what it is told to
# run, each word ended by a zero byte and each command by one more.
FAKE_PYTHON = """#!/bin/sh
case "$*" in
    *version_info*) echo {version} ;;
    "-m venv "*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
    "-m pip "*) echo "$*" >> pip.log; test ! -e no-network || exit 1 ;;
esac
case "$*" in "-m "*) printf '%s\\0' "$@" '' >> words.log ;; esac
"""


@pytest.fixture
def workplace(tmp_path, project):
    for name in ("Makefile", "requirements.txt", "pyproject.toml"):
        shutil.copy(project / name, tmp_path)
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "weather.ipynb").touch()
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


def words_of(workplace, *words):
    """What `make` of these words tells Python to run: a list of words each, what follows -m."""
    (workplace / "words.log").unlink(missing_ok=True)
    answer = make(workplace, *words)
    assert answer.returncode == 0, answer.stderr
    said = (workplace / "words.log").read_bytes().decode().removesuffix("\0\0")
    return [command.split("\0")[1:] for command in said.split("\0\0")]


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
    assert pip_log(workplace) == ["-m pip install -e .[cloud]"]
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


def test_the_quick_tests_and_the_slow_ones_are_all_tests(workplace):
    add_python(workplace, "python3", "3.11")
    *_, style, types, quick = words_of(workplace, "test")
    assert (style[0], types[0], quick[0]) == ("ruff", "mypy", "pytest")
    slow = words_of(workplace, "test-all")[-1]
    assert quick == [*slow[:-1], "not slow"] and slow[-2:] == ["-m", "slow"]


LOCKED = "LOCK=requirements.lock"


@pytest.mark.parametrize(
    ("fails", "made"),
    [
        ("none", [f"setup {LOCKED}", f"test {LOCKED}", f"test-all {LOCKED}"]),
        (f"test {LOCKED}", [f"setup {LOCKED}", f"test {LOCKED}"]),
        (f"setup {LOCKED}", [f"setup {LOCKED}", "setup", "test LOCK=", "test-all LOCK="]),
    ],
)
def test_continuous_integration_runs_both_and_stops_at_the_first_failure(
    workplace, project, fails, made
):
    (workplace / ".ci").mkdir()
    shutil.copy(project / ".ci/run", workplace / ".ci")
    program = workplace / "bin" / "make"
    program.write_text(f'#!/bin/sh\necho "$*" >> "{workplace}/made.log"\ntest "$*" != "{fails}"\n')
    program.chmod(0o755)
    path = f"{workplace}/bin:{os.environ['PATH']}"
    ended = subprocess.run(
        [workplace / ".ci/run"], env={"PATH": path}, capture_output=True, text=True, check=False
    )
    assert (ended.returncode != 0) == fails.startswith("test")
    assert ("cannot be installed here" in ended.stdout) == fails.startswith("setup")
    assert (workplace / "made.log").read_text().splitlines() == made


def test_a_lock_is_all_that_is_installed_and_by_digests(workplace):
    add_python(workplace, "python3", "3.11")
    assert make(workplace, "setup", LOCKED).returncode == 0
    alone = "-m pip install --no-deps --no-build-isolation -e ."
    expected = ["-m pip install --require-hashes -r requirements.lock", alone]
    assert pip_log(workplace) == expected
    assert make(workplace, "test", LOCKED).returncode == 0
    assert pip_log(workplace) == expected * 2


def test_the_lock_has_every_dependency_within_its_bounds_and_a_digest_for_each(project):
    lines = (project / "requirements.lock").read_text(encoding="utf-8").splitlines()
    pinned: dict[str, list] = {}
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if line.startswith((" ", "#")):
            continue
        name, _, version = line.partition(";")[0].strip(" \\").partition("==")
        assert version and following.strip().startswith("--hash=sha256:"), line
        pinned.setdefault(name, []).append(Version(version))
    declared = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = declared["optional-dependencies"]
    names = {"dev", "docs", "jax"}
    for line in extras["dev"]:
        if line.startswith("depthlib["):
            names |= {*re.findall(r"[\w-]+", line)[1:]}
    wanted = declared["dependencies"] + [line for name in names for line in extras[name]]
    for requirement in map(Requirement, wanted):
        if requirement.name != "depthlib":
            versions = pinned[requirement.name.lower()]
            assert all(version in requirement.specifier for version in versions), requirement
    assert not re.search(r"https?://|file:|/opt/|index-url", "\n".join(lines))


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
    assert shlex.split(commands[1])[1:4] == ["resnet34", "weights=imagenet", "epochs=2 seed=1"]
    assert "--data 'archive/data/nyu2_train.csv' --run 'runs/a'" in commands[1]
    assert "peers.ipynb" in commands[2] and "'DATA=archive/data/nyu2_test.csv'" in commands[2]
    assert """'MODELS={"resnet34": "runs/a/best.keras"}'""" in commands[2]


def test_more_roads_are_of_another_seed_than_the_sample(workplace):
    add_python(workplace, "python3", "3.11")
    said = make(workplace, "-n", "roads", "SCENES=3", "FOLDER=my roads").stdout
    command = said.replace("\\\n", "").split("rendering roads ")[-1]
    words = "--seed 1 --scenes 3 --samples 16 --folder 'my roads' --resume"
    assert shlex.split(command) == shlex.split(words)
    chosen = "KINDS=street country", "ONLY=overcast clear", "VIEW=kitti", "HEIGHT=160"
    said = make(workplace, "-n", "roads", *chosen).stdout
    said = " ".join(shlex.split(said.replace("\\\n", "").split("rendering roads ")[-1]))
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
    for target in (
        "demo",
        "setup",
        "test",
        "test-all",
        "train-resnet",
        "compare",
        "sample",
        "roads",
    ):
        assert re.search(rf"^{target} +\w", listed, re.MULTILINE)


# Each does harm, or comes out changed, where make or the shell reads it.
WILD = (
    "it's mine.mp4",
    "say \"a\" and 'b'",
    "a$b, $$c, ${HOME}, $(HOME), $HOME",
    "$(shell touch harm)",
    "$(touch harm)",
    "x; touch harm",
    "x && touch harm & touch harm | touch harm",
    "`touch harm`",
    "' ; touch harm ; '",
    "two\ntouch harm\nlines\n",
    "back\\slash \\\\ \\n and the last\\",
    "a\\\nb",
    "# no comment, \\#",
    "100% of %",
    "(32, 48) <in >out *.png ? [a] {b,c} ~ !x",
    "@a -b +c := = ?",
    "größe 深度.png",
)


@pytest.fixture
def wild_words(workplace):
    """`words_of`, and that no word of the user's was run as a command."""
    add_python(workplace, "python3", "3.11")

    def run(*words):
        commands = words_of(workplace, *words)
        assert not (workplace / "harm").exists() and not (workplace / "out").exists()
        return commands

    return run


@pytest.mark.parametrize("value", WILD)
def test_values_reach_a_notebook_as_they_were_written(wild_words, value):
    names = "DATA", "HEIGHT", "MODEL", "PHOTOS", "RUN", "VIDEO"
    ran = wild_words("predict-video", *(f"{name}={value}" for name in names))[-1]
    assert ran[:2] == ["tools.run_notebooks", "predict_video.ipynb"]
    assert sorted(ran[2:]) == [f"{name}={value}" for name in names]
    ran = wild_words("study", "NAME=weather", f"FIGURE={value}")[-1]
    assert ran == ["tools.run_notebooks", "experiments/weather.ipynb", f"FIGURE={value}"]


@pytest.mark.parametrize("value", WILD)
def test_values_reach_the_renderer_as_they_were_written(wild_words, value):
    single, several = ("SEED", "SCENES", "SAMPLES", "FOLDER"), ("KINDS", "ONLY")
    ran = wild_words("roads", *(f"{name}={value}" for name in (*single, *several)))[-1]
    options = [[f"--{name.lower()}", value] for name in single]
    options += [["--resume"], *([f"--{name.lower()}", *value.split()] for name in several)]
    assert ran == ["rendering", "roads", *sum(options, [])]
    ran = wild_words("roads", f"HEIGHT={value}", f"VIEW={value}")[-1]
    assert ran[-4:] == ["--height", value, "--view", value]
    ran = wild_words("sample", f"SEED={value}")[-1]
    assert ran == ["rendering", "rooms", "--seed", value, "--folder", "datasets/sample"]


@pytest.mark.parametrize("value", WILD)
def test_values_reach_the_training_on_nyu_as_they_were_written(wild_words, value):
    words = (f"{name}={value}" for name in ("FOLDER", "RUN", "CHANGES"))
    listed, trained, scored = wild_words("nyu", *words)[-3:]
    assert listed[2:] == [f"FOLDER={value}"]
    assert trained[1:4] == ["resnet34", "weights=imagenet", value]
    assert trained[-4:] == ["--data", f"{value}/nyu2_train.csv", "--run", value]
    parameters = dict(word.split("=", 1) for word in scored[2:])
    assert ast.literal_eval(parameters.pop("MODELS")) == {"resnet34": f"{value}/best.keras"}
    assert parameters.pop("DATA") == f"{value}/nyu2_test.csv"
    assert parameters.pop("FOLDER") == value
    assert {text.removesuffix(".csv").removesuffix(".png") for text in parameters.values()} == {
        f"{value}/{name}" for name in ("scores", "latency", "comparison")
    }


def test_changes_of_a_recipe_keep_their_quotes_spaces_and_brackets():
    changes = """weights="it's my net.keras" effects=('rain', 'fog')\nepochs=2 teacher=a b.keras"""
    assert read_changes([changes, "seed=3"]) == {
        "weights": "it's my net.keras",
        "effects": ("rain", "fog"),
        "epochs": 2,
        "teacher": "a b.keras",
        "seed": 3,
    }
    for word in ("epochs", "epochs 2", "", "x=1 epochs=2"):
        with pytest.raises(ValueError, match="must be field=value. Received: "):
            read_changes([word])


@pytest.mark.parametrize("value", ["40", *WILD])
def test_the_number_of_tries_reaches_the_campaign_as_it_was_written(wild_words, value):
    campaign, tests = wild_words("fuzz", f"TRIES={value}")[-2:]
    assert campaign == ["tests.fuzz.campaign", "--tries", value]
    assert tests[0] == "pytest"


def test_what_the_makefile_sets_for_itself_is_refused_before_anything_runs(workplace, project):
    add_python(workplace, "python3", "3.11")
    text = (project / "Makefile").read_text(encoding="utf-8")
    sets = r"^(?:(?:[\w./ -]+: |override )?(?=\w+ :?= )|define )(\w+)"
    theirs = {"NAME", "FOLDER", "RUN", "SEED", "SCENES", "SAMPLES"}  # defaults of what users give
    own = {*re.findall(sets, text, re.MULTILINE)} - theirs
    assert {"PY", "OWN", "NEWLINE", "PACKAGES", "quote", "OTHER_PYTHON"} < own
    for name in sorted(own):
        for value in ("$(shell touch harm)", "x; touch harm;", ""):
            answer = make(workplace, "setup", f"{name}={value}")
            assert answer.returncode == 2 and f" {name} is set by the Makefile" in answer.stderr
    assert not (workplace / "harm").exists() and not (workplace / "words.log").exists()


@pytest.mark.parametrize("value", WILD)
def test_what_pip_is_to_install_reaches_it_as_it_was_written(wild_words, value):
    installs = wild_words("test-torch", f"TORCH={value}")[-2]
    assert installs[: len(value.split()) + 3] == ["pip", "install", *value.split(), "keras"]


@pytest.mark.parametrize("value", [value for value in WILD if "\n" not in value])
def test_an_interpreter_may_be_called_anything(workplace, value):
    (workplace / value.replace("/", "")).mkdir()
    add_python(workplace, f"../{value}/python3", "3.11")
    assert make(workplace, "setup", f"PYTHON={value}/python3").returncode == 0
    assert pip_log(workplace) == ["-m pip install -r requirements.txt -e ."]
    refused = make(workplace, "setup", f"PYTHON={value}")
    assert refused.returncode != 0 and "is needed; tried " + value in refused.stderr
    assert not (workplace / "harm").exists()


@pytest.mark.parametrize("value", [*WILD, "../train_unet", "/etc/passwd", "absent"])
def test_a_study_is_a_notebook_in_experiments_or_is_refused_before_anything_runs(workplace, value):
    add_python(workplace, "python3", "3.11")
    answer = make(workplace, "study", f"NAME={value}")
    assert answer.returncode != 0 and answer.stdout == ""
    assert "`NAME` must be one of weather. Received: NAME=" + value in answer.stderr
    assert sorted(path.name for path in workplace.iterdir()) == [
        "Makefile", "bin", "experiments", "pyproject.toml", "requirements.txt"
    ]  # fmt: skip
