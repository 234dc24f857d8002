"""A folder of rendered rooms in the layout and encodings of the Kaggle NYU Depth V2 archive."""

import csv
import io
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from depthlib.data.images import write_depth, write_rgb
from depthlib.data.pairs import find_pairs, write_csv
from depthlib.data.specs import NYU_TEST, NYU_TRAIN
from depthlib.files import write_ours
from rendering.camera import choose_views
from rendering.photo import add_border, develop
from rendering.rooms.room import PLANS, build_room

QUALITY = 88  # of the JPEG photos


def write_sample(folder, *, seed=0, train_rooms=24, test_rooms=6, resume=False, **size):
    """Renders rooms and writes them, their two CSVs and index.csv to `folder`.

    Each room is a scene of its own, on one side only. Every file is a pure function of seed and
    `size` (see `render_room`); with `resume` rooms whose files are all there stay as they are.
    """
    folder, rows, index = Path(folder), {"train": [], "test": []}, [("photo", "scene")]
    rooms = train_rooms + test_rooms
    with tqdm(total=rooms * size["views"], unit="image") as bar:
        for number in range(rooms):
            side, spec = ("train", NYU_TRAIN) if number < train_rooms else ("test", NYU_TEST)
            kind = list(PLANS)[number % len(PLANS)]
            scene = f"rendered_{kind}_{number + 1:04d}"
            first = len(rows["test"])  # the archive numbers its test images through
            names = [name_pair(side, scene, first + view) for view in range(size["views"])]
            rows[side] += names
            index += [(photo, scene) for photo, _ in names]
            if resume and all((folder / name).exists() for pair in names for name in pair):
                bar.update(size["views"])
                continue
            pictures = render_room(kind, (seed, number), **size)
            for (photo, depth), (rgb, depth_m) in zip(names, pictures, strict=True):
                write_rgb(folder / photo, rgb, quality=QUALITY)
                write_depth(folder / depth, depth_m, spec)
                bar.update()
    write_index(folder / "index.csv", index)
    for side, spec in (("train", NYU_TRAIN), ("test", NYU_TEST)):
        if rows[side]:  # in the order in which make_dataset.ipynb would write them again
            write_csv(find_pairs(folder, spec)[0], folder / f"nyu2_{side}.csv")


def name_pair(side, scene, number):
    """The archive's names of photo and depth map number `number`, counted from 0."""
    if side == "train":
        start = f"nyu2_train/{scene}_out/{number + 1}"
        return f"{start}.jpg", f"{start}.png"
    start = f"nyu2_test/{number:05d}"
    return f"{start}_colors.png", f"{start}_depth.png"


def render_room(kind, seed, views, height, width, samples):
    """Yields `views` pairs of a photo uint8 (height, width, 3) and its depth map in metres."""
    from rendering.render import Renderer  # here, for it needs mitsuba

    room = build_room(kind, seed)
    renderer = Renderer(room)
    rng = np.random.default_rng([*seed, 1])
    cameras = choose_views(room, lambda camera: renderer.points(camera, 30, 40), rng, views)
    for number, camera in enumerate(cameras):
        depth_m = camera.depth_of(renderer.points(camera, height, width))
        radiance = renderer.radiance(camera, height, width, samples, number)
        yield add_border(develop(radiance, rng), rng), depth_m


def write_index(path, rows):
    """Writes (photo, scene) rows as a CSV, by `files.write_ours`."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    write_ours(path, text.getvalue().encode())
