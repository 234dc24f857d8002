import ast
import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "depthlib"

# Tools stand beside the road: anything may import them, and they import only tools before them.
TOOLS = "files metrics edges geometry intrinsics arithmetic photos device notebooks".split()
# On the road a module imports tools and what comes before it. Any other module is a room that opens
# onto the road: it may import all of this, and nothing of this imports it.
ROAD = (
    "datasets images relight pairs cache mixture weather augment generator batch_norm layers "
    "encoders encoder_weights resnet unet losses distillation keras_metrics recipes networks "
    "optimizers export run_folder training prediction evaluation plotting charts"
).split()
WITHOUT_KERAS = (
    "files metrics edges geometry intrinsics photos datasets images relight pairs cache mixture "
    "weather augment recipes plotting charts kitti frames temporal video corruptions robustness "
    "conditions ordinal published"
).split()
BACKENDS = {"tensorflow", "jax", "torch"}
KNOW_BACKENDS = {"device.py", "batch_norm.py"}

TREES = {
    path.relative_to(PACKAGE): ast.parse(path.read_text(encoding="utf-8"))
    for path in sorted(PACKAGE.rglob("*.py"))
}


def name_of(path):
    """The module that a file belongs to; a package counts as one module."""
    return path.parts[0].removesuffix(".py")


MODULES = {name_of(path) for path in TREES} - {"__init__"}


def imports_of(tree):
    """The dotted names that a file imports anywhere, with every `from` name as a further part."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module.split(".") if not node.level else ["a relative import"]
            yield from ([*module, alias.name] for alias in node.names)


def may_import(module):
    if module in TOOLS:
        return {*TOOLS[: TOOLS.index(module)]}
    if module in ROAD:
        return {*TOOLS, *ROAD[: ROAD.index(module)]}
    return MODULES


def test_a_module_imports_only_what_comes_before_it():
    for path, tree in TREES.items():
        ours = {parts[1] for parts in imports_of(tree) if parts[0] == "depthlib"} & MODULES
        backwards = ours - may_import(name_of(path)) - {name_of(path)}
        assert not backwards, f"{path} may not import {backwards}"


def test_only_the_device_report_and_the_fused_kernel_name_a_backend():
    for path, tree in TREES.items():
        backends = {parts[0] for parts in imports_of(tree)} & BACKENDS
        assert not backends or path.name in KNOW_BACKENDS, f"{path} imports {backends}"


def test_half_of_the_modules_do_without_keras():
    modules = ", ".join(f"depthlib.{name}" for name in WITHOUT_KERAS if name in MODULES)
    heavy = {"keras", *BACKENDS}
    code = f"import sys, {modules}; print({heavy} & set(sys.modules) or 'none')"
    command = [sys.executable, "-c", code]
    answer = subprocess.run(
        command, cwd=PACKAGE.parent, capture_output=True, text=True, check=False
    )
    assert answer.stdout.strip() == "none", answer.stdout + answer.stderr


def test_a_file_and_a_function_hold_one_idea():
    long = []
    for path, tree in TREES.items():
        lines = len((PACKAGE / path).read_text(encoding="utf-8").splitlines())
        long += [f"{path}: {lines} lines"] * (lines > 300)
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                lines = node.end_lineno - node.lineno + 1
                long += [f"{path}: {node.name} has {lines} lines"] * (lines > 40)
    assert not long, "\n".join(long)


def test_names_of_modules_say_what_they_hold():
    assert not MODULES & {"utils", "helpers", "common", "misc", "tools"}


def test_what_a_user_passes_is_not_checked_by_assert():
    asserts = [
        f"{path}:{node.lineno}"
        for path, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Assert)
    ]
    assert not asserts, f"{asserts}: raise an error that says the rule"


def test_each_module_has_its_tests():
    tested = {path.stem.removeprefix("test_") for path in Path(__file__).parent.glob("test_*.py")}
    assert not MODULES - tested
