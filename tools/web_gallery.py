"""The depth of the gallery's photos, as `depthlib predict` gives it: web/gallery/*_depth_*.png.

`python -m tools.web_gallery` reads web/gallery/gallery.json, which names the photos, and writes
their depth beside them and what the page needs to know of it into that file.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from depthlib.data.images import resize_depth, resize_rgb
from depthlib.data.lenses import parse_focal
from depthlib.prediction.interface import DepthPredictor
from depthlib.prediction.photo import predict_photo
from depthlib.prediction.writers import DepthResult, name_file, write_png16
from depthlib.prediction.zoo import open_network

GALLERY = Path(__file__).parents[1] / "web" / "gallery"
LIST = GALLERY / "gallery.json"
WIDTH = 256  # of a depth map: more would hold nothing that the networks see


def predict_entry(entry: dict[str, Any], predictor: DepthPredictor) -> DepthResult:
    """The depth of a photo of the gallery, at the size in which it is kept.

    The sky keeps the depth that the network gave it, above `far`: a 0 beside an edge would mix with
    what stands there when the page enlarges the map.
    """
    result = predict_photo(predictor, GALLERY / entry["photo"], parse_focal(entry.get("lens")))
    height, width = result.depth_m.shape
    size = round(WIDTH * height / width), WIDTH
    return DepthResult(
        resize_rgb(result.photo, *size),
        resize_depth(result.depth_m, *size),
        result.far,
        result.intrinsics,
        result.max_depth,
    )


def describe_entry(entry: dict[str, Any], result: DepthResult) -> dict[str, Any]:
    """An entry with what the page needs to know of its depth."""
    stem = Path(entry["photo"]).stem
    return {
        **{key: entry[key] for key in ("photo", "title", "network", "source")},
        **({"lens": entry["lens"]} if "lens" in entry else {}),
        "depth": name_file("png16", stem, result),
        "width": result.intrinsics.width,
        "height": result.intrinsics.height,
        "focal": round(result.intrinsics.focal, 4),
        "far": round(result.far, 3) if np.isfinite(result.far) else None,
        "max_depth": result.max_depth,
    }


if __name__ == "__main__":
    entries = json.loads(LIST.read_text(encoding="utf-8"))
    networks = {name: open_network(name) for name in {entry["network"] for entry in entries}}
    described = []
    for old in entries:
        found = predict_entry(old, networks[old["network"]])
        described.append(describe_entry(old, found))
        write_png16(GALLERY / described[-1]["depth"], found)
    LIST.write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")
    print(f"{LIST}: {len(described)} photos")
