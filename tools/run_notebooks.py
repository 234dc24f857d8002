"""Runs notebooks headless, one after the other, with parameters, showing what their cells show.

python -m tools.run_notebooks train_resnet.ipynb EPOCHS=2 predict_resnet.ipynb COUNT=8
"""

import argparse
import ast
import contextlib
import html
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import papermill
from jupyter_client.manager import AsyncKernelManager
from jupyter_core.utils import run_sync
from nbclient.exceptions import DeadKernelError
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import Engine, papermill_engines

# For the kernels: no debugger's note on frozen modules.
QUIET = {"PYDEVD_DISABLE_FILE_VALIDATION": "1"}
PICTURES = {"image/png", "application/vnd.jupyter.widget-view+json"}


class _Client(PapermillNotebookClient):
    """Runs cells and shows their text as it comes: tables and progress bars too."""

    def papermill_execute_cells(self):
        if not self.owns_km:  # what ran before leaves its imports in the kernel, and no names
            clear = f"__import__('os').chdir({str(Path.cwd())!r})\n%reset -f"
            self.wait_for_reply(self.kc.execute(clear, silent=True))
        super().papermill_execute_cells()

    def process_message(self, *arguments, **named):
        output = super().process_message(*arguments, **named)
        if output and output.output_type == "stream":
            file = sys.stderr if output.name == "stderr" else sys.stdout
            print(output.text, end="", file=file, flush=True)
        elif output and "text/plain" in output.get("data", {}) and not PICTURES & set(output.data):
            print(output.data["text/plain"], flush=True)
        return output

    def handle_comm_msg(self, outs, msg, cell_index):
        """Writes a line of each of tqdm's bars: a box of its name, the bar, and what is done."""
        super().handle_comm_msg(outs, msg, cell_index)
        changed = msg["content"]["comm_id"], msg["content"]["data"].get("state", {})
        for box in self.widget_state.values():
            children = [one.removeprefix("IPY_MODEL_") for one in box.get("children", ())]
            if len(children) == 3 and changed[0] in children[1:]:
                self._write_bar(children, *changed)

    def _write_bar(self, children, comm, state):
        name, _, done = (self.widget_state[child].get("value", "") for child in children)
        if comm == children[2] and "value" in state:
            line = html.unescape(f"{name}{done}").replace("\u2007", " ")
            print(f"\r{line}", end="", file=sys.stderr, flush=True)
        elif state.get("bar_style") in ("success", "danger"):
            print(file=sys.stderr, flush=True)


class _Engine(Engine):
    @classmethod
    def execute_managed_notebook(cls, nb_man, kernel_name, kernel=None, **kwargs):
        # The kernel copies what its libraries write to stderr, which comes as a message as well.
        with _log_of(nb_man.output_path).open("w") as log:
            client = _Client(nb_man, km=kernel, kernel_name=kernel_name, timeout=None)
            client.execute(stderr=log)


papermill_engines.register("depthlib", _Engine)


def run_notebooks(
    runs: Sequence[tuple[Path, dict[str, str]]], output: Path, *, one_kernel: bool = False
) -> None:
    """Runs (notebook, parameters as text) in turn from the working folder.

    The executed notebooks are left in the folder `output`. Each has a kernel of its own. With
    `one_kernel` they share one, cleared in between: TensorFlow starts once, and what the kernel
    writes to stderr is in the log of the first.
    Errors: FileNotFoundError for a missing notebook and ValueError for a parameter that a notebook
    lacks, both before the first one runs; RuntimeError that names the executed notebook when one
    fails.
    """
    plans = [(path, _read_parameters(path, texts)) for path, texts in runs]
    sources = [path for path, _ in runs]
    for path in sources:
        if any((output / path.name).resolve() == source.resolve() for source in sources):
            raise ValueError(
                f"A notebook as run must not replace its source. Received: {path} for {output}. "
                "Choose another folder."
            )
    output.mkdir(parents=True, exist_ok=True)
    with _one_kernel() if one_kernel else contextlib.nullcontext() as kernel:
        for number, (path, parameters) in enumerate(plans, start=1):
            start = time.monotonic()
            print(f"\n[{number}/{len(plans)}] {path}", flush=True)
            _run(path, output / path.name, parameters, kernel)
            print(f"[{number}/{len(plans)}] {path}: {time.monotonic() - start:.0f} s", flush=True)


@contextlib.contextmanager
def _one_kernel() -> Iterator[AsyncKernelManager]:
    """A kernel for several notebooks, which the first starts."""
    kernel = AsyncKernelManager(kernel_name="python3")
    try:
        yield kernel
    finally:
        if kernel.has_kernel:
            run_sync(kernel.shutdown_kernel)(now=True)


def _read_parameters(path: Path, texts: dict[str, str]) -> dict:
    """The values that `texts` stand for; a parameter that is text by default stays text."""
    if not path.is_file():
        raise FileNotFoundError(f"There is no notebook {path}. Run from the project's root.")
    known = papermill.inspect_notebook(path)
    for name in texts.keys() - known.keys():
        raise ValueError(
            f"A parameter must be one that the notebook has. Received: {name} for {path}. "
            f"It has {', '.join(known)}."
        )
    return {
        name: _read_value(text, isinstance(_read_literal(known[name]["default"]), str))
        for name, text in texts.items()
    }


def _read_value(text: str, stays_text: bool):
    value = _read_literal(text)
    return text if stays_text and value is not None else _as_lists(value)


def _as_lists(value):
    """Tuples as lists, also those within others: papermill would hand them on as text."""
    if isinstance(value, tuple | list):
        return [_as_lists(each) for each in value]
    if isinstance(value, dict):
        return {key: _as_lists(each) for key, each in value.items()}
    return value


def _read_literal(text: str):
    try:
        return ast.literal_eval(text)
    # Whatever the parser says, it is no literal, and so text.
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError):
        return text


def _run(path: Path, output: Path, parameters: dict, kernel: AsyncKernelManager | None) -> None:
    options = {"engine_name": "depthlib", "kernel_name": "python3", "progress_bar": False}
    options["kernel"] = kernel
    try:
        papermill.execute_notebook(path, output, parameters, cwd=Path.cwd(), **options)
    except papermill.PapermillExecutionError as error:
        raise RuntimeError(
            f"{path} failed: {error.ename}: {error.evalue}\nAs far as it came: {output}"
        ) from error
    except DeadKernelError as error:
        raise RuntimeError(
            f"{path} died, perhaps for want of memory.\nIts last words: {_log_of(output)}"
        ) from error


def _log_of(output: Path | str) -> Path:
    return Path(output).with_suffix(".log")


def main(words: Sequence[str] | None = None) -> None:
    """The command line: notebooks, each followed by its parameters as NAME=VALUE."""
    parser = argparse.ArgumentParser(prog="python -m tools.run_notebooks", description=__doc__)
    parser.add_argument("words", nargs="+", metavar="notebook.ipynb [NAME=VALUE ...]")
    parser.add_argument("--output", type=Path, default=Path("runs/notebooks"))
    arguments = parser.parse_args(words)
    runs = []
    for word in arguments.words:
        name, equals, value = word.partition("=")
        if not equals:
            runs.append((Path(word), {}))
        elif runs:
            runs[-1][1][name] = value
        else:
            parser.error(f"a notebook comes before its parameters; received {word} first")
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    start = time.monotonic()
    try:
        run_notebooks(runs, arguments.output)
    except (OSError, RuntimeError, ValueError) as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit("Stopped.")
    minutes, seconds = divmod(round(time.monotonic() - start), 60)
    print(f"\nDone in {minutes} min {seconds} s; the notebooks as run: {arguments.output}")


if __name__ == "__main__":
    main()
