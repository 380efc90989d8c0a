# SPDX-License-Identifier: GPL-2.0-only
"""The least pools over a grid, as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.reports.sweep import Swept


def figure_class() -> Any:
    """Return matplotlib's Figure. Raise UserError if it is missing."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise UserError(
            None,
            "--plot needs matplotlib: pip install 'poolproof[plot]', or use --csv",
        ) from None
    return Figure


def plot_sweeps(figure_of: Any, done: Sequence[Swept], name: str) -> None:
    """Write a picture of the least sizes against the first axis, a line for each
    value of the second, a panel for each scenario and design. The suffix of the
    name is the format. ``figure_of``: see `figure_class`. Raise UserError if the file
    cannot be written."""
    figure = figure_of(figsize=(6.4 * len(done), 4.8), layout="constrained")
    for number, one in enumerate(done, 1):
        axes = figure.add_subplot(1, len(done), number)
        (first, _), *others = one.axes
        lines: dict[str, list[tuple[int, int]]] = {}
        for c in one.cells:
            label = f"{others[0][0]} = {c.values[1]}" if others else one.design
            if c.least is not None:
                lines.setdefault(label, []).append((c.values[0], c.least))
        for label, points in lines.items():
            axes.plot(*zip(*points, strict=True), marker=".", label=label)
        axes.set_title(f"{one.scenario.name.text}, {one.design}")
        axes.set_xlabel(first)
        axes.set_ylabel(f"least {one.bound}")
        if others and lines:
            axes.legend(fontsize="small")
    try:
        figure.savefig(name)
    except (OSError, ValueError) as e:
        raise UserError(None, f"{name}: {e}") from None
