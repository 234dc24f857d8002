from depthlib.training.recipes import (
    UNET,
)
from experiments.ablations import FIXES, ORIGINAL_AS_WRITTEN


def test_the_original_as_written_becomes_our_unet_once_every_fault_is_fixed():
    fields = {}
    for changes in FIXES.values():
        assert changes.items().isdisjoint(fields.items())
        fields |= changes
        ORIGINAL_AS_WRITTEN.change(**fields)  # each step on the way is a recipe
    same = {name: getattr(UNET, name) for name in ("height", "width", "epochs", "counts")}
    assert ORIGINAL_AS_WRITTEN.change(**fields, **same) == UNET
    seed = ORIGINAL_AS_WRITTEN
    assert (seed.split, seed.channels, seed.normalise) == ("frame", "bgr", True)
    assert (seed.jitter, seed.crop, seed.augment) == (0, 0, True)  # it flips, and nothing else
