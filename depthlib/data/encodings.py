"""How unknown depth maps are encoded: what their numbers tell, and what speaks against a spec."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from depthlib.data.dataset_file import make_spec
from depthlib.data.specs import DatasetSpec


@dataclass(frozen=True)
class Guess:
    """How maps seem to be encoded.

    `fields` are those of a `DatasetSpec`, as a dataset.json has them. `sureness` is "certain",
    "likely" or "unsure". `reasons` say in words what speaks for it, and what against.
    """

    fields: dict[str, Any]
    sureness: str
    reasons: tuple[str, ...]

    def make_spec(self, name: str, **more: Any) -> DatasetSpec:
        """The spec of a dataset called `name`; `more` fields are said besides, or corrected."""
        return make_spec(name, **(self.fields | more))

    def __str__(self) -> str:
        said = ", ".join(f"{field}={value}" for field, value in self.fields.items())
        return f"Encoding, {self.sureness}: {said}. " + " ".join(self.reasons)


def guess_encoding(
    photos: Sequence[Path], maps: Sequence[Path], key: str | None = None, most: int = 40
) -> Guess:
    """How these maps are encoded, by their files, their histograms and sensors' usual scales.

    At most `most` pairs, evenly spaced, are read. `key` as in `DatasetSpec`. Errors: ValueError
    that names the file where the maps cannot be read or are of several kinds.
    """
    raise NotImplementedError
