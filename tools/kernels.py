"""The kernels of notebooks that run headless: what their cells show is shown as it comes."""

import contextlib
import html
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import papermill
from jupyter_client.manager import AsyncKernelManager
from jupyter_core.utils import run_sync
from nbclient.exceptions import DeadKernelError
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import Engine, papermill_engines

# After Ctrl-C the cell that was waited for finds its kernel dead, which nobody waits to hear.
logging.getLogger("asyncio").setLevel(logging.CRITICAL)

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
        with _log_of(nb_man.output_path).open("w", encoding="utf-8") as log:
            client = _Client(nb_man, km=kernel, kernel_name=kernel_name, timeout=None)
            client.execute(stderr=log)


papermill_engines.register("depthlib", _Engine)


def execute(path: Path, output: Path, parameters: dict, kernel: AsyncKernelManager | None) -> None:
    """Runs a notebook, in a kernel of its own where none is given.

    Errors: RuntimeError that names the notebook as far as it ran, where a cell or the kernel fails.
    """
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


@contextlib.contextmanager
def share_one() -> Iterator[AsyncKernelManager]:
    """A kernel for several notebooks, which the first starts."""
    kernel = AsyncKernelManager(kernel_name="python3")
    try:
        yield kernel
    finally:
        if kernel.has_kernel:
            run_sync(kernel.shutdown_kernel)(now=True)


def list_parameters(path: Path) -> dict:
    """What a notebook's cell of parameters says: papermill's description of each by its name."""
    return papermill.inspect_notebook(path)


def _log_of(output: Path | str) -> Path:
    return Path(output).with_suffix(".log")
