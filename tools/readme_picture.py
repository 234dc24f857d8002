"""The README's first picture: a room and a street, their depth, and the room as points in space.

python -m tools.readme_picture ROOM.jpg STREET.png docs/readme.jpg
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm

from depthlib.data.lenses import parse_focal
from depthlib.plotting import DEPTH_COLOURS, save_figure
from depthlib.prediction.cloud import point_cloud
from depthlib.prediction.photo import predict_photo
from depthlib.prediction.writers import DepthResult
from depthlib.prediction.zoo import open_network

WIDTH = 10.4  # inches
LETTERS = 13  # points: about as large as the page's where the picture is as wide as the text


def main(arguments: list[str] | None = None) -> None:
    """Predicts both photos and writes the picture."""
    parser = argparse.ArgumentParser("python -m tools.readme_picture", description=main.__doc__)
    parser.add_argument("room", type=Path, help="a photo of a room, which `light` sees")
    parser.add_argument("street", type=Path, help="a photo of a street, which `road` sees")
    parser.add_argument("figure", type=Path)
    parser.add_argument("--room-focal", default="exif", help="as --focal of `depthlib predict`")
    parser.add_argument("--street-focal", default="exif")
    given = parser.parse_args(arguments)
    room = predict_photo(open_network("light"), given.room, parse_focal(given.room_focal))
    street = predict_photo(open_network("road"), given.street, parse_focal(given.street_focal))
    save_figure(draw(room, street), given.figure, dpi=150, renew=True)  # git has the one before


def draw(room: DepthResult, street: DepthResult) -> plt.Figure:
    """Room, depth and cloud above; street and its depth below."""
    figure = plt.figure(figsize=(WIDTH, 0.43 * WIDTH), layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=(1.28, 1))
    one, two, three = above.subplots(1, 3)
    one.imshow(room.photo)
    one.set_title("a photo of a room", fontsize=LETTERS)
    _show_depth(two, room, "its depth in metres")
    three.imshow(turn(room))
    three.set_title("the same as points in space", fontsize=LETTERS)
    four, five = below.subplots(1, 2)
    four.imshow(street.photo)
    four.set_title("a street", fontsize=LETTERS)
    _show_depth(five, street, "its depth; grey: sky, or too far to tell")
    for axis in (one, two, three, four, five):
        axis.set_axis_off()
    return figure


def turn(
    room: DepthResult, degrees: float = -16, height: int = 480, width: int = 640
) -> np.ndarray:
    """The room's points seen from the side: uint8 RGB (height, width, 3), white where none is."""
    points, colours = point_cloud(room.depth_m, room.photo, room.intrinsics)
    middle = np.median(points, axis=0)
    angle, tilt = np.radians(degrees), np.radians(16)
    aside = np.array(
        [[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]]
    )
    down = np.array([[1, 0, 0], [0, np.cos(tilt), -np.sin(tilt)], [0, np.sin(tilt), np.cos(tilt)]])
    x, y, z = (down @ aside @ (points - middle).T) + [[0], [0], [1.4 * middle[2]]]
    focal = 0.8 * width
    column, row = (focal * x / z + width / 2).astype(int), (focal * y / z + height / 2).astype(int)
    picture = np.full((height, width, 3), 255, np.uint8)
    order = np.argsort(-z)  # the nearest last, over all that it hides
    for across in range(2):
        for along in range(2):
            rows, columns = row[order] + across, column[order] + along
            seen = (
                (rows >= 0)
                & (rows < height)
                & (columns >= 0)
                & (columns < width)
                & (z[order] > 0.1)
            )
            picture[rows[seen], columns[seen]] = colours[order][seen]
    return picture


def _show_depth(axis: Axes, result: DepthResult, title: str) -> None:
    depth = np.where(result.depth_m < result.far, result.depth_m, 0)
    low, high = np.percentile(depth[depth > 0], [1, 99])
    shown = np.ma.masked_less_equal(depth, 0)
    picture = axis.imshow(shown, cmap=DEPTH_COLOURS, norm=LogNorm(low, high))
    axis.set_title(title, fontsize=LETTERS)
    ticks = [tick for tick in (1, 2, 3, 4, 5, 10, 20, 40) if low <= tick <= high]
    bar = axis.figure.colorbar(
        picture, ax=axis, fraction=0.03, pad=0.01, ticks=ticks, extend="both"
    )
    bar.ax.set_yticklabels([f"{tick} m" for tick in ticks], fontsize=LETTERS - 3)
    bar.ax.yaxis.set_minor_locator(plt.NullLocator())
    bar.set_label("near    far", fontsize=LETTERS - 3)


if __name__ == "__main__":
    main()
