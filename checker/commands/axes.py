# SPDX-License-Identifier: GPL-2.0-only
"""The axes that --sweep and --any take: names with a range of values each."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence

from poolproof.checker.commands.parser import Options, Parser, span
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.driver.size import SizeTask, size_tasks
from poolproof.checker.driver.sweep import Axis
from poolproof.checker.spec import Spec
from poolproof.model.language import declared, did_you_mean


def add_axes(
    parser: Parser,
    name: str,
    what: str,
    otherwise: range | None = None,
) -> None:
    """Add an option that takes axes. A name alone has the values ``otherwise``, or
    is refused if there are none."""
    form = "NAME=LO..HI" if otherwise is None else "NAME[=LO..HI]"
    parser.value(
        name,
        _reader(otherwise),
        action="extend",
        default=[],
        metavar=f"{form}[,...]",
        help=what,
    )


def _reader(otherwise: range | None) -> Callable[[str], list[Axis]]:
    def read(text: str) -> list[Axis]:
        found = []
        for part in text.split(","):
            name, equals, over = part.partition("=")
            if otherwise is None and not (name and equals):
                raise argparse.ArgumentTypeError("write it like cold=0..16")
            values = span(over.strip()) if equals or otherwise is None else otherwise
            found.append((name.strip(), values))
        return found

    return read


def checked(option: str, axes: Sequence[Axis]) -> tuple[Axis, ...]:
    """Return the axes. Raise UserError if a name is given twice."""
    names = [name for name, _ in axes]
    for name in names:
        if names.count(name) > 1:
            raise UserError(None, f"--{option} has {name} twice")
    return tuple(axes)


def tasks_along(
    option: str,
    axes: Sequence[Axis],
    options: Options,
    specs: Sequence[Spec],
    bounds: Mapping[str, int],
) -> Iterator[SizeTask]:
    """Yield the scenarios on their designs, with the range of --sizes. Raise UserError
    for an axis that is neither a bound nor a `let` there."""
    for spec in specs:
        for task in size_tasks(spec, options.design, options.scenario, bounds):
            lets = (let.name.text for let in spec.lets)
            there = [*lets, *declared(task.known.cls)[0]]
            for name, _ in axes:
                if name not in there:
                    raise UserError(
                        None,
                        f"--{option} {name}: {task.known.name} has no such bound, and "
                        f"{spec.file} no such let{did_you_mean(name, there)}",
                    )
            yield task if options.sizes is None else task.within(options.sizes)
