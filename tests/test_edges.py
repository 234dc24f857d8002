from math import isnan

import numpy as np
import pytest

from depthlib.edges import edge_scores


def step(column, height=8, width=12, size=1.0):
    """Two metres deep to the left of `column`, `size` deeper from there on."""
    depth = np.full((height, width), 2.0, np.float32)
    depth[:, column:] += size
    return depth


def test_the_same_map_has_the_same_edges():
    assert set(edge_scores(step(5), step(5)).values()) == {1.0}


def test_a_step_is_found_on_both_of_its_sides_so_one_off_is_half_right():
    # True edge pixels are columns 4 and 5, predicted ones 5 and 6.
    scores = edge_scores(step(5), step(6))
    assert scores == {"edge_precision": 0.5, "edge_recall": 0.5, "edge_f1": 0.5}


def test_a_flat_guess_finds_nothing_and_a_needless_edge_costs_precision():
    flat = np.full((8, 12), 2.0, np.float32)
    missed = edge_scores(step(5), flat)
    assert missed["edge_recall"] == missed["edge_f1"] == 0 and isnan(missed["edge_precision"])
    invented = edge_scores(flat, step(5))
    assert invented["edge_precision"] == invented["edge_f1"] == 0
    assert isnan(invented["edge_recall"])


def test_a_step_counts_from_a_quarter_of_the_threshold_on():
    # Beside a step of s the masks give 4 s.
    assert edge_scores(step(5, size=0.3), step(5), threshold=1.0)["edge_recall"] == 1
    assert isnan(edge_scores(step(5, size=0.2), step(5), threshold=1.0)["edge_recall"])


def test_what_was_not_measured_makes_no_edge():
    truth = step(5)
    truth[:, 4:6] = 0
    assert all(isnan(value) for value in edge_scores(truth, np.full_like(truth, 2.0)).values())


def test_maps_of_two_sizes_are_refused():
    with pytest.raises(ValueError, match="same|both have the shape"):
        edge_scores(step(5), step(5, width=10))
