from pathlib import Path
from types import SimpleNamespace

import cv2
import nbformat
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import LogNorm, Normalize
from nbclient import NotebookClient

from depthlib import plotting

PHOTO = np.random.default_rng(0).integers(0, 255, (32, 48, 3), np.uint8)
TRUTH = np.linspace(1, 4, 32 * 48, dtype=np.float32).reshape(32, 48)
SCORES = pd.DataFrame({"delta1": [0.5, 0.75], "abs_rel": [0.25, 0.125]})


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plotting.plt.close("all")


def test_the_comparison_has_the_originals_columns_and_an_error_map_for_each_model():
    holed = TRUTH.copy()
    holed[:4] = 0
    predictions = {"first": [TRUTH * 1.25] * 2, "second": [TRUTH * 0.75] * 2}
    figure = plotting.compare_with_truth(
        [PHOTO] * 2, [holed] * 2, predictions, {"first": SCORES, "second": SCORES}
    )
    pictures = [axis for axis in figure.axes if axis.images and not axis.get_label()]
    assert [axis.get_title() for axis in pictures[:6]] == [
        "photo", "ground truth", "first", "error of first", "second", "error of second",
    ]  # fmt: skip
    assert [axis.get_xlabel() for axis in pictures[8:10]] == ["δ1 0.750", "AbsRel 0.125"]
    depths = [pictures[column].images[0] for column in (1, 2, 4)]
    assert len({picture.get_clim() for picture in depths}) == 1, "one colour scale a row"
    assert depths[0].get_array().mask[:4].all(), "invalid pixels are masked, so grey"
    error = pictures[3].images[0].get_array()
    np.testing.assert_allclose(error.compressed(), 0.25, atol=1e-6)
    assert error.mask[:4].all() and not error.mask[4:].any()


def test_metres_stand_over_the_colour_bars_only_where_depth_is_metric():
    for unit, title in (("metre", "near  m  far"), ("relative", "near  relative  far")):
        figure = plotting.show_photos([PHOTO], {"model": [TRUTH]}, unit)
        titles = [axis.get_title() for axis in figure.axes]
        assert titles == ["photo", "model", ""]
        assert figure.axes[-1].get_ylabel() == title  # which reads upwards, as the bar does


@pytest.mark.parametrize("limits", [(0.97, 1.03), (3, 9), (6, 7), (1.5, 70)])
@pytest.mark.parametrize("far", [None, {}])
def test_a_bar_has_two_numbers_or_more_whatever_the_range(limits, far):
    depth = np.linspace(*limits, 32 * 48, dtype=np.float32).reshape(32, 48)
    figure = plotting.show_photos([PHOTO], {"model": [depth]}, far=far)
    figure.draw_without_rendering()
    (bar,) = [axis for axis in figure.axes if axis.get_label() == "<colorbar>"]
    low, high = bar.get_ylim()
    texts = [text for tick, text in zip(bar.get_yticks(), bar.get_yticklabels(), strict=True)
             if low <= tick <= high]  # fmt: skip
    assert len({text.get_text() for text in texts} - {""}) >= 2


def test_a_row_has_one_bar_with_pointed_ends_and_all_errors_share_one():
    depths, scores = {"first": [TRUTH] * 2, "second": [TRUTH] * 2}, {"first": SCORES}
    figure = plotting.compare_with_truth(
        [PHOTO] * 2, [TRUTH] * 2, depths, scores | {"second": SCORES}
    )
    bars = [axis for axis in figure.axes if axis.get_label() == "<colorbar>"]
    assert [bar.get_ylabel() for bar in bars] == ["near  m  far", "near  m  far", ""]
    assert "too near" in bars[2].get_xlabel() and "too far" in bars[2].get_xlabel()
    assert {bar._colorbar.extend for bar in bars} == {"both"}, "what lies beyond is said"


def test_a_figure_of_many_panels_is_no_wider_than_a_page_and_its_letters_stay():
    few, many = (
        plotting.show_photos([PHOTO], {f"{n}": [TRUTH] for n in range(count)}) for count in (1, 7)
    )
    assert few.get_size_inches()[0] == 2 * plotting.PANEL[0]
    assert many.get_size_inches()[0] == pytest.approx(plotting.WIDEST)
    sizes = {figure.axes[0].title.get_fontsize() for figure in (few, many)}
    assert len(sizes) == 1


def test_rows_of_photos_may_have_names():
    figure = plotting.show_photos([PHOTO] * 2, {"model": [TRUTH] * 2}, names=["fog", "night"])
    pictures = [axis for axis in figure.axes if axis.images and not axis.get_label()]
    assert [axis.get_ylabel() for axis in pictures] == ["fog", "", "night", ""]


def test_what_a_model_calls_far_is_grey_and_said_so_on_logarithmic_colours():
    figure = plotting.show_photos(
        [PHOTO], {"room": [TRUTH], "road": [TRUTH * 20]}, far={"road": 64.0}
    )
    _, room, road = (axis for axis in figure.axes if axis.images and not axis.get_label())
    assert (room.get_title(), road.get_title()) == ("room", "road\ngrey: sky, or too far to tell")
    masked = road.images[0].get_array().mask
    np.testing.assert_array_equal(masked, TRUTH * 20 >= 64)
    assert not np.any(room.images[0].get_array().mask)
    norm = road.images[0].norm
    assert norm(8.0) - norm(4.0) == pytest.approx(norm(32.0) - norm(16.0))


def test_far_may_be_each_photos_own_and_rooms_have_none():
    far = {"room": None, "road": [64.0, None, 48.0], "none of them": 5.0}
    depths = {"room": [TRUTH] * 3, "road": [TRUTH * 20] * 3}
    figure = plotting.show_photos([PHOTO] * 3, depths, far=far)
    pictures = [axis for axis in figure.axes if axis.images and not axis.get_label()]
    titles = [axis.get_title() for axis in pictures[:3]]
    assert titles == ["photo", "room", "road\ngrey: sky, or too far to tell"]
    for axis, end in zip(pictures[2::3], (64, np.inf, 48), strict=True):
        masked = np.ma.getmaskarray(axis.images[0].get_array())
        np.testing.assert_array_equal(masked, TRUTH * 20 >= end)
    for unsure in ({"road": [np.inf]}, {"road": [None]}, {"road": None}, {}):
        figure = plotting.show_photos([PHOTO], {"road": [TRUTH]}, far=unsure)
        assert figure.axes[1].get_title() == "road"


def test_relative_depth_beside_metres_is_scaled_and_says_so():
    metric = SimpleNamespace(photo=PHOTO, depth_m=TRUTH, far=np.inf, unit="metre")
    relative = SimpleNamespace(photo=PHOTO, depth_m=TRUTH / 10, far=np.inf, unit="relative")
    figure = plotting.show_results({"relative": [relative], "metric": [metric]})
    titles = [axis.get_title() for axis in figure.axes[:3]]
    assert [title.replace("\n", " ") for title in titles] == [
        "photo", "relative, scaled to metric", "metric",
    ]  # fmt: skip
    for axis in figure.axes[1:3]:
        np.testing.assert_allclose(axis.images[0].get_array(), TRUTH, rtol=1e-6)
    assert [axis.get_ylabel() for axis in figure.axes[3:]] == ["near  m  far"]
    alone = plotting.show_results({"relative": [relative]})
    np.testing.assert_allclose(alone.axes[1].images[0].get_array(), TRUTH / 10)
    assert alone.axes[1].get_title() == "relative"
    assert [axis.get_ylabel() for axis in alone.axes[2:]] == ["near  relative  far"]


def test_results_of_rooms_have_even_colours_and_those_of_a_road_logarithmic_ones():
    room = SimpleNamespace(photo=PHOTO, depth_m=TRUTH, far=np.inf, unit="metre")
    road = SimpleNamespace(photo=PHOTO, depth_m=TRUTH * 20, far=64.0, unit="metre")
    figure = plotting.show_results({"room": [room, room]})
    assert [axis.get_title() for axis in figure.axes[:2]] == ["photo", "room"]
    assert type(figure.axes[1].images[0].norm) is Normalize
    figure = plotting.show_results({"room": iter([room]), "road": iter([road])})
    _, room, road = (axis for axis in figure.axes if axis.images and not axis.get_label())
    assert (room.get_title(), road.get_title()) == ("room", "road\ngrey: sky, or too far to tell")
    assert isinstance(road.images[0].norm, LogNorm)
    np.testing.assert_array_equal(road.images[0].get_array().mask, TRUTH * 20 >= 64)


def test_a_photo_that_is_all_sky_is_grey():
    figure = plotting.show_photos([PHOTO], {"road": [TRUTH]}, far={"road": 0.5})
    assert figure.axes[1].images[0].get_array().mask.all()
    figure.canvas.draw()


def test_a_figure_holds_no_more_of_a_large_photo_than_it_shows():
    photo, depth = np.zeros((1440, 2000, 3), np.uint8), np.ones((1440, 2000), np.float32)
    depth[::3] = 2
    figure = plotting.show_photos([photo], {"model": [depth]}, far={"model": 1.5})
    shapes = [axis.images[0].get_array().shape[:2] for axis in figure.axes[:2]]
    assert shapes == [(480, 667)] * 2
    assert all(axis.images[0].get_array().base is not photo for axis in figure.axes[:2])
    assert depth.max() == 2, "what it was given stays as it is"


@pytest.mark.parametrize(
    ("photos", "names"),
    [
        (0, []),
        (1, ["a.b.png"]),
        (8, ["a.b.png"]),
        (9, ["a.b_1.png", "a.b_2.png"]),
        (17, ["a.b_1.png", "a.b_2.png", "a.b_3.png"]),
    ],
)
def test_every_eight_photos_are_a_page_with_a_figure_of_its_own(photos, names):
    paths = [Path(f"{number}.jpg") for number in range(photos)]
    pages = plotting.split_pages(paths, "runs/a.b.png")
    assert [figure for figure, _ in pages] == [Path("runs") / name for name in names]
    assert [path for _, page in pages for path in page] == paths
    assert all(len(page) <= 8 for _, page in pages)


def test_clouds_stand_upright_side_by_side_without_their_strays():
    rng = np.random.default_rng(0)
    points = rng.uniform((-1, -1, 2), (1, 3, 6), (30_000, 3)).astype(np.float32)
    points[0] = 0, 0, 500  # a stray would shrink all else to a dot
    colours = np.full((30_000, 3), (255, 0, 51), np.uint8)
    figure = plotting.show_clouds({"one": (points, colours), "none": (points[:0], colours[:0])})
    one, none = figure.axes
    assert (one.get_title(), none.get_title()) == ("one", "none")
    (drawn,) = one.collections
    right, forward, up = drawn._offsets3d
    assert 15_000 < len(right) <= plotting.POINTS
    assert 2 <= forward.min() and forward.max() <= 6
    assert up.min() == pytest.approx(-3, abs=0.1) and up.max() == pytest.approx(1, abs=0.1)
    np.testing.assert_allclose(drawn.get_facecolor()[0], (1, 0, 0.2, 1))
    figure.canvas.draw()


def test_what_was_made_of_a_photo_stands_between_it_and_its_depth():
    depths = {"the road of many long words": [TRUTH]}
    figure = plotting.show_photos([PHOTO], depths, changed={"darker": [PHOTO // 2]})
    photo, darker, road = (axis for axis in figure.axes if axis.images and not axis.get_label())
    assert [axis.get_title() for axis in (photo, darker)] == ["photo", "darker"]
    assert road.get_title() == "the road of many long\nwords"  # else it runs into the next one's
    np.testing.assert_array_equal(photo.images[0].get_array(), PHOTO)
    np.testing.assert_array_equal(darker.images[0].get_array(), PHOTO // 2)
    np.testing.assert_array_equal(road.images[0].get_array(), TRUTH)


def test_a_wide_photo_has_a_low_panel():
    heights = [
        plotting.show_photos(
            [np.zeros((height, 40, 3), np.uint8)], {"flat": [np.ones((height, 40))]}
        ).get_size_inches()[1]
        for height in (30, 12)
    ]
    assert heights == pytest.approx([2.15, 2.15 - 2.6 * 0.45])  # 4:3 as ever; 0.3 for 0.75


@pytest.mark.parametrize("size", [(20_000, 1), (1, 20_000), (3000, 2)])
@pytest.mark.parametrize("show", ["photos", "views", "points"])
def test_a_photo_that_is_all_but_a_line_has_a_figure_that_can_be_drawn(size, show, tmp_path):
    photo = np.full((*size, 3), 90, np.uint8)
    depth = np.linspace(1, 4, photo.size // 3, dtype=np.float32).reshape(size)
    figure = {
        "photos": lambda: plotting.show_photos([photo], {"model": [depth]}),
        "views": lambda: plotting.show_views([{"photo": photo, "depth": depth}]),
        "points": lambda: plotting.show_points([photo], [depth]),
    }[show]()
    assert max(figure.get_size_inches()) <= 40
    assert plotting.save_figure(figure, tmp_path / "a.png", dpi=20).stat().st_size > 100


def test_photos_of_different_sizes_share_a_figure():
    wide = np.zeros((20, 90, 3), np.uint8)
    depths = [TRUTH, np.full((20, 90), 3.0, np.float32)]
    figure = plotting.show_photos([PHOTO, wide], {"model": depths})
    assert len([axis for axis in figure.axes if axis.images]) == 4


def test_a_grid_has_a_row_for_each_name_and_a_column_under_each_title():
    photos = {"fog": [PHOTO, PHOTO // 2, PHOTO // 3], "rain": [PHOTO, PHOTO // 4, PHOTO // 5]}
    figure = plotting.show_grid(photos, ["0", "0.25", "1"], panel=(1, 1))
    shown = [axis.images[0].get_array() for axis in figure.axes]
    for picture, photo in zip(shown, [*photos["fog"], *photos["rain"]], strict=True):
        assert (picture == photo).all()
    assert [axis.get_title() for axis in figure.axes[:3]] == ["0", "0.25", "1"]
    assert [figure.axes[index].get_ylabel() for index in (0, 3)] == ["fog", "rain"]
    assert tuple(figure.get_size_inches()) == (3, 2)


def test_points_lie_on_the_photo_where_they_were_measured_on_one_colour_scale():
    depth = np.zeros((32, 48), np.float32)
    depth[3, 40], depth[20, 5], depth[21, 6] = 4, 16, 64
    first, second, bar = plotting.show_points([PHOTO] * 2, [depth, depth / 2]).axes
    np.testing.assert_array_equal(first.images[0].get_array(), PHOTO)
    (points,) = first.collections
    assert points.get_offsets().tolist() == [[40, 3], [5, 20], [6, 21]]  # x, y
    assert points.get_array().tolist() == [4, 16, 64]
    assert points.get_clim() == second.collections[0].get_clim()
    assert bar.get_ylabel() == "near  m  far"


def test_an_animation_shows_each_depth_in_turn_on_one_scale(tmp_path):
    photo = np.full((32, 48, 3), 128, np.uint8)
    depths = {f"epoch {n}": np.full((32, 48), float(n), np.float32) for n in (1, 2, 4)}
    path = plotting.save_animation(photo, depths, tmp_path / "new" / "depth.gif")
    film = cv2.VideoCapture(str(path))
    colours = []
    while (frame := film.read()[1]) is not None:
        colours.append(tuple(frame[frame.shape[0] // 2, frame.shape[1] * 2 // 3]))
    assert len(colours) == len(set(colours)) == 3  # one scale: another depth has another colour


def test_views_of_scenes_stand_in_their_own_order_with_one_depth_scale_a_row():
    rows = [{"fog": PHOTO, "depth": TRUTH, "mask": TRUTH > 2}, {"lamps": PHOTO}]
    figure = plotting.show_views(rows)
    panels = [axis for axis in figure.axes if axis.get_title() != ""]
    assert [axis.get_title() for axis in panels] == ["fog", "depth", "mask", "lamps"]
    assert panels[1].images[0].get_clim() == tuple(np.percentile(TRUTH, (1, 99)))


def test_the_histogram_is_of_the_measured_pixels_and_sums_to_one():
    depth = np.zeros((32, 48), np.float32)
    depth[0, :4] = 2, 2, 2, 10
    (axis,) = plotting.show_depths([depth, np.zeros_like(depth)]).axes
    heights = [bar.get_height() for bar in axis.patches]
    assert heights[0] == 0.75 and heights[-1] == 0.25 and sum(heights) == 1
    assert axis.get_xlabel() == "depth (metre)"


def test_the_history_shows_training_beside_validation(tmp_path):
    log = pd.DataFrame({"epoch": [1, 2], "loss": [2, 1], "val_loss": [3, 2], "seconds": [1, 1]})
    figure = plotting.show_history(log)
    (axis,) = figure.axes
    assert [line.get_label() for line in axis.lines] == ["training", "validation"]
    path = plotting.save_figure(figure, tmp_path / "new" / "history.png")
    assert path.read_bytes().startswith(b"\x89PNG")


def test_the_history_of_a_run_without_validation_or_before_its_first_epoch_is_drawn_too():
    log = pd.DataFrame({"epoch": [1], "loss": [2], "delta1": [0.5], "learning_rate": [1e-3]})
    axes = plotting.show_history(log).axes
    assert [axis.get_title() for axis in axes] == ["loss", "δ1 (higher is better)"]
    assert [line.get_label() for axis in axes for line in axis.lines] == ["training"] * 2
    assert axes[0].lines[0].get_marker() == ".", "of one epoch a line alone would not be seen"
    figure = plotting.show_history(pd.DataFrame(), {"photo": PHOTO, "true depth": TRUTH})
    assert [axis.get_title() for axis in figure.axes[:2]] == ["photo", "true depth"]


def test_below_the_history_stands_a_photo_with_its_depth_on_truths_scale_where_both_are_metres():
    log = pd.DataFrame({"epoch": [1, 2], "loss": [2, 1], "silog": [30, 20], "val_silog": [31, 25]})
    example = {"photo": PHOTO, "true depth": TRUTH, "predicted depth": TRUTH * 2}
    for unit, factor in (("metre", 1), ("relative", 2)):
        figure = plotting.show_history(log, example, unit)
        photo, truth, depth = (axis for axis in figure.axes if axis.images and not axis.get_label())
        np.testing.assert_array_equal(photo.images[0].get_array(), PHOTO)
        assert [axis.get_title() for axis in (photo, truth, depth)] == [*example]
        limits = np.array(truth.images[0].get_clim())
        np.testing.assert_allclose(depth.images[0].get_clim(), factor * limits)
        figure.canvas.draw()


def test_a_notebook_shows_each_figure_once_asked_for_or_not(monkeypatch):
    monkeypatch.delenv("MPLBACKEND", raising=False)  # which is Jupyter's to choose
    draw = "from depthlib import plotting\nfrom numpy import ones\n"
    draw += "figure = plotting.show_depths([ones((4, 6))])\n"
    cells = [draw, f"{draw}display(figure)", f"{draw}figure", f"{draw}display(figure)\nfigure = 0"]
    notebook = nbformat.v4.new_notebook(cells=list(map(nbformat.v4.new_code_cell, cells)))
    NotebookClient(notebook, resources={"metadata": {"path": Path.cwd()}}).execute()
    shown = [[out for out in cell.outputs if "image/png" in out.data] for cell in notebook.cells]
    assert list(map(len, shown)) == [1, 1, 1, 1]
