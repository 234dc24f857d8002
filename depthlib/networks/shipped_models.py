"""The networks that ship: what each is for, how good it is, and where its files lie. No Keras."""

from dataclasses import dataclass
from pathlib import Path

PACKAGED = Path(__file__).parents[1] / "models"  # ONNX files, in the wheel too
CLONED = Path(__file__).parents[2] / "models"  # .keras files, in a clone of the repository alone


@dataclass(frozen=True)
class Shipped:
    """A network that ships: what it is for, and how good it is.

    delta1, aligned: the share of pixels whose depth is within a quarter of the true one, in metres
    as predicted and after median alignment; on the 301 test photos of NYU Depth V2, `road`'s on
    KITTI's drive 0009. megabytes: of its .keras file. licence: what its data allow.
    """

    use: str
    delta1: float
    aligned: float
    megabytes: int
    licence: str


NYU_LICENCE = "non-commercial (NYU Depth V2, ImageNet)"
SHIPPED = {
    "light": Shipped("rooms, quick", 0.776, 0.844, 4, NYU_LICENCE),
    "best": Shipped("rooms, most accurate", 0.794, 0.853, 50, NYU_LICENCE),
    "resnet34": Shipped("rooms, as trained by the notebooks", 0.724, 0.804, 45, NYU_LICENCE),
    "unet": Shipped("rooms, as trained by the notebooks", 0.671, 0.762, 11, NYU_LICENCE),
    "road": Shipped("roads, to 80 m", 0.822, 0.830, 4, "non-commercial (KITTI, ImageNet)"),
}


def describe_missing(path: Path | str) -> str:
    """What is said where a network's file is not there: what ships, and how one is made."""
    return (
        f"There is no network {path}. Ship with depthlib: {', '.join(SHIPPED)}; in a clone they "
        "are models/NAME.keras. Or train one, with train_resnet.ipynb or train_unet.ipynb, and "
        "give the path of its .keras or .onnx file."
    )
