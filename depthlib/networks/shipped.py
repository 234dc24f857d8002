"""The networks that ship: their names, what each is good for, and where its files are."""

import os
from dataclasses import dataclass
from pathlib import Path

PACKAGED = Path(__file__).parents[1] / "models"  # ONNX files, in the wheel too
CLONED = Path(__file__).parents[2] / "models"  # .keras files, in a clone of the repository alone


@dataclass(frozen=True)
class Shipped:
    """A network that ships: what it is, what it is for, and how good.

    network: as a recipe's `network` names it; "" where no recipe trains it, which is two as one.
    delta1, aligned: the share of pixels whose depth is within a quarter of the true one, in metres
    as predicted and after median alignment; on the 301 test photos of NYU Depth V2, `road`'s on
    KITTI's drive 0009. megabytes: of its .keras file. licence: what its data allow.
    """

    network: str
    use: str
    delta1: float
    aligned: float
    megabytes: int
    licence: str


NYU_LICENCE = "non-commercial (NYU Depth V2, ImageNet)"
SHIPPED = {
    "light": Shipped("mobilenet_v2", "rooms, quick", 0.804, 0.853, 4, NYU_LICENCE),
    "best": Shipped("", "rooms, most accurate", 0.812, 0.859, 21, NYU_LICENCE),
    "resnet34": Shipped(
        "resnet34", "rooms, as trained by the notebooks", 0.768, 0.828, 45, NYU_LICENCE
    ),
    "unet": Shipped("unet", "rooms, as trained by the notebooks", 0.735, 0.803, 11, NYU_LICENCE),
    "road": Shipped(
        "mobilenet_v2",
        "roads, to 160 m",
        0.817,
        0.827,
        4,
        "non-commercial (KITTI, ImageNet)",
    ),
}


def find_shipped(name: str, kind: str | None = None) -> Path:
    """The file of a network in SHIPPED. kind: "onnx", "keras", or None for ONNX where it is there.

    Errors: FileNotFoundError where this copy of depthlib lacks it, with what makes it.
    """
    places = {"onnx": PACKAGED / f"{name}.onnx", "keras": CLONED / f"{name}.keras"}
    wanted = [places[kind]] if kind else list(places.values())
    found = next((path for path in wanted if path.is_file()), None)
    if found is None:
        raise FileNotFoundError(
            f"There is no {' nor '.join(map(str, wanted))}. light and road come as ONNX with "
            "the package; the .keras files are in a clone of the repository. `depthlib export "
            f"{name} --to onnx` makes the one of the other."
        )
    return found


def find_file(model: Path | str, kind: str | None = None) -> Path:
    """The file of a network: `model` is the name of one that ships, or a path.

    kind: of those that ship, as in `find_shipped`. Errors: ValueError for what is no name and no
    path; FileNotFoundError for a file that is not there, with what ships and how one is made.
    """
    if not isinstance(model, str | os.PathLike) or not str(model).strip():
        raise ValueError(
            "A network must be the name of one that ships, or the path of its file. Received: "
            f"{model!r}. Use one of {', '.join(SHIPPED)}, or such a path."
        )
    if str(model) in SHIPPED:
        return find_shipped(str(model), kind)
    path = Path(model)
    if not path.is_file():
        raise FileNotFoundError(
            f"There is no network {path}. Ship with depthlib: {', '.join(SHIPPED)}; in a clone "
            "they are models/NAME.keras. Or train one, with train_resnet.ipynb or "
            "train_unet.ipynb, and give the path of its .keras or .onnx file."
        )
    return path
