import ast
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
PACKAGE = PROJECT / "depthlib"

# What each part of the package may import of the package, beside itself.
MAY_IMPORT = {
    "files": set(),
    "downloads": set(),
    "metrics": set(),
    "weather": set(),
    "device": set(),
    "startup": set(),
    "data": {"files", "downloads", "metrics", "weather"},
    "networks": {"files", "downloads"},
    "plotting": {"files"},
    "evaluation": {"files", "data", "metrics"},
    "training": {"files", "weather", "device", "data", "networks", "plotting", "prediction"},
    "prediction": {"files", "metrics", "data", "networks"},
    "video": {"files", "data", "plotting", "prediction"},
    "commands": {"files", "data", "plotting", "prediction", "video"},
    "__main__": {
        "startup", "files", "metrics", "device", "data", "networks", "evaluation", "training",
        "prediction", "commands",
    },
}  # fmt: skip
WITHOUT_KERAS = {
    "__init__.py", "__main__.py", "startup.py", "files.py", "downloads.py", "metrics.py",
    "evaluation.py", "plotting.py", "data", "weather", "video", "networks/shipped.py",
    "prediction/onnx.py", "prediction/geometry.py", "prediction/interface.py",
    "prediction/writers.py", "prediction/outputs.py", "prediction/cloud.py",
    "prediction/pipeline.py", "prediction/photo.py", "prediction/zoo.py", "prediction/ground.py",
    "prediction/known_distance.py", "commands", "training/recipes.py",
}  # fmt: skip
BESIDE = {"experiments", "rendering", "benchmarks", "tools", "tests", "web"}
BACKENDS = {"tensorflow", "jax", "torch"}
# The report, the fused batch norm, what only JAX can.
KNOW_BACKENDS = {"device.py", "networks/layers.py", "training/devices.py"}

TREES = {
    path.relative_to(PACKAGE).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
    for path in sorted(PACKAGE.rglob("*.py"))
}


def part_of(path):
    """The part of the package that a file belongs to: its first folder, or its own name."""
    return path.split("/")[0].removesuffix(".py")


PARTS = {part_of(path) for path in TREES} - {"__init__"}


def imports_of(tree):
    """The dotted names that a file imports anywhere, with every `from` name as a further part."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module.split(".") if not node.level else ["a relative import"]
            yield from ([*module, alias.name] for alias in node.names)


def test_every_part_has_its_rule():
    assert set(MAY_IMPORT) == PARTS


@pytest.mark.parametrize("path", [path for path in TREES if path != "__init__.py"])
def test_a_part_imports_only_what_its_rule_allows(path):
    own = part_of(path)
    ours = {parts[1] for parts in imports_of(TREES[path]) if parts[0] == "depthlib"} & PARTS
    assert ours - {own} <= MAY_IMPORT[own], f"{path} may not import {ours - MAY_IMPORT[own]}"


def test_the_package_imports_nothing_that_stands_beside_it():
    for path, tree in TREES.items():
        beside = {parts[0] for parts in imports_of(tree)} & (BESIDE | {"a relative import"})
        assert not beside, f"{path} imports {beside}"


def test_only_the_device_report_and_the_fused_kernel_name_a_backend():
    for path, tree in TREES.items():
        backends = {parts[0] for parts in imports_of(tree)} & BACKENDS
        assert not backends or path in KNOW_BACKENDS, f"{path} imports {backends}"


def test_what_needs_no_keras_imports_none():
    paths = [path for path in TREES if {path, path.split("/")[0]} & WITHOUT_KERAS]
    assert len(paths) > 30
    names = [path.removesuffix(".py").replace("/", ".").removesuffix(".__init__") for path in paths]
    modules = ", ".join("depthlib" if name == "__init__" else f"depthlib.{name}" for name in names)
    heavy = {"keras", *BACKENDS}
    code = f"import sys, {modules}; print({heavy} & set(sys.modules) or 'none')"
    command = [sys.executable, "-c", code]
    answer = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert answer.stdout.strip() == "none", answer.stdout + answer.stderr


def test_names_of_modules_say_what_they_hold():
    names = {name.removesuffix(".py") for path in TREES for name in path.split("/")}
    assert not names & {"utils", "helpers", "common", "misc", "tools"}


def test_what_a_user_passes_is_not_checked_by_assert():
    asserts = [
        f"{path}:{node.lineno}"
        for path, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Assert)
    ]
    assert not asserts, f"{asserts}: raise an error that says the rule"


def test_each_file_has_its_tests_in_the_folder_of_its_name():
    tested = {path.stem.removeprefix("test_") for path in PROJECT.glob("tests/**/test_*.py")}
    together = {"data/kitti": "kitti", "weather": "effects"}
    for path in TREES:
        folder, _, name = path.rpartition("/")
        expected = together.get(folder, name.removesuffix(".py"))
        assert expected in tested or name in {"__init__.py", "__main__.py"}, path


def test_the_face_of_the_package_gives_what_it_names():
    code = "import depthlib; print([getattr(depthlib, name).__name__ for name in depthlib._HOMES])"
    command = [sys.executable, "-c", code]
    answer = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    names = "Predictor evaluate get_recipe load_model open_network read_csv read_rgb train".split()
    assert answer.stdout.strip() == str(names), answer.stderr
