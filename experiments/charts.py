"""Every chart: what was measured, over epochs, against costs, beside each other."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator

WIDEST = 9.5  # inches of a figure: shown as wide as a page, its letters are as large as the text


def show_study(summary: pd.DataFrame, costs: Mapping[str, str], metric: str) -> Figure:
    """The median over seeds against each cost, each variant with its lowest and highest seed.

    `summary` is of `experiments.summarise_study`; `costs` maps a column of it to the name of its
    axis, a panel each; `metric` names the vertical axis.
    """
    size = (min(4 * len(costs), WIDEST), 4.4)
    figure, axes = plt.subplots(
        1, len(costs), figsize=size, sharey=True, squeeze=False, layout="constrained"
    )
    for axis, (cost, title) in zip(axes[0], costs.items(), strict=True):
        for row in summary.itertuples():
            reach = [[row.median - row.lowest], [row.highest - row.median]]
            at = getattr(row, cost)
            axis.errorbar(at, row.median, reach, fmt="o", capsize=4, label=row.variant)
        axis.set(xscale="log", xlabel=title)
        axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.xaxis.set_major_formatter("{x:g}")
        axis.xaxis.set_minor_formatter("")
        axis.grid(alpha=0.3)
    axes[0, 0].set(ylabel=metric)
    names = axes[0, 0].get_legend_handles_labels()
    figure.legend(*names, loc="outside lower center", ncols=min(len(costs), 3))
    return figure


def show_curves(summaries: Mapping[str, pd.DataFrame], metric: str) -> Figure:
    """The median over seeds, with lowest and highest, against what the variants differ in.

    `summaries` maps the name of what differs, a panel each, to a summary of
    `experiments.summarise_study` whose index is that number; `metric` names the vertical axis.
    """
    figure, axes = plt.subplots(
        1, len(summaries), figsize=(4.5 * len(summaries), 3.5), sharey=True, layout="constrained"
    )
    for axis, (name, summary) in zip(np.atleast_1d(axes), summaries.items(), strict=True):
        reach = summary["median"] - summary["lowest"], summary["highest"] - summary["median"]
        axis.errorbar(summary.index, summary["median"], reach, fmt="o-", capsize=4)
        axis.set(xscale="log", xlabel=name, xticks=summary.index)
        axis.xaxis.set_major_formatter("{x:g}")
        axis.xaxis.set_minor_formatter("")
        axis.grid(alpha=0.3)
    np.atleast_1d(axes)[0].set(ylabel=metric)
    return figure


def show_changes(table: pd.DataFrame, metric: str) -> Figure:
    """A row of `table` a line, from its value in one column to that in the next.

    The rows stand by their index, from the top; `metric` names the axis. NaN has no dot.
    """
    figure, axis = plt.subplots(figsize=(8, 1.2 + 0.3 * len(table)), layout="constrained")
    rows = np.arange(len(table))[::-1]
    axis.hlines(rows, table.min(axis=1), table.max(axis=1), color="0.7", zorder=1)
    for name, values in table.items():
        axis.scatter(values, rows, label=name, zorder=2)
    axis.set_yticks(rows, table.index)
    axis.set_ylim(-0.6, len(table) - 0.4)
    axis.set(xlabel=metric)
    axis.grid(axis="x", alpha=0.3)
    figure.legend(loc="outside upper center", ncols=len(table.columns))
    return figure


def show_losses(logs: Mapping[str, pd.DataFrame]) -> Figure:
    """Loss over epochs, training and validation, in shares of the first epoch's; log.csv by name.

    Shares, because losses of other weights are of another size.
    """
    panels = {"loss": "training", "val_loss": "validation"}
    figure, axes = plt.subplots(1, 2, figsize=(WIDEST, 4), sharey=True, layout="constrained")
    for axis, (column, title) in zip(axes, panels.items(), strict=True):
        for number, (name, log) in enumerate(logs.items()):
            style = ("-", "--", ":")[number // 10 % 3]  # the colours come again after ten
            share = log[column] / log[column].iloc[0]
            axis.plot(log["epoch"], share, style, marker=".", label=name)
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.set(title=title, xlabel="epoch")
        axis.grid(alpha=0.3)
    axes[0].set(ylabel="loss, share of the first epoch's")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right upper")
    return figure


def show_gains(summaries: Mapping[str, pd.DataFrame], sort: bool = True) -> Figure:
    """What each variant gains on the first one, with its interval where there is one.

    `summaries` maps the title of a panel to a summary of `experiments.summarise_study`, all panels
    on one scale; the variants stand in the order of the first panel's gains, or as they come, from
    the top.
    """
    rows = next(iter(summaries.values())).iloc[1:]
    order = (rows.sort_values("gain") if sort else rows.iloc[::-1])["variant"]
    size = (min(3 + 4 * len(summaries), WIDEST), 1 + 0.28 * len(order))
    grid = {"sharex": True, "sharey": True, "squeeze": False}
    figure, axes = plt.subplots(1, len(summaries), figsize=size, layout="constrained", **grid)
    for axis, (title, summary) in zip(axes[0], summaries.items(), strict=True):
        rows = summary.set_index("variant").loc[order]
        reach = rows["high"] - rows["gain"]  # NaN, of a single seed, draws none
        axis.barh(rows.index, rows["gain"], xerr=reach, capsize=3, color="tab:blue", alpha=0.7)
        axis.axvline(0, color="black", linewidth=0.8)
        axis.set(xlabel=title)
        axis.grid(axis="x", alpha=0.3)
    return figure
