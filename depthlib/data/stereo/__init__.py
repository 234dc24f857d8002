"""Two cameras side by side: a board to print, calibration, rectification and matching.

`boards` has the calibration boards, `pairing` tells whether photos are pairs, `calibrate` makes a
rig of them, `rig` reads, writes and rectifies, `match` gives disparity, its confidence, and metres.
"""

from depthlib.data.stereo.boards import Board, parse_board
from depthlib.data.stereo.calibrate import Calibration, calibrate_photos
from depthlib.data.stereo.match import SURE, count_disparities, match, to_depth
from depthlib.data.stereo.pairing import check_partners
from depthlib.data.stereo.rig import SUFFIXES, Rectifier, Rig, read_rig, write_rig

__all__ = [
    "SUFFIXES", "SURE", "Board", "Calibration", "Rectifier", "Rig", "calibrate_photos",
    "check_partners", "count_disparities", "match", "parse_board", "read_rig", "to_depth",
    "write_rig",
]  # fmt: skip
