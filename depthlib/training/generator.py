"""`DepthGenerator`: shuffled, augmented batches for `model.fit`."""

import errno
import os
import threading
import warnings
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import keras
import numpy as np

from depthlib.data.augment import Augmentation
from depthlib.data.cache import DecodedPairs, FilePairs, open_cache
from depthlib.data.mixed_pairs import MixedPairs, cut_to_view, focal_factors, is_shown_whole
from depthlib.data.pairs import Pairs
from depthlib.data.views import VIEWS

# Photos, truth, and each photo's weight where there are weights. With views the first is a dict.
Batch = tuple[Any, ...]


class DepthGenerator(keras.utils.PyDataset):
    """Batches of RGB uint8 (b, height, width, 3) and depth float32 (b, height, width, 1).

    Depth is in metres (relative datasets: 0..1), 0 where invalid; the last batch may be smaller.
    Where one of the pairs has confidence maps, a second channel is each pixel's, from 0 to 255, its
    weight for the losses. With `weights`, one for each of several `pairs`, each batch has a third
    part: how much each photo counts in the loss. With `views`, names of VIEWS, its first part is
    what `photometric.add_views` takes: a dict of "data", the photos; "photos", the same as the
    camera took them, and these views; "motions" and "cameras", as `Views` has them.
    With `as_counts` it stays as the cache has it, uint16 counts of `metres_per_count` metres, half
    as much to move to the device; losses and metrics take that as `truth_unit`. Several `pairs` are
    one dataset, as the first one's camera would see it: depth of a dataset with another focal
    length is scaled, photos of roads are cut to its view (`mixture.cut_to_view`). What is empty in
    one where `empty_is_far` is as far as depth goes. Where some are metric and some relative, depth
    is int32 counts or float32, and that of relative ones negative: `ScaleInvariantLoss` takes it as
    known only up to a scale, and the metrics do not count it. With `paired_views` each pair comes
    twice in a row, without and with the augmentation's weather, and `batch_size` counts the pairs:
    two views of one depth, for `ConsistentLoss`. Order (`shuffle`) and `augmentation` depend on
    `seed`, `epoch` and the pair alone, so they are the same for any number of `workers` (threads
    that each prepare a batch ahead; None: one a core, at most 4) and after a resume. Decoded images
    are kept under `cache_folder` (`by_content`: see `open_cache`); without one, or when the disk is
    full, each batch is decoded anew, to the same pixels. With `shard` (i, n) it gives the i-th of n
    equal parts of each batch, in their order, and reads no other rows; `devices` share a batch over
    all shards (None: one each). A batch that these do not divide is padded: its last pair comes
    again, without any depth. `sizes` says how many of a batch's photos are real. Train with

        model.fit(batches, shuffle=False, callbacks=[EpochFollower(batches)])

    or Keras draws an order of its own that no resume repeats.
    Errors: ValueError for no pairs, a size below 1, paired_views without weather, a shard that is
    none, or views beside what they cannot follow; those of `cache.open_cache`.
    """

    def __init__(
        self,
        pairs: Pairs | Sequence[Pairs],
        height: int,
        width: int,
        batch_size: int,
        *,
        shuffle: bool = False,
        augmentation: Augmentation | None = None,
        paired_views: bool = False,
        weights: Sequence[float] | None = None,
        views: Sequence[str] = (),
        seed: int = 0,
        cache_folder: Path | str | None = None,
        crop_border: bool = False,
        by_content: bool = False,
        as_counts: bool = False,
        workers: int | None = None,
        shard: tuple[int, int] = (0, 1),
        devices: int | None = None,
    ) -> None:
        # Keras' own threads stay off: where the backend looks at a batch before the first epoch
        # (JAX, PyTorch), their queue hands left-over batches to the epoch and drops its last ones.
        super().__init__(workers=1)
        workers = min(4, os.cpu_count() or 1) if workers is None else workers
        members = [pairs] if isinstance(pairs, Pairs) else pairs
        _check_arguments(members, paired_views, augmentation, height, width, batch_size, workers)
        _check_views(views, members, paired_views, augmentation)
        devices = shard[1] if devices is None else devices
        _check_shard(*shard, devices)
        self.source = _open_sources(
            members, height, width, cache_folder, crop_border=crop_border, by_content=by_content
        )
        lengths = [len(member) for member in members]
        self._relative = np.repeat([member.spec.is_relative for member in members], lengths)
        self._weights = None if weights is None else np.repeat(weights, lengths).astype("float32")
        self._empty_is_far = np.repeat([member.spec.empty_is_far for member in members], lengths)
        self._horizons = None
        if augmentation is not None and augmentation.horizon is not None:
            own = [is_shown_whole(member.spec) and member.spec.horizon for member in members]
            self._horizons = np.repeat([each or augmentation.horizon for each in own], lengths)
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.augmentation = augmentation
        self.paired_views = paired_views
        self.views = tuple(views)
        self.as_counts = as_counts
        self.seed = seed
        self.shard = shard
        self.devices = devices
        self._views = 2 if paired_views else 1
        self.epoch = 0
        self._ahead = workers
        self._pool = ThreadPoolExecutor(workers)
        cv2.setNumThreads(1)  # OpenCV's own threads would only get in the way of these
        self._lock = threading.Lock()
        self._pending: dict[tuple[int, int], Future[Batch]] = {}
        self._next = 0

    def __len__(self) -> int:
        return -(-len(self.source) // self.batch_size)

    def __getitem__(self, index: int) -> Batch:
        if not 0 <= index < len(self):
            raise IndexError(f"A batch must be 0 to {len(self) - 1}. Received: {index}.")
        with self._lock:
            plan = self._plan
            in_turn = index in (0, self._next)
            self._next = index + 1
            last = min(index + (self._ahead if in_turn else 0), len(self) - 1)
            keys = [(plan.epoch, number) for number in range(index, last + 1)]
            self._pending = {
                key: self._pending.get(key) or self._pool.submit(self._make_batch, plan, key[1])
                for key in keys
            }
            batch = self._pending.pop(keys[0])
        return batch.result()

    @property
    def metres_per_count(self) -> float:
        """The depth of one count: metres (relative: shares)."""
        return self.source.metres_per_count

    @property
    def sizes(self) -> dict[int, int]:
        """How many photos are real in a whole batch, over all shards, by how many it has."""
        counts = {min(self.batch_size, len(self.source)), len(self.source) % self.batch_size} - {0}
        return {self._views * self._pad(count): self._views * count for count in counts}

    @property
    def epoch(self) -> int:
        """The epoch, from 0, that order and augmentation belong to; set it to resume."""
        return self._plan.epoch

    @epoch.setter
    def epoch(self, epoch: int) -> None:
        count, draws = len(self.source), np.empty(0)
        order = np.arange(count)
        if self.shuffle:
            order = np.random.default_rng([self.seed, epoch, 0]).permutation(count)
        if self.augmentation is not None:
            draws = self.augmentation.draw(self.seed, epoch, count)
        self._plan = _Plan(epoch, order, draws)

    def on_epoch_end(self) -> None:
        """Goes to the next epoch, for a `fit` without `EpochFollower`."""
        self.epoch += 1

    def _metres_of(self, rows: np.ndarray) -> np.ndarray:
        """The metres of a count of each row, 0 where depth is known only up to a scale."""
        return np.where(self._relative[rows], 0, self.metres_per_count)

    def _fill_far(self, rows: np.ndarray, counts: np.ndarray) -> None:
        """Puts the farthest depth, in place, where nothing is in a dataset whose empty is far."""
        far = self._empty_is_far[rows]
        counts[far] = np.where(counts[far] > 0, counts[far], 65535)

    def _pad(self, count: int) -> int:
        """To how many pairs a batch of `count` is padded: no two counts of an epoch are alike."""
        size, whole = (-(-each // self.devices) * self.devices for each in (count, self.batch_size))
        return size + self.devices if size == whole and count != self.batch_size else size

    def _make_batch(self, plan: "_Plan", index: int) -> Batch:
        rows = plan.order[index * self.batch_size : (index + 1) * self.batch_size]
        part = self._pad(len(rows)) // self.shard[1]
        places = np.arange(self.shard[0] * part, (self.shard[0] + 1) * part)
        own = np.minimum(places, len(rows) - 1)
        if self.augmentation is not None and self.augmentation.mix:
            # Any other of the batch may be in a photo.
            views = np.arange(self._views)
            own = (self._views * own[:, None] + views).ravel()
            batch = tuple(part[own] for part in self._make_pairs(plan, rows))
        else:
            batch = self._make_pairs(plan, rows[own])
        padded = np.repeat(places >= len(rows), self._views)
        batch[1][padded] = 0
        if self.views:
            batch[0]["motions"][padded] = 0
        return batch

    def _make_pairs(self, plan: "_Plan", rows: np.ndarray) -> Batch:
        """Photos, truth and weights of these pairs, each with its views, as `plan` draws them."""
        rgb, counts = self.source.gather(rows)
        confidence = self.source.gather_confidence(rows) if self.source.has_confidence else None
        views = self.source.gather_views(rows, self.views) if self.views else None
        if views is not None:
            views.photos[:, 0] = rgb
        if self.augmentation is not None:
            draws = plan.draws[rows]
            if self.paired_views:
                rgb, counts, rows = (np.repeat(values, 2, axis=0) for values in (rgb, counts, rows))
                confidence = None if confidence is None else np.repeat(confidence, 2, axis=0)
                draws = self.augmentation.double(draws)
            horizons = None if self._horizons is None else self._horizons[rows]
            self.augmentation.apply(
                rgb, counts, draws, self._metres_of(rows), confidence, views, horizons
            )
        # After it: a part that is enlarged comes nearer, the sky does not.
        self._fill_far(rows, counts)
        if self.augmentation is not None:
            self.augmentation.mix_photos(rgb, counts, draws)
        if isinstance(self.source, MixedPairs) and self.source.mixes_units:
            signs = np.where(self.source.is_relative(rows), -1, 1)
            counts = counts * signs.astype(np.int32)[:, None, None]
        if not self.as_counts:
            counts = np.multiply(counts, np.float32(self.metres_per_count), dtype=np.float32)
        truth = counts[..., None]
        if confidence is not None:
            truth = np.concatenate([truth, confidence[..., None]], axis=-1, dtype=truth.dtype)
        seen = rgb if views is None else {"data": rgb, **vars(views)}
        return (seen, truth) if self._weights is None else (seen, truth, self._weights[rows])


class EpochFollower(keras.callbacks.Callback):
    """Sets the generator's epoch to the one that `fit` begins, after a resume too.

    Keras ends an epoch once before the first begins, so counting its ends is off by one.
    """

    def __init__(self, generator: DepthGenerator) -> None:
        super().__init__()
        self.generator = generator

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.generator.epoch = epoch


class _Plan(NamedTuple):
    """An epoch's order of pairs, and each pair's draws. One object, so threads see both change."""

    epoch: int
    order: np.ndarray
    draws: np.ndarray  # none without an augmentation


def _check_arguments(
    members: Sequence[Pairs], paired_views: bool, augmentation: Augmentation | None, *sizes: int
) -> None:
    """Accepts what `DepthGenerator` can work with; else ValueError."""
    names = ("height", "width", "batch_size", "workers")
    for name, size in zip(names, sizes, strict=True):
        if size < 1:
            raise ValueError(f"`{name}` must be at least 1. Received: {name}={size}.")
    if paired_views and not (augmentation and augmentation.weather):
        raise ValueError("`paired_views` need an augmentation with weather. Use `weather=1`.")
    if not members or not all(map(len, members)):
        raise ValueError("`pairs` must hold a pair. Received: 0. Use make_dataset.ipynb.")


def _check_views(
    views: Sequence[str],
    members: Sequence[Pairs],
    paired_views: bool,
    augmentation: Augmentation | None,
) -> None:
    """Accepts views that all photos and what changes them allow; else ValueError."""
    if not views:
        return
    if set(views) - set(VIEWS):
        raise ValueError(f"`views` must be of {', '.join(VIEWS)}. Received: {', '.join(views)}.")
    if paired_views or (augmentation and (augmentation.rotation or augmentation.mix)):
        raise ValueError(
            "Other views do not turn, mix or come twice with their photo. Received: "
            f"paired_views={paired_views}, {augmentation}. Use rotation=0, mix=0, consistency=0, "
            "or photometric=0 to leave the views out."
        )
    for member in members:
        if member.views and not (member.spec.focal or "focal_share" in member.table):
            raise ValueError(
                "Other views need the focal length of their photos. Received: none for "
                f"{member.spec.name!r}, with {', '.join(member.views)}. Say `focal` in its "
                "dataset.json, or use photometric=0 to leave the views out."
            )
        if "right" in member.views and "right" in views and not member.spec.baseline:
            raise ValueError(
                "Views of a second camera need its distance. Received: no `baseline` for "
                f"{member.spec.name!r}. Say it in its dataset.json, in metres."
            )


def _check_shard(number: int, shards: int, devices: int) -> None:
    """Accepts a shard of a batch; else ValueError."""
    if not 0 <= number < shards or devices < shards or devices % shards:
        raise ValueError(
            "`shard` must be (i, n) with i from 0 to n - 1, and `devices` as many for each. "
            f"Received: shard={(number, shards)}, devices={devices}."
        )


def _open_sources(
    members: Sequence[Pairs],
    height: int,
    width: int,
    cache_folder: Path | str | None,
    *,
    crop_border: bool,
    by_content: bool,
) -> DecodedPairs | FilePairs | MixedPairs:
    """The decoded pairs of each member, all in the view of the first one's camera."""
    main, sources, factors = members[0].spec, [], []
    for member in members:
        cut = cut_to_view(member.spec, main, crop_border)
        seen, is_cut = replace(member, spec=cut or member.spec), cut is not None
        sources.append(_open_source(seen, height, width, cache_folder, is_cut, by_content))
        factors.append(focal_factors(seen, main.view(crop_border)["focal"], is_cut))
    if len(sources) == 1 and np.all(factors[0] == 1):
        return sources[0]
    return MixedPairs(sources, [member.spec.is_relative for member in members], factors)


def _open_source(
    pairs: Pairs,
    height: int,
    width: int,
    cache_folder: Path | str | None,
    crop_border: bool,
    by_content: bool,
) -> DecodedPairs | FilePairs:
    """The decoded pairs: from the cache, or from files where there is none or the disk is full."""
    if cache_folder is not None or pairs.is_packed:
        try:
            settings = {"crop_border": crop_border, "by_content": by_content}
            return open_cache(pairs, height, width, cache_folder or pairs.root, **settings)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            warnings.warn(f"{error}. Decoding each batch anew.", stacklevel=3)
    return FilePairs(pairs, height, width, crop_border)
