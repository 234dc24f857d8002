"""Runs notebooks headless, one after the other, with parameters, showing what their cells show.

python -m tools.run_notebooks train_resnet.ipynb EPOCHS=2 predict_resnet.ipynb COUNT=8
"""

import argparse
import ast
import contextlib
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

# For the kernels: no debugger's note on frozen modules.
QUIET = {"PYDEVD_DISABLE_FILE_VALIDATION": "1"}


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
    from tools import kernels  # here: it takes seconds, in which Ctrl-C is to be heard

    plans = [(path, _read_parameters(path, texts, kernels.list_parameters)) for path, texts in runs]
    sources = [path for path, _ in runs]
    for path in sources:
        if any((output / path.name).resolve() == source.resolve() for source in sources):
            raise ValueError(
                f"A notebook as run must not replace its source. Received: {path} for {output}. "
                "Choose another folder."
            )
    output.mkdir(parents=True, exist_ok=True)
    with kernels.share_one() if one_kernel else contextlib.nullcontext() as kernel:
        for number, (path, parameters) in enumerate(plans, start=1):
            start = time.monotonic()
            print(f"\n[{number}/{len(plans)}] {path}", flush=True)
            kernels.execute(path, output / path.name, parameters, kernel)
            print(f"[{number}/{len(plans)}] {path}: {time.monotonic() - start:.0f} s", flush=True)


def _read_parameters(
    path: Path, texts: dict[str, str], list_parameters: Callable[[Path], dict]
) -> dict:
    """The values that `texts` stand for; a parameter that is text by default stays text."""
    if not path.is_file():
        raise FileNotFoundError(f"There is no notebook {path}. Run from the project's root.")
    known = list_parameters(path)
    for name in texts.keys() - known.keys():
        raise ValueError(
            f"A parameter must be one that the notebook has. Received: {name} for {path}. "
            f"It has {', '.join(known)}."
        )
    for name in (name for name, text in texts.items() if not text):
        raise ValueError(
            f"A parameter must have a value: as a path, none is the working folder. Received: "
            f"{name}= for {path}. Give one, None where it may be, or leave it out."
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
