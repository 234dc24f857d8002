import numpy as np
import pandas as pd
import pytest

from experiments import charts


def test_a_study_shows_each_variant_from_its_lowest_to_its_highest_seed():
    summary = pd.DataFrame(
        {
            "variant": ["a", "b"],
            "gmacs": [0.5, 3.0],
            "seconds": [10.0, 20.0],
            "median": [0.4, 0.5],
            "lowest": [0.3, 0.45],
            "highest": [0.6, 0.5],
        }
    )
    axis, other = charts.show_study(summary, {"gmacs": "GMAC", "seconds": "s"}, "δ1").axes
    assert [axis.get_xlabel(), axis.get_ylabel(), other.get_xlabel()] == ["GMAC", "δ1", "s"]
    assert axis.get_legend_handles_labels()[1] == ["a", "b"]
    reach = [bars.get_segments()[0][:, 1].tolist() for bars in axis.collections]
    assert reach == [[0.3, 0.6], [0.45, 0.5]]


def test_gains_are_bars_in_their_order_with_the_intervals_that_there_are():
    summary = pd.DataFrame(
        {
            "variant": ["recipe", "worse", "better"],
            "gain": [0.0, -0.02, 0.03],
            "high": [0.0, -0.01, float("nan")],
        }
    )
    (axis,) = charts.show_gains({"gain in δ1": summary}).axes
    assert [label.get_text() for label in axis.get_yticklabels()] == ["worse", "better"]
    assert [bar.get_width() for bar in axis.patches] == [-0.02, 0.03]
    whisker, none = axis.collections[0].get_segments()
    assert np.ptp(whisker[:, 0]) == pytest.approx(0.02) and not np.size(none)


def test_a_curve_joins_the_medians_between_the_lowest_and_the_highest_seed():
    summary = pd.DataFrame(
        {"median": [0.5, 0.6], "lowest": [0.4, 0.6], "highest": [0.55, 0.7]}, index=[24, 48]
    )
    figure = charts.show_curves({"scenes": summary, "epochs": summary.iloc[:1]}, "δ1")
    left, right = figure.axes
    assert [left.get_xlabel(), right.get_xlabel(), left.get_ylabel()] == ["scenes", "epochs", "δ1"]
    assert left.lines[0].get_xydata().tolist() == [[24, 0.5], [48, 0.6]]
    reach = [line[:, 1].tolist() for line in left.collections[0].get_segments()]
    np.testing.assert_allclose(reach, [[0.4, 0.55], [0.6, 0.7]])


def test_changes_are_a_line_a_row_from_the_top_with_a_dot_for_each_value():
    table = pd.DataFrame({"before": [0.5, 0.7], "after": [0.6, np.nan]}, index=["one", "two"])
    figure = charts.show_changes(table, "δ1")
    (axis,) = figure.axes
    before, after = (dots.get_offsets() for dots in axis.collections[1:])
    assert before.tolist() == [[0.5, 1], [0.7, 0]] and after.tolist()[0] == [0.6, 1]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["one", "two"]
    assert axis.get_xlabel() == "δ1"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["before", "after"]


def test_losses_start_at_one_and_gains_may_stand_as_they_come():
    log = pd.DataFrame({"epoch": [1, 2], "loss": [4.0, 1.0], "val_loss": [2.0, 3.0]})
    axes = charts.show_losses({"a": log, "b": log}).axes
    for axis, expected in zip(axes, ([1, 0.25], [1, 1.5]), strict=True):
        assert [line.get_ydata().tolist() for line in axis.lines] == [expected] * 2
    summary = pd.DataFrame({"variant": ["base", "x", "y"], "gain": [0, 1, 0.5], "high": [0, 1, 1]})
    axis, other = charts.show_gains({"a": summary, "b": summary.assign(gain=0)}, sort=False).axes
    assert [label.get_text() for label in axis.get_yticklabels()] == ["y", "x"]  # from below
    assert axis.get_xlim() == other.get_xlim()
