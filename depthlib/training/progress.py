"""What a run shows of itself as it goes on: its curves, and what it makes of one photo."""

import sys
import time
from typing import Any

import keras
import matplotlib.pyplot as plt
import numpy as np

from depthlib.plotting import save_figure, show_history
from depthlib.training.devices import alone, find_place
from depthlib.training.generator import DepthGenerator
from depthlib.training.run_folder import HISTORY, RunRecord


class HistoryFigure(keras.callbacks.Callback):
    """Writes history.png into the run's folder, first before the first step, then after epochs.

    A Jupyter notebook shows it below the cell, in place. The photo is one of those that validate,
    as `batches` hold them, of a run without validation one that trains; its depth is that of the
    weights which were validated. It takes at most a tenth of the time: where epochs are short, it
    is left out after some. The last one always shows. Stands behind `record`, before what changes
    weights after validation.
    """

    def __init__(self, record: RunRecord, batches: DepthGenerator) -> None:
        super().__init__()
        self.record = record
        self.photo, counts = batches.source.gather([len(batches.source) // 2])
        self.truth = counts[0].astype("float32") * batches.metres_per_count
        self.depth = np.zeros_like(self.truth)
        self.drawn, self.seconds, self.due = -np.inf, 0.0, True
        self.handle: Any = None

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        self._predict()
        self._draw()
        print("Compiling the first step: nothing moves for up to a minute on a CPU.", flush=True)

    def on_test_end(self, logs: dict[str, float] | None = None) -> None:
        self.due = time.perf_counter() > self.drawn + 9 * self.seconds
        if self.due:
            self._predict()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        if self.record.column is None:
            self.on_test_end()
        if self.due:
            self._draw()

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        if not self.due:
            self._predict()
            self._draw()

    def _predict(self) -> None:
        start = time.perf_counter()
        network = self.record.network
        if find_place().devices > 1:  # which all would have to compute
            network = self.record.copy_network(network.get_weights())
        with alone():
            depth = network(self.photo, training=False)
        self.depth = keras.ops.convert_to_numpy(depth)[0, ..., 0]
        self.seconds = time.perf_counter() - start

    def _draw(self) -> None:
        start = time.perf_counter()
        head = self.record.network.layers[-1]
        side = "training" if self.record.column is None else "validation"
        title = f"predicted depth, epoch {len(self.record.log)}"
        example = {f"{side} photo": self.photo[0], "true depth": self.truth, title: self.depth}
        figure = show_history(self.record.log, example, head.unit)
        save_figure(figure, self.record.folder / HISTORY, renew=True)
        plt.close(figure)
        self.show()
        self.drawn = time.perf_counter()
        self.seconds += self.drawn - start

    def show(self) -> None:
        """Shows the picture, if there is one, in a notebook: in the place of the one before."""
        path, ipython = self.record.folder / HISTORY, sys.modules.get("IPython")
        if ipython is None or not hasattr(ipython.get_ipython(), "kernel") or not path.exists():
            return
        picture = ipython.display.Image(filename=path)
        if self.handle is None:
            self.handle = ipython.display.display(picture, display_id=True)
        else:
            self.handle.update(picture)
