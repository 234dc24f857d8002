"""A folder of rendered roads: each scene in every light and weather, with one depth map.

train/motorway_0001/overcast.jpg, clear.jpg, ...   one photo a condition
train/motorway_0001/depth.png                      16-bit, metres x 256, 0: sky or too far
train/motorway_0001/clear_mask.png, ...            255 where that condition's light is changed
road_train.csv, road_test.csv                      rgb,depth
index.csv                                          photo,scene,condition
"""

from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from depthlib.data.images import read_depth, read_rgb, write_depth, write_rgb
from depthlib.data.specs import ROADS
from depthlib.files import write_bytes, write_ours
from depthlib.plotting import save_figure, show_views
from rendering.photo import develop
from rendering.roads.scenes import DRAW, KINDS_IN_TURN, build_scene, conditions_of
from rendering.rooms.write import write_index

QUALITY = 88  # of the JPEG photos
SHOWN = 8  # pictures of a scene in the figure, which more would make too small to read
UNSEEN = ("fog_300", "fog_50")  # in the figure: fog_120 stands for all
TEST_SHARE = 4  # one scene in so many is to test on, the last ones


def write_roads(folder, *, seed=0, scenes=32, kinds=KINDS_IN_TURN, only=None, resume=False, **look):
    """Renders road scenes and writes them, their two CSVs and index.csv to `folder`.

    The last quarter of the scenes is to test on. Every file is a pure function of seed, scene
    number, `kinds`, which come in turn, and `look` (see `render_road`), on one variant of Mitsuba;
    with `resume` scenes whose files are all there stay as they are. `only` names the conditions
    that are wanted, None for all; scenes that have none of them are left out.
    """
    folder, rows, index = Path(folder), {"train": [], "test": []}, [("photo", "scene", "condition")]
    kinds = [kinds[number % len(kinds)] for number in range(scenes)]
    total = sum(len(conditions_of(kind, only)) for kind in kinds)
    with tqdm(total=total, unit="image") as bar:
        for number, kind in enumerate(kinds):
            side = "train" if number < scenes - scenes // TEST_SHARE else "test"
            names = conditions_of(kind, only)
            if not names:
                continue
            scene = f"{kind}_{number + 1:04d}"
            place = f"{side}/{scene}/"
            rows[side] += [(f"{place}{name}.jpg", f"{place}depth.png") for name in names]
            index += [(f"{place}{name}.jpg", scene, name) for name in names]
            if not (resume and _is_there(folder / place, names)):
                rendered = render_road(kind, (seed, number), only=only, **look)
                _write_scene(folder / place, *rendered)
            bar.update(len(names))
    write_index(folder / "index.csv", index)
    for side, pairs in rows.items():
        text = "".join(f"{photo},{depth}\n" for photo, depth in pairs)
        write_ours(folder / f"road_{side}.csv", text.encode())


def render_road(kind, seed, height, samples, width=None, view=None, only=None):
    """({condition: photo uint8 (height, width, 3)}, depth in metres, {condition: mask bool}).

    `view` is the spec whose camera sees it, see `build_scene`; without `width` photos have that
    camera's shape, or 4:3. `only` names the conditions wanted.
    """
    from rendering.roads.lighting import EXPOSURE, Shot, light_scene  # needs mitsuba

    width = width or round(height * (view or ROADS).aspect)
    shot = Shot(build_scene(kind, seed, view), height, width, samples)
    lights, masks = light_scene(shot, [*seed, 1], only)
    photos = {}
    for number, name in enumerate(conditions_of(kind)):
        if name not in lights:
            continue
        rng = np.random.default_rng([*seed, 2, number])
        brightness, balance = EXPOSURE.get(name, ((0.13, 0.24), (0.3, 0.8)))
        photos[name] = develop(lights[name], rng, brightness, balance)
    return photos, shot.depth, masks


def show_scenes(folder, figure):
    """Writes a picture of one scene of each kind in `folder`: of its lights and masks, SHOWN.

    Errors: FileNotFoundError where `folder` has no index.csv.
    """
    folder = Path(folder)
    if not (folder / "index.csv").exists():
        raise FileNotFoundError(f"There is no {folder / 'index.csv'}. Make it with `make roads`.")
    index, rows = pd.read_csv(folder / "index.csv"), []
    for kind in DRAW:
        scenes = index[index["scene"].str.startswith(kind)]
        if scenes.empty:
            continue
        photos = scenes[scenes["scene"] == scenes["scene"].min()]
        row = {
            name.replace("_", " "): read_rgb(folder / photo)
            for photo, _, name in photos.itertuples(index=False)
            if name not in UNSEEN
        }
        place = (folder / photos["photo"].iat[0]).parent
        row["depth"] = read_depth(place / "depth.png", ROADS)
        for mask in sorted(place.glob("*_mask.png")):
            row[mask.stem.replace("_", " ")] = read_rgb(mask)
        rows.append(dict(islice(row.items(), SHOWN)))
    save_figure(show_views(rows), figure)


def _write_scene(folder, photos, depth_m, masks):
    for name, photo in photos.items():
        write_rgb(folder / f"{name}.jpg", photo, quality=QUALITY)
    for name, mask in masks.items():
        write_bytes(folder / f"{name}_mask.png", cv2.imencode(".png", mask * np.uint8(255))[1])
    farthest = np.iinfo(ROADS.depth_dtype).max * ROADS.scale
    # Last, for it says that the scene is whole.
    write_depth(folder / "depth.png", np.where(depth_m < farthest, depth_m, 0), ROADS)


def _is_there(folder, names):
    return (
        all((folder / f"{name}.jpg").exists() for name in names) and (folder / "depth.png").exists()
    )
