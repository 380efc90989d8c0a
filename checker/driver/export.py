# SPDX-License-Identifier: GPL-2.0-only
"""A design, with or without a spec, as a model for another checker."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from poolproof.checker.backends.foreign import Inexpressible
from poolproof.checker.backends.promela.program import promela
from poolproof.checker.backends.tla.module import configuration, module
from poolproof.checker.core.bounds import show_bounds
from poolproof.checker.core.compiled import Compiled
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.property import Property
from poolproof.checker.driver.designs import one_design
from poolproof.checker.driver.task import Request, Task, prepare
from poolproof.checker.frontend.design import compile_design
from poolproof.checker.passes.reduce import Reduced, reduce
from poolproof.checker.spec import Spec

_SPIN = """\
spin -o2 -a FILE
cc -O2 -DSAFETY -DNOREDUCE -DVECTORSZ=4096 -o pan pan.c
./pan -n -m1000000         stops at a violation; with -A it does not
SPIN stores one state more than `poolproof check --no-symmetry`: the
one before an initial state is chosen."""

_TLC = """\
java -cp tla2tools.jar tlc2.TLC MODULE        on one machine
java -cp tla2tools.jar tlc2.tool.distributed.TLCServer MODULE, and on others
java -cp tla2tools.jar tlc2.tool.distributed.TLCWorker SERVER
TLC finds as many distinct states as `poolproof check --no-symmetry`."""


@dataclass(frozen=True)
class Exported:
    """A model for another checker, and its configuration if that is a file of its
    own."""

    model: str
    configuration: str = ""


@dataclass(frozen=True)
class ToExport:
    """A design with its properties and the spec's title, reduced to what the properties
    depend on."""

    compiled: Compiled
    asked: Sequence[Property]
    title: str = ""

    @cached_property
    def small(self) -> Reduced:
        return reduce(self.compiled.system, self.asked)

    def head(self) -> Iterator[str]:
        """Yield the lines of the comment that say what this is."""
        compiled, small = self.compiled, self.small
        yield f"{compiled.source.__name__}, {show_bounds(compiled.bounds)}"
        if compiled.without:
            yield f"without {', '.join(compiled.without)}"
        if compiled.having:
            yield f"with {', '.join(compiled.having)}"
        if self.title:
            yield self.title
        if small.unobserved:
            yield f"without what nothing observes: {', '.join(small.unobserved)}"
        for why in compiled.system.assumptions:
            yield f"assuming {why}"
        yield ""

    @property
    def witnesses(self) -> list[str]:
        return [p.name for p in self.asked if p.kind.of_states and p.kind.wants_witness]


def exported_spec(spec: Spec, request: Request) -> ToExport:
    """Return the spec's design and its properties. Raise UserError if the spec has
    several designs."""
    tasks = prepare(spec, request)
    if len(tasks) != 1:
        names = ", ".join(task.known.name for task in tasks)
        raise UserError(None, f"{spec.file} is for {names}: write --design NAME")
    (task,) = tasks
    return ToExport(task.compiled, _asked(task), f"{spec.file}: {spec.title}")


def exported_design(reference: str, request: Request) -> ToExport:
    """Return a design with only the kernel's own assertions. Raise UserError if there
    is no such design."""
    known = one_design(reference)
    if request.label:
        raise UserError(None, f"--bounds {request.label}: write NAME=NUMBER")
    compiled = compile_design(
        known.cls, request.bounds, request.without, request.having
    )
    return ToExport(compiled, compiled.assertions)


def _asked(task: Task) -> Sequence[Property]:
    return (*task.resolved.properties, *task.resolved.obligations)


def for_spin(what: ToExport) -> Exported:
    """Return the model for SPIN. Raise UserError if Promela cannot express it."""
    lines = [*what.head(), *_SPIN.splitlines()]
    if what.witnesses:
        lines += [
            "spin -o2 -DREACH_NAME -a FILE: an error where NAME is reached,",
            f"one of {', '.join(what.witnesses)}",
        ]
    with _refusing(what):
        small = what.small
        return Exported(promela(small.system, small.properties, lines))


def for_tlc(what: ToExport, name: str) -> Exported:
    """Return the module of that name for TLC, and its configuration. Raise UserError
    if TLA+ for TLC cannot express it."""
    lines = [*what.head(), *_TLC.replace("MODULE", name).splitlines()]
    head = ['"INVARIANT never_NAME" is violated where NAME is reached']
    with _refusing(what):
        small = what.small
        return Exported(
            module(name, small.system, small.properties, lines),
            configuration(
                small.system, small.properties, head if what.witnesses else []
            ),
        )


@contextlib.contextmanager
def _refusing(what: ToExport) -> Iterator[None]:
    try:
        yield
    except Inexpressible as why:
        raise UserError(None, f"{what.compiled.source.__name__}: {why}") from None
