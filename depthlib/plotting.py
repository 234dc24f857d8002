"""Every figure: photos, depth and errors side by side, on colour scales that can be read."""

import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from textwrap import fill
from typing import Any, Protocol

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.animation import PillowWriter
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import LogLocator, MaxNLocator

from depthlib.files import FIGURE, replace_ours, write_bytes, write_ours

DEPTH_COLOURS = plt.get_cmap("turbo_r").with_extremes(bad="0.6")  # near is warm; invalid is grey
ERROR_COLOURS = plt.get_cmap("RdBu_r").with_extremes(bad="0.6")
LARGEST_ERROR = 0.5  # of the true depth; where the error map's colours end
PANEL = (2.6, 2.15)  # inches
WIDEST = 10.4  # inches of a figure: panels shrink where there are many, letters do not
ASPECTS = (0.1, 4)  # a panel's height over its width; what is beyond leaves some of it empty
LINE = 0.3  # inches that a row of letters takes
WRAP = 24  # letters of a title above a panel
PIXELS = 480  # of a panel's shorter side, at most to twice that: more than it shows costs memory
# What a run's log measures besides its loss, and which way is better.
MEASURES = {
    "delta1": "δ1 (higher is better)",
    "abs_rel": "AbsRel (lower is better)",
    "silog": "SILog (lower is better)",
}
POINTS = 20_000  # of a cloud's picture: more take seconds to draw and show no more


class _ShownOnce(Figure):
    """A figure that a notebook shows once: where `display` asks for it, else below its cell."""

    def _ipython_display_(self) -> None:
        """What IPython calls before it shows a figure; this error asks it to do as ever."""
        plt.close(self)  # or it would be shown again at the end of the cell
        raise NotImplementedError


_STYLE: dict[str, Any] = {"FigureClass": _ShownOnce, "layout": "constrained"}


class Result(Protocol):
    """One photo with its depth, as `prediction.photo.predict_photo` gives it."""

    @property
    def photo(self) -> np.ndarray: ...
    @property
    def depth_m(self) -> np.ndarray: ...
    @property
    def far(self) -> float: ...
    @property
    def unit(self) -> str: ...


def compare_with_truth(
    photos: Sequence[np.ndarray],
    truths: Sequence[np.ndarray],
    predictions: dict[str, Sequence[np.ndarray]],
    scores: dict[str, pd.DataFrame],
    unit: str = "metre",
) -> Figure:
    """A row a photo: photo, ground truth, and each model's depth and error map.

    photos uint8 (height, width, 3), truths and predictions (height, width) with 0 where invalid;
    `scores` has a row a photo with delta1 and abs_rel, which stand under the model's maps. One
    colour scale a row, the truth's range. Errors are (prediction - truth) / truth. A bar ends in a
    point where what lies beyond has its last colour.
    """
    columns = 2 + 2 * len(predictions)
    figure, axes = _make_grid(len(photos), columns)
    for row, (photo, truth) in enumerate(zip(photos, truths, strict=True)):
        limits = _limits([truth])
        axes[row, 0].imshow(photo)
        depth_picture = _draw_depth(axes[row, 1], truth, limits)
        for number, (model, depths) in enumerate(predictions.items()):
            depth_axis, error_axis = axes[row, 2 + 2 * number : 4 + 2 * number]
            _draw_depth(depth_axis, depths[row], limits)
            score = scores[model].iloc[row]
            error_picture = _show_error(error_axis, depths[row], truth)
            depth_axis.set_xlabel(f"δ1 {score['delta1']:.3f}")
            error_axis.set_xlabel(f"AbsRel {score['abs_rel']:.3f}")
        _add_bar(depth_picture, axes[row], unit)
    if predictions:
        _add_error_bar(error_picture, axes[-1])
    titles = ["photo", "ground truth"]
    titles += [title for model in predictions for title in (model, f"error of {model}")]
    for axis, title in zip(axes[0], titles, strict=True):
        axis.set_title(title if columns <= 6 else title.replace(" of ", " of\n"))
    return figure


def show_photos(
    photos: Sequence[np.ndarray],
    predictions: Mapping[str, Sequence[np.ndarray]],
    unit: str = "metre",
    far: Mapping[str, float | Sequence[float | None] | None] | None = None,
    changed: Mapping[str, Sequence[np.ndarray]] | None = None,
    names: Sequence[str] | None = None,
) -> Figure:
    """A row a photo without ground truth: the photo and each model's depth, one scale a row.

    `far` says of a model, by its name, from which depth on it says no more than "far", for all
    photos or for each: that is grey and named so; None, of rooms: it never does. Where it is given,
    if only {}, colours are logarithmic, as a road's must be.
    `changed` are photos made of these, by title, to stand beside them: those that a model saw.
    `names` are the rows', if they have any.
    The figure holds no more of large photos than it shows.
    """
    logarithmic, far = far is not None, far or {}
    ends = {  # None is NaN, which nothing is beyond
        name: np.broadcast_to(np.array(far.get(name), float), len(photos)) for name in predictions
    }
    columns = {"photo": photos, **(changed or {})}
    aspect = max(map(_find_aspect, photos))
    panel = PANEL[0], PANEL[1] + PANEL[0] * (aspect - 0.75)
    figure, axes = _make_grid(len(photos), len(columns) + len(predictions), panel)
    for row in range(len(photos)):
        depths = [_thin(depths[row]) for depths in predictions.values()]
        for depth, end in zip(depths, ends.values(), strict=True):
            depth[depth >= end[row]] = 0
        limits = _limits(depths)
        for axis, pictures in zip(axes[row], columns.values(), strict=False):
            axis.imshow(_thin(pictures[row]))
        for axis, depth in zip(axes[row, len(columns) :], depths, strict=True):
            picture = _draw_depth(axis, depth, limits, logarithmic)
        _add_bar(picture, axes[row], unit)
        axes[row, 0].set_ylabel(names[row] if names else "")
    note = "\ngrey: sky, or too far to tell"
    titles = [
        *columns,
        *(fill(name, WRAP) + note * bool(np.isfinite(end).any()) for name, end in ends.items()),
    ]
    for axis, title in zip(axes[0], titles, strict=True):
        axis.set_title(title)
    return figure


def show_results(results: Mapping[str, Iterable[Result]]) -> Figure:
    """The figure of `show_photos` for the same photos as each network, by name, sees them.

    Of each result, what the figure shows is kept: from `predict_photos`, one is in memory at once.
    Relative depth beside metres is brought to the median of the first network with metres, photo by
    photo, and its title says so: only then one colour scale shows both.
    """
    photos: list[np.ndarray] = []
    depths: dict[str, list[np.ndarray]] = {name: [] for name in results}
    far: dict[str, list[float]] = {name: [] for name in results}
    units: dict[str, str] = {}
    for number, (name, each) in enumerate(results.items()):
        for one in each:
            photos += [_thin(one.photo)] if number == 0 else []
            depths[name].append(_thin(one.depth_m))
            far[name].append(one.far)
            units[name] = one.unit
    metric = [name for name, unit in units.items() if unit == "metre"]
    shown: dict[str, list[np.ndarray]] = {}
    for name, maps in depths.items():
        if metric and name not in metric:
            maps = [_scale(*pair) for pair in zip(maps, depths[metric[0]], strict=True)]
            name = f"{name}, scaled to {metric[0]}"
        shown[name] = maps
    is_road = np.isfinite(list(far.values())).any()
    unit = "metre" if metric else "relative"
    return show_photos(photos, shown, unit, far if is_road else None)


def split_pages(
    photos: Sequence[Path], figure: Path | str, count: int = 8
) -> list[tuple[Path, Sequence[Path]]]:
    """The photos by pages of `count`, each with the file of its figure.

    One page's is `figure`; of several, figure.png is figure_1.png, figure_2.png and so on.
    """
    starts = range(0, len(photos), count)
    path = Path(figure)
    return [
        (
            path.with_stem(f"{path.stem}_{number}") if len(starts) > 1 else path,
            photos[start : start + count],
        )
        for number, start in enumerate(starts, start=1)
    ]


def show_clouds(clouds: Mapping[str, tuple[np.ndarray, np.ndarray]], unit: str = "metre") -> Figure:
    """Points in space by title, each from a little above and beside the camera that took them.

    points float32 (n, 3) in OpenCV's axes, x right, y down, z forward; colours uint8 RGB (n, 3).
    Of many points POINTS are drawn, and of each axis the part that holds 98 % of them.
    """
    figure = plt.figure(figsize=(5.2 * len(clouds), 4.6), **_STYLE)
    rng = np.random.default_rng(0)
    for number, (title, (points, colours)) in enumerate(clouds.items(), start=1):
        axis = figure.add_subplot(1, len(clouds), number, projection="3d")
        axis.set_title(fill(title, WRAP))
        if len(points) == 0:
            continue
        low, high = np.percentile(points, [1, 99], axis=0)
        inside = np.flatnonzero(((points >= low) & (points <= high)).all(axis=1))
        chosen = rng.permutation(inside)[:POINTS]
        x, y, z = points[chosen].T
        axis.scatter(x, z, -y, c=colours[chosen] / 255, s=5, lw=0, depthshade=False)
        axis.set(xlabel="right", ylabel=f"forward ({shorten(unit)})", zlabel="up")
        axis.locator_params(nbins=5)
        axis.set_aspect("equal")
        axis.view_init(elev=25, azim=-65)
    return figure


def show_pairs(
    photos: Sequence[np.ndarray], truths: Sequence[np.ndarray], unit: str = "metre"
) -> Figure:
    """Photos above their depth maps: a look at a dataset."""
    figure, axes = _make_grid(2, len(photos))
    for column, (photo, truth) in enumerate(zip(photos, truths, strict=True)):
        axes[0, column].imshow(photo)
        _show_depth(axes[1, column], truth, _limits([truth]), unit)
    return figure


def show_overlays(
    photos: Sequence[np.ndarray], truths: Sequence[np.ndarray], unit: str = "metre"
) -> Figure:
    """A row a pair: photo, depth, and depth over the photo, where a wrong match or turn is seen.

    photos uint8 (height, width, 3); truths (height, width), 0 where invalid, on a scale of its own.
    """
    figure, axes = _make_grid(len(photos), 3)
    for row, photo, truth in zip(axes, photos, truths, strict=True):
        photo, truth = _thin(photo), _thin(truth)
        limits = _limits([truth])
        row[0].imshow(photo)
        _show_depth(row[1], truth, limits, unit)
        row[2].imshow(photo.mean(axis=2), cmap="gray", vmin=0, vmax=255)
        over = np.ma.masked_less_equal(truth, 0)
        colours = DEPTH_COLOURS.with_extremes(bad=(0, 0, 0, 0))
        row[2].imshow(over, cmap=colours, norm=Normalize(*limits), alpha=0.55)
    for axis, title in zip(axes[0], ("photo", "depth", "depth over the photo"), strict=True):
        axis.set_title(title)
    return figure


def show_grid(
    rows: Mapping[str, Sequence[np.ndarray]],
    titles: Sequence[str],
    panel: tuple[float, float] = PANEL,
) -> Figure:
    """Photos uint8 (height, width, 3): a row for each name, a column under each title.

    `panel` is the width and height of one photo in inches.
    """
    figure, axes = _make_grid(len(rows), len(titles), panel)
    for row, (name, photos) in zip(axes, rows.items(), strict=True):
        row[0].set_ylabel(name)
        for axis, photo in zip(row, photos, strict=True):
            axis.imshow(photo)
    for axis, title in zip(axes[0], titles, strict=True):
        axis.set_title(title)
    return figure


def show_views(rows: Sequence[dict[str, np.ndarray]], unit: str = "metre") -> Figure:
    """A row a scene, whatever it has, by title.

    Photos uint8 (height, width, 3), depth maps float (height, width) with 0 where invalid, one
    colour scale a row, and masks bool (height, width).
    """
    aspect = _find_aspect(next(iter(rows[0].values())))
    wide = 1.65 / aspect**0.5
    figure, axes = _make_grid(len(rows), max(map(len, rows)), (wide, wide * aspect + 0.12))
    for line, row in zip(axes, rows, strict=True):
        for axis in line[len(row) :]:
            axis.set_axis_off()
        depths = [image for image in row.values() if image.dtype.kind == "f"]
        for axis, (title, image) in zip(line, row.items(), strict=False):
            axis.set_title(title, fontsize="medium")
            if image.dtype.kind == "f":
                _show_depth(axis, image, _limits(depths), unit)
            else:
                axis.imshow(image, cmap="gray")
    return figure


def show_points(
    photos: Sequence[np.ndarray], depths: Sequence[np.ndarray], unit: str = "metre"
) -> Figure:
    """A photo a row with its measurements on it, coloured by depth; to check a projection by eye.

    photos uint8 (height, width, 3), depths (height, width) with 0 where nothing was measured. The
    colours are logarithmic, or a road's last metres would have them all.
    """
    width = photos[0].shape[1]
    size = (10, 10 * _find_aspect(photos[0]) * len(photos))
    figure, axes = plt.subplots(len(photos), figsize=size, squeeze=False, **_STYLE)
    norm = LogNorm(*_limits(depths))
    for axis, photo, depth in zip(axes.flat, photos, depths, strict=True):
        row, column = np.nonzero(depth)
        axis.imshow(photo)
        points = axis.scatter(
            column,
            row,
            (1000 / width) ** 2,
            depth[row, column],
            norm=norm,
            cmap=DEPTH_COLOURS,
            lw=0,
        )
        axis.set(xticks=[], yticks=[])
    _add_bar(points, axes.ravel(), unit)
    return figure


def save_animation(
    photo: np.ndarray,
    depths: Mapping[str, np.ndarray],
    path: Path | str,
    unit: str = "metre",
    frames_per_second: float = 3,
) -> Path:
    """Writes a GIF of one photo beside one depth map after another; gives its path.

    photo uint8 (height, width, 3), depths (height, width) by their titles, all on one colour scale.
    """
    figure, axes = _make_grid(1, 2)
    axes[0, 0].imshow(photo)
    limits = _limits(list(depths.values()))
    picture = _show_depth(axes[0, 1], next(iter(depths.values())), limits, unit)
    writer = PillowWriter(fps=frames_per_second)  # type: ignore[arg-type]  # int in its stub alone
    with replace_ours(path, FIGURE) as temporary, writer.saving(figure, temporary, dpi=90):
        for title, depth in depths.items():
            picture.set_data(np.ma.masked_less_equal(depth, 0))
            axes[0, 1].set_title(title)
            writer.grab_frame()
    return Path(path)


def save_figure(figure: Figure, path: Path | str, dpi: int = 110, renew: bool = False) -> Path:
    """Writes a figure atomically and gives its path; the format is the path's suffix.

    renew: whatever is there, as in a folder that is depthlib's own; else by `files.write_ours`,
    whose errors these are.
    """
    path = Path(path)
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=dpi, format=path.suffix.removeprefix("."))
    if renew:
        write_bytes(path, drawn.getvalue())
    else:
        write_ours(path, drawn.getvalue(), FIGURE)
    return path


def shorten(unit: str) -> str:
    """How a unit of depth stands at a colour bar."""
    return {"metre": "m"}.get(unit, unit)


def _find_aspect(picture: np.ndarray) -> float:
    """The height over the width of a picture's panel."""
    return float(np.clip(picture.shape[0] / picture.shape[1], *ASPECTS))


def _thin(picture: np.ndarray) -> np.ndarray:
    """A copy, of every second row and column of a large picture, or every third, and so on."""
    step = max(1, min(picture.shape[:2]) // PIXELS)
    return picture[::step, ::step].copy()


def _scale(depth: np.ndarray, metric: np.ndarray) -> np.ndarray:
    """Relative depth with the median of the same photo's depth in metres."""
    return depth * (np.median(metric) / np.median(depth))


def _make_grid(
    rows: int, columns: int, panel: tuple[float, float] = PANEL
) -> tuple[Figure, np.ndarray]:
    scale = min(1, WIDEST / (panel[0] * columns))
    size = (panel[0] * columns * scale, panel[1] * rows * scale + LINE * (scale < 1) * rows)
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, **_STYLE)
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
    return figure, axes


def _limits(depths: Sequence[np.ndarray]) -> tuple[float, float]:
    """The range that holds 98 % of the valid pixels, so that one far pixel costs no contrast."""
    valid = np.concatenate([depth[depth > 0] for depth in depths])
    if not len(valid):  # all is sky: there is nothing to colour
        return 1.0, 10.0
    low, high = np.percentile(valid, [1, 99])
    return (low, high) if high > low else (low * 0.9, high * 1.1)


def _show_depth(axis: Axes, depth: np.ndarray, limits: tuple[float, float], unit: str) -> AxesImage:
    """A depth map beside a colour bar of its own."""
    picture = _draw_depth(axis, depth, limits)
    _add_bar(picture, axis, unit)
    return picture


def _draw_depth(
    axis: Axes, depth: np.ndarray, limits: tuple[float, float], logarithmic: bool = False
) -> AxesImage:
    norm = LogNorm(*limits) if logarithmic else Normalize(*limits)
    return axis.imshow(np.ma.masked_less_equal(depth, 0), cmap=DEPTH_COLOURS, norm=norm)


def _add_bar(picture: ScalarMappable, beside: Axes | np.ndarray, unit: str) -> None:
    """The colour bar of one scale at the right of its row, whose ends say near and far."""
    axes = np.atleast_1d(np.asarray(beside, object)).tolist()
    share = 0.046 / len(axes) ** 0.5
    bar = axes[0].figure.colorbar(picture, ax=axes, fraction=share, pad=0.01, extend="both")
    if isinstance(picture.norm, LogNorm):
        low, high = picture.get_clim()
        ticks = LogLocator(subs=(1, 2, 5))
        inside = [tick for tick in ticks.tick_values(low, high) if low <= tick <= high]
        bar.ax.yaxis.set_major_locator(ticks if len(inside) > 1 else MaxNLocator(5))
        bar.ax.yaxis.set_major_formatter("{x:g}")
        bar.ax.yaxis.set_minor_formatter("")
    bar.set_label(f"near  {shorten(unit)}  far", fontsize="small")


def _show_error(axis: Axes, depth: np.ndarray, truth: np.ndarray) -> AxesImage:
    valid = truth > 0
    error = np.ma.array(np.zeros(truth.shape), mask=~valid)
    error[valid] = depth[valid] / truth[valid] - 1
    return axis.imshow(error, cmap=ERROR_COLOURS, vmin=-LARGEST_ERROR, vmax=LARGEST_ERROR)


def _add_error_bar(picture: ScalarMappable, above: np.ndarray) -> None:
    """One bar for all errors, below the figure."""
    way = {"orientation": "horizontal", "fraction": 0.06, "aspect": 40, "shrink": 0.5}
    bar = above[0].figure.colorbar(picture, ax=above.tolist(), extend="both", **way)
    bar.ax.xaxis.set_major_formatter("{x:+.0%}")
    bar.set_label("error of the depth: blue is too near, red is too far")


def show_calibration(
    pairs: pd.DataFrame,
    corners: Sequence[tuple[np.ndarray, np.ndarray]],
    views: tuple[np.ndarray, np.ndarray],
) -> Figure:
    """How well a stereo rig fits its photos: errors a pair, where the boards were, rectified views.

    pairs: a row a pair with error_left, error_right and epipolar, pixels. corners: of each pair the
    (left, right) corners (n, 2). views: a rectified left and right photo, uint8 (height, width, 3);
    what a line crosses in one, it crosses in the other.
    """
    figure, axes = plt.subplot_mosaic(
        [["errors", "left", "right"], ["pair"] * 3], figsize=(10, 6.2), **_STYLE
    )
    names = [Path(str(name)).stem for name in pairs["left"]]
    for title in ("error_left", "error_right", "epipolar"):
        axes["errors"].plot(names, pairs[title].astype(float), ".-", label=title.replace("_", " "))
    axes["errors"].set(title="error of each pair", ylabel="pixels", ylim=(0, None))
    axes["errors"].tick_params("x", rotation=90, labelsize="x-small")
    axes["errors"].legend()
    height, width = views[0].shape[:2]
    for number, side in enumerate(("left", "right")):
        points = np.concatenate([both[number] for both in corners])
        axes[side].plot(*points.T, ".", markersize=2)
        axes[side].set(title=f"corners in the {side} photos", xticks=[], yticks=[])
        axes[side].set(xlim=(0, width), ylim=(height, 0), aspect="equal")
    axes["pair"].imshow(np.hstack(views))
    for row in np.linspace(0, height, 13)[1:-1]:
        axes["pair"].axhline(row, color="yellow", lw=0.6)
    axes["pair"].set(title="a pair, rectified", xticks=[], yticks=[])
    return figure


def show_history(
    log: pd.DataFrame, example: Mapping[str, np.ndarray] | None = None, unit: str = "metre"
) -> Figure:
    """Loss and metrics over epochs, of training and, where there is any, of validation.

    `log` is a run's log.csv; empty, as before the first epoch, it has no curves. Below stands
    `example`, by title: a photo uint8 (height, width, 3), and depth maps (height, width) with 0
    where invalid, in metres on the colour scale of the first one, otherwise each on its own.
    """
    names = [name for name in ("loss", *MEASURES) if name in log]
    rows = bool(names) + bool(example)
    columns = max(len(names), len(example or {}))
    size = (4 * columns, 3 * rows)
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, **_STYLE)
    for axis in axes[0, len(names) :] if names else ():
        axis.set_axis_off()
    for axis, name in zip(axes[0], names, strict=False):
        for column, label in ((name, "training"), (f"val_{name}", "validation")):
            if column in log:
                axis.plot(log["epoch"], log[column], label=label, marker=".")
                axis.legend()
        axis.set(title=MEASURES.get(name, name), xlabel="epoch")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        if len(log) == 1:  # whose axis would have none but fractions
            axis.set_xticks(log["epoch"])
        axis.grid(alpha=0.3)
    depths = [image for image in (example or {}).values() if image.ndim == 2]
    for axis, (title, image) in zip(axes[-1], (example or {}).items(), strict=False):
        axis.set(title=title, xticks=[], yticks=[])
        if image.ndim == 2:
            limits = _limits(depths[:1] if unit == "metre" else [image])
            _show_depth(axis, image, limits, unit)
        else:
            axis.imshow(image)
    return figure


def show_depths(depths: Sequence[np.ndarray], unit: str = "metre") -> Figure:
    """How often each depth was measured: a histogram of the valid pixels of all maps together."""
    valid = np.concatenate([depth[depth > 0] for depth in depths])
    figure, axis = plt.subplots(figsize=(7, 3), **_STYLE)
    axis.hist(valid, bins=80, weights=np.full(len(valid), 1 / len(valid)))
    axis.set(xlabel=f"depth ({unit})", ylabel="share of the measurements")
    axis.grid(alpha=0.3)
    return figure
