"""What the pages say is there, is there; and no file that is no network is large."""

import ast
import posixpath
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatch
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote

import nbformat
import pytest
import yaml

from tests.test_architecture import MAY_IMPORT, imports_of

PROJECT = Path(__file__).parents[1]
PAGES = sorted(
    path.relative_to(PROJECT).as_posix()
    for pattern in ("README.md", "CONTRIBUTING.md", "docs/**/*.md", "models/*.md")
    for path in PROJECT.glob(pattern)
)
NOTEBOOKS = sorted(
    path.relative_to(PROJECT).as_posix()
    for pattern in ("*.ipynb", "experiments/*.ipynb")
    for path in PROJECT.glob(pattern)
)
LARGEST = 2 * 1024**2  # bytes: each clone fetches each of them
MAY_BE_LARGER = ("models/*.keras", "models/*.onnx", "depthlib/models/*.onnx")

OURS = "depthlib|experiments|rendering|benchmarks|tools|tests"
CODE = re.compile(r"```.*?```|`(?:[^`\n]|\n(?!\n))+`", re.DOTALL)
FENCED_PYTHON = re.compile(r"```python\n(.*?)```", re.DOTALL)
URL = re.compile(r"\w+://[^\s)>\"'`]+")
LINK = re.compile(
    r"\]\(\s*<?([^)\s>]+)|(?:src|href)=[\"']([^\"']+)|^\[[^\]]+\]:\s*(\S+)", re.MULTILINE
)
HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)
DOTTED = re.compile(rf"(?<![\w./-])(?:{OURS})(?:\.[A-Za-z_]\w*)+")
COMMAND = re.compile(r"\bpython3? -m\s+([\w.]+)")
FILE = re.compile(rf"(?<![\w./-])(?:{OURS}|docs|models|real_photos)/[\w./-]*\w(?![\w*<{{-])")
MAKE = re.compile(r"(?:`|^ {4,}|^\t)make ([a-z][\w-]*)([^`\n]*)", re.MULTILINE)


@cache
def tracked() -> list[str]:
    """The files that git keeps or is about to keep, as POSIX paths from the root."""
    if not (PROJECT / ".git").exists() or not shutil.which("git"):
        pytest.skip("needs a clone, and git")
    command = ["git", "ls-files", "-z", "--cached"]
    answer = subprocess.run(command, cwd=PROJECT, capture_output=True, check=True)
    return answer.stdout.decode("utf-8").rstrip("\0").split("\0")


def is_kept(path: str) -> bool:
    """Whether git keeps a file or a folder of exactly this name."""
    return any(file == path or file.startswith(f"{path}/") for file in tracked())


def read(page: str) -> str:
    """A page's text; of a notebook its words and the comments of its code."""
    path = PROJECT / page
    if path.suffix != ".ipynb":
        return path.read_text(encoding="utf-8")
    cells = nbformat.read(path, as_version=4).cells
    words = [cell.source for cell in cells if cell.cell_type == "markdown"]
    code = [cell.source for cell in cells if cell.cell_type == "code"]
    return "\n\n".join([*words, *re.findall("#(.*)", "\n".join(code))])


def broken_links(page: str, text: str) -> list[str]:
    """Links of a page at `page` to a file that the repository lacks, or to no heading of it."""
    broken = []
    for match in LINK.finditer(CODE.sub("", text)):
        link = unquote(next(filter(None, match.groups())))
        if URL.match(link) or link.startswith("mailto:"):
            continue
        target, _, anchor = link.partition("#")
        path = page
        if target:
            path = posixpath.normpath(posixpath.join(posixpath.dirname(page), target))
        if not is_kept(path):
            broken.append(link)
        elif anchor and path.endswith(".md"):
            if anchor not in anchors_of(read(path) if target else text):
                broken.append(link)
    return broken


def anchors_of(text: str) -> set[str]:
    """The names that GitHub gives a page's headings."""
    headings = (re.sub(r"[^\w\- ]", "", heading) for heading in HEADING.findall(text))
    return {heading.lower().replace(" ", "-") for heading in headings}


def missing_modules(text: str) -> list[str]:
    """Dotted names of ours, imports and `python -m` commands that nothing answers to."""
    text = URL.sub("", text)
    names = set(DOTTED.findall(text)) | set(_imports(text))
    missing = [name for name in names if not _is_defined(name)]
    missing += [f"-m {name}" for name in COMMAND.findall(text) if not _runs(name)]
    return sorted(missing)


def _imports(text: str) -> Iterator[str]:
    """What a page's Python imports of ours, a dotted name each."""
    for code in FENCED_PYTHON.findall(text):
        for parts in imports_of(ast.parse(code)):
            if parts[0] in OURS.split("|"):
                yield ".".join(parts)


def _is_defined(name: str) -> bool:
    """Whether a dotted name is a module's, or of something that a module defines or imports."""
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        if file := _file_of(parts[:count]):
            body = ast.parse(file.read_text(encoding="utf-8")).body
            return count == len(parts) or parts[count] in _names_of(body)
    return False


def _file_of(parts: Sequence[str]) -> Path | None:
    """A module's file. Nothing is imported: some take seconds."""
    path = PROJECT.joinpath(*parts)
    files = (path.with_suffix(".py"), path / "__init__.py")
    return next((file for file in files if file.is_file()), None)


def _names_of(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """What a module's statements define or import; what stands in a function is its own."""
    for node in nodes:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
            continue
        if isinstance(node, ast.alias):
            yield node.asname or node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        yield from _names_of(ast.iter_child_nodes(node))


def _runs(module: str) -> bool:
    """Whether `python -m module` does something; a file of ours says so in its last lines."""
    parts = module.split(".")
    if parts[0] not in OURS.split("|"):
        return find_spec(parts[0]) is not None
    file = _file_of([*parts, "__main__"]) or _file_of(parts)
    return file is not None and '\nif __name__ == "__main__":' in file.read_text(encoding="utf-8")


def missing_files(text: str) -> list[str]:
    """Paths into the folders of the repository that lead to nothing, with their ending or not."""
    stems = {file.rpartition(".")[0] for file in tracked()}
    paths = sorted(set(FILE.findall(URL.sub("", text))))
    return [path for path in paths if path not in stems and not is_kept(path)]


def missing_targets(text: str) -> list[str]:
    """Commands of make that its Makefile lacks, and studies that are no notebook."""
    missing = []
    for target, rest in MAKE.findall(text):
        if target not in make_targets():
            missing.append(f"make {target}")
        for name in re.findall(r"\bNAME=(\w+)", rest):
            if not is_kept(f"experiments/{name}.ipynb"):
                missing.append(f"make {target} NAME={name}")
    return missing


@cache
def make_targets() -> set[str]:
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    lines = re.findall(r"^([a-z][a-z -]*):", makefile, re.MULTILINE)
    return {target for line in lines for target in line.split()}


def too_large(sizes: dict[str, int]) -> list[str]:
    """The files, by their size in bytes, that are larger than a clone should fetch."""
    return [
        path
        for path, size in sizes.items()
        if size > LARGEST and not any(fnmatch(path, pattern) for pattern in MAY_BE_LARGER)
    ]


def import_table(page: str) -> dict[str, set[str]]:
    """Rows of a page's table `part` | `may import`, a row a part or several."""
    rows = re.findall(r"^\| (`.+?`) \| (.+?) \|$", page, re.MULTILINE)
    return {
        part: set(re.findall(r"`(\w+)`", allowed))
        for parts, allowed in rows
        for part in re.findall(r"`(\w+)`", parts)
    }


@pytest.mark.parametrize("page", PAGES)
def test_every_link_of_a_page_leads_to_a_file_and_a_heading(page):
    assert broken_links(page, read(page)) == []


@pytest.mark.parametrize("page", [*PAGES, *NOTEBOOKS])
def test_every_module_and_command_that_a_page_names_is_there(page):
    assert missing_modules(read(page)) == []


@pytest.mark.parametrize("page", [*PAGES, *NOTEBOOKS])
def test_every_file_and_target_of_make_that_a_page_names_is_there(page):
    assert missing_files(read(page)) + missing_targets(read(page)) == []


def test_the_readme_is_short():
    text = (PROJECT / "README.md").read_text(encoding="utf-8")
    assert len(text.split()) <= 750


@pytest.mark.parametrize("page", [*PAGES, "CHANGELOG.md"])
def test_a_page_is_in_words_that_a_visitor_knows(page):
    private = r"pupil|\barms?\b|lever|floor|mended|made[- ]up|halfway back|seed project|the seed\b"
    private += r"|\btwins?\b"
    assert re.findall(private, CODE.sub("", read(page)), re.IGNORECASE) == []


def test_the_readme_explains_delta_1_where_it_first_stands():
    text = (PROJECT / "README.md").read_text(encoding="utf-8")
    paragraph = next(part for part in text.split("\n\n") if "δ1" in part)
    assert "share of pixels" in paragraph and "1.25" in paragraph


def test_only_networks_are_larger_than_two_megabytes():
    files = {path: PROJECT / path for path in tracked()}
    sizes = {path: file.stat().st_size for path, file in files.items() if file.is_file()}
    assert too_large(sizes) == []


def test_the_checks_before_a_commit_fetch_nothing():
    settings = yaml.safe_load((PROJECT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    assert {repository["repo"] for repository in settings["repos"]} == {"local"}
    hooks = [hook for repository in settings["repos"] for hook in repository["hooks"]]
    assert {hook["language"] for hook in hooks} == {"system"}


def test_contributing_shows_the_import_rules_that_are_tested():
    shown = import_table((PROJECT / "CONTRIBUTING.md").read_text(encoding="utf-8"))
    assert shown == MAY_IMPORT


@pytest.mark.parametrize(
    ("page", "text", "broken"),
    [
        ("README.md", "[a](docs/findings.md) ![b](docs/comparison.png) [c](docs)", []),
        ("README.md", "[a](docs/result.md)", ["docs/result.md"]),
        ("README.md", "[a](DOCS/findings.md)", ["DOCS/findings.md"]),  # other systems mind the case
        ("README.md", "![a](docs/comparisons.png)", ["docs/comparisons.png"]),
        ("README.md", '<img src="docs/nothing.gif">', ["docs/nothing.gif"]),
        ("README.md", "[a][b]\n\n[b]: docs/none.md", ["docs/none.md"]),
        ("docs/results.md", "[a](../models/best.md) [b](peers.csv)", []),
        ("docs/results.md", "[a](docs/peers.csv)", ["docs/peers.csv"]),
        ("docs/results.md", "[a](../../shared/design.md)", ["../../shared/design.md"]),
        ("README.md", "[a](/etc/hosts)", ["/etc/hosts"]),
        ("README.md", "[a](.venv/setup.done) [b](runs)", [".venv/setup.done", "runs"]),
        ("README.md", "[a](docs/gpu.md#windows) [b](#here)\n\n# Here", []),
        ("README.md", "[a](docs/gpu.md#a-tpu)", ["docs/gpu.md#a-tpu"]),
        ("README.md", "[a](#there)\n\n# Here", ["#there"]),
        ("README.md", "[a](https://example.org/none.md) [b](mailto:a@example.org)", []),
        ("README.md", "`a[0](none.md)`\n\n```\nb[0](none.md)\n```", []),  # code
        ("README.md", "one ` alone\n\n[a](none.md)\n\nand ` another", ["none.md"]),
        ("README.md", "- a\n\n    - [a](none.md)", ["none.md"]),
    ],
)
def test_a_link_to_what_is_not_in_the_repository_is_found(page, text, broken):
    assert broken_links(page, text) == broken


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("`depthlib.data.specs`, `depthlib.data.specs.SPECS`, `depthlib.Predictor`", []),
        ("`depthlib.training.recipes.Recipe.precision`, experiments.relight. And", []),
        ("`depthlib.relight`", ["depthlib.relight"]),
        ("`depthlib.data.specs.SPEC`", ["depthlib.data.specs.SPEC"]),
        ("`depthlib.prediction.Predictor`", ["depthlib.prediction.Predictor"]),
        ("`depthlib.weather.fog.haze`", ["depthlib.weather.fog.haze"]),
        ("`depthlib.kitti.made_up`", ["depthlib.kitti.made_up"]),
        ("`rendering.road_scenes`", ["rendering.road_scenes"]),
        ("`python -m depthlib.training`, `python -m\nbenchmarks.gpu`, `python -m venv`", []),
        ("`python -m depthlib info`, `python -m rendering rooms`, `python -m pip`", []),
        ("`python -m depthlib.ensemble`", ["-m depthlib.ensemble", "depthlib.ensemble"]),
        ("`python -m depthlib.notebooks`", ["-m depthlib.notebooks", "depthlib.notebooks"]),
        ("`python -m depthlib.networks`", ["-m depthlib.networks"]),  # a package without a command
        ("`python -m experiments.charts`", ["-m experiments.charts"]),  # it would do nothing
        ("`python -m no_such_module`", ["-m no_such_module"]),
        ("```python\nfrom depthlib import Predictor, read_rgb\n```", []),
        ("```python\nfrom depthlib import images\n```", ["depthlib.images"]),
        ("```python\nfrom depthlib.data import datasets\n```", ["depthlib.data.datasets"]),
        ("```python\nimport depthlib.pairs\n```", ["depthlib.pairs"]),
        ("https://example.org/depthlib.relight", []),
    ],
)
def test_a_module_or_command_that_is_not_there_is_found(text, missing):
    assert missing_modules(text) == missing


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("`depthlib/data/specs.py`, docs/weather.jpg. `experiments/peers`; models/*.keras", []),
        ("`depthlib/datasets.py`", ["depthlib/datasets.py"]),
        ("depthlib/kitti/made_up.py.", ["depthlib/kitti/made_up.py"]),
        ("`docs/nothing.png`", ["docs/nothing.png"]),
        ("`models/huge.keras`", ["models/huge.keras"]),
        ("https://example.org/docs/nothing.png, runs/docs/nothing.png", []),
    ],
)
def test_a_path_that_leads_to_nothing_is_found(text, missing):
    assert missing_files(text) == missing


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("`make demo` makes all; make of it what you like. `make test-jax`", []),
        ("    make train-resnet EPOCHS=2\n    make study NAME=peers DATA=x", []),
        ("`make demos`", ["make demos"]),
        ("    make train_resnet", ["make train_resnet"]),
        ("`make study NAME=pears`", ["make study NAME=pears"]),
    ],
)
def test_a_target_that_the_makefile_lacks_is_found(text, missing):
    assert missing_targets(text) == missing


def test_a_large_file_is_refused_wherever_it_lies_unless_it_is_a_network():
    large = LARGEST + 1
    refused = ["docs/film.gif", "datasets/sample/all.npz", "runs.keras", "models/card.png"]
    kept = {"models/best.keras": large, "models/best.onnx": large, "docs/a.png": LARGEST}
    assert too_large({path: large for path in refused} | kept) == refused


def test_the_workflow_tests_every_system_and_python_that_the_project_names():
    text = (PROJECT / ".github/workflows/test.yml").read_text(encoding="utf-8")
    jobs = yaml.safe_load(text)["jobs"]
    matrix = jobs["tests"]["strategy"]["matrix"]
    assert {name.partition("-")[0] for name in matrix["os"]} == {"ubuntu", "windows", "macos"}
    assert matrix["python"] == ["3.11", "3.12", "3.13"]
    commands = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    made = {words[1] for words in map(str.split, commands) if words[0] == "make"}
    assert made <= make_targets() and {"docs", "web", "test-all"} <= made
    assert any("pytest" in command and '-m "not slow"' in command for command in commands)


def test_what_security_md_names_is_there():
    page = read("SECURITY.md")
    assert missing_files(page) + missing_targets(page) + broken_links("SECURITY.md", page) == []
