"""KITTI's raw drives: laser scans projected to sparse depth maps, and Eigen's lists of frames.

`scan` projects one scan, `drives` whole drives, `splits` reads the lists.
"""

from depthlib.data.kitti.drives import project_drives, see_from
from depthlib.data.kitti.scan import Camera, project, read_camera, read_scan
from depthlib.data.kitti.splits import (
    count_splits,
    read_order,
    read_split,
    split_pairs,
    write_splits,
)

__all__ = [
    "Camera", "count_splits", "project", "project_drives", "read_camera", "read_order", "read_scan",
    "read_split", "see_from", "split_pairs", "write_splits",
]  # fmt: skip
