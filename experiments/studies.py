"""Studies: one recipe with some fields changed, over several seeds, compared run by run."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pandas as pd
from scipy import stats

from depthlib.data.pairs import SPLITTERS, Pairs
from depthlib.files import TABLE, check_ours, write_bytes, write_table
from depthlib.networks.layers import refresh_averages
from depthlib.networks.multiply_adds import count_macs
from depthlib.networks.saving import load_model
from depthlib.prediction.predictor import Predictor
from depthlib.training.build import build_network
from depthlib.training.recipes import Recipe
from depthlib.training.train import open_batches, train


def run_study(
    base: Recipe,
    variants: Mapping[str, Mapping],
    seeds: Sequence[int],
    pairs: Pairs,
    folder: Path | str,
    *,
    extra: Mapping[str, Sequence[Pairs]] | None = None,
    cache_folder: Path | str | None = None,
    measure: Callable[[Predictor, Pairs], Mapping[str, float]] | None = None,
    test: Pairs | None = None,
    refresh: bool = False,
    verbose: int | str = 2,
) -> pd.DataFrame:
    """Trains `base` with each variant's fields and each seed; gives a row a run.

    `variants` maps a name to the fields that it changes. A seed decides split, first weights and
    augmentation, so the variants of a seed differ in nothing but their fields, and in the `extra`
    pairs that some train on beside `pairs` (see `train`), by the variant's name. Runs land in
    `folder/<variant>/<seed>`; what is finished is read back, what was stopped goes on, and
    `folder/runs.csv` holds the rows so far. Columns: variant, seed, gmacs (of a forward pass),
    parameters, seconds (an epoch, median), the last epoch's metrics, then what `measure` says of
    the last network on the pairs that validate, once a run, and of `test`, as test_<column>; with
    `refresh` all of it again as fresh_<column>, after `refresh_averages` over training's photos.
    """
    folder, rows = Path(folder), []
    check_ours(folder / "runs.csv", kind=TABLE)
    for seed in seeds:
        for name, fields in variants.items():
            recipe = base.change(**{**fields, "seed": seed})
            print(f"{name}, seed {seed}", flush=True)
            run = _run_folder(folder, name, seed)
            more = (extra or {}).get(name, ())
            settings = {"cache_folder": cache_folder, "figure": False, "verbose": verbose}
            log = train(recipe, pairs, run, extra=more, **settings)
            row = {"variant": name, "seed": seed, **_weigh(recipe, pairs), **_end(log)}
            for fresh in (False, True)[: 1 + refresh] if measure else ():
                row |= _measure(measure, recipe, pairs, run, test, cache_folder, fresh)
            rows.append(row)
            write_table(folder / "runs.csv", pd.DataFrame(rows))
    return pd.DataFrame(rows)


def load_networks(runs: pd.DataFrame, folder: Path | str) -> dict[str, list[Predictor]]:
    """The last networks of a study, by variant, in the order of the seeds.

    `runs` and `folder` are those of `run_study`.
    """
    opened = [open_runs(runs, folder, seed) for seed in runs["seed"].unique()]
    return {name: [of_seed[name][1] for of_seed in opened] for name in runs["variant"].unique()}


def summarise_study(runs: pd.DataFrame, metric: str = "val_delta1") -> pd.DataFrame:
    """A row a variant, in their order: cost, the metric over seeds, the gain on the first variant.

    The gain is the mean of the differences to the first variant's run of the same seed, with the
    95 % interval of Student's t in `low` and `high` (NaN for a single seed).
    """
    by_seed = runs.pivot(index="seed", columns="variant", values=metric)
    order = runs["variant"].unique()
    rows = []
    for name in order:
        gain = by_seed[name] - by_seed[order[0]]
        # Of a single seed both are NaN, and so is the interval.
        reach = stats.t.ppf(0.975, len(gain) - 1) * gain.sem()
        own = runs[runs["variant"] == name]
        rows.append(
            {
                "variant": name,
                **own[["gmacs", "parameters", "seconds"]].median(),
                "median": own[metric].median(),
                "lowest": own[metric].min(),
                "highest": own[metric].max(),
                "gain": gain.mean(),
                "low": gain.mean() - reach,
                "high": gain.mean() + reach,
            }
        )
    return pd.DataFrame(rows).astype({"parameters": int})


def open_runs(
    runs: pd.DataFrame, folder: Path | str, seed: int
) -> dict[str, tuple[pd.DataFrame, Predictor]]:
    """The log and the last network of each variant's run with `seed`; `runs` are of `folder`."""
    paths = {name: _run_folder(folder, name, seed) for name in runs["variant"].unique()}
    return {
        name: (pd.read_csv(path / "log.csv"), Predictor(load_model(path / "last.keras")))
        for name, path in paths.items()
    }


def _run_folder(folder: Path | str, variant: str, seed: int) -> Path:
    return Path(folder) / variant.replace(" ", "_") / str(seed)


def _weigh(recipe: Recipe, pairs: Pairs) -> dict:
    network = build_network(recipe, pairs.spec)
    return {"gmacs": count_macs(network) / 1e9, "parameters": network.count_params()}


def _end(log: pd.DataFrame) -> dict:
    """The last epoch's metrics: a schedule that ends at a rate of zero settles there."""
    metrics = log.iloc[-1].drop(["epoch", "learning_rate", "seconds"])
    return {"seconds": log["seconds"].median(), **metrics}


def _measure(
    measure: Callable,
    recipe: Recipe,
    pairs: Pairs,
    run: Path,
    test: Pairs | None,
    cache_folder: Path | str | None,
    refresh: bool,
) -> dict:
    prefix = "fresh_" * refresh
    path = run / f"{prefix}{measure.__name__}.json"
    if not path.exists():
        training, validation = SPLITTERS[recipe.split](
            pairs, recipe.seed, recipe.validation, recipe.counts, recipe.scenes
        )
        network = load_model(run / "last.keras")
        if refresh:
            plain = recipe.change(augment=False, consistency=0.0)
            batches, _ = open_batches(plain, [training], validation, cache_folder)
            refresh_averages(network, (batches[index][0] for index in range(len(batches))))
        predict = Predictor(network)
        values = dict(measure(predict, validation))
        if test is not None:
            values |= {f"test_{name}": value for name, value in measure(predict, test).items()}
        write_bytes(path, json.dumps(values).encode())
    values = json.loads(path.read_text(encoding="utf-8"))
    return {f"{prefix}{name}": value for name, value in values.items()}
