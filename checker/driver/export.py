# SPDX-License-Identifier: GPL-2.0-only
"""A design, with or without a spec, as a model for another checker."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from poolproof.checker.backends.promela.program import Unsupported, promela
from poolproof.checker.core.bounds import show_bounds
from poolproof.checker.core.compiled import Compiled
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.property import Property
from poolproof.checker.driver.check import Request, Task, prepare
from poolproof.checker.driver.designs import designs_named
from poolproof.checker.frontend.design import compile_design
from poolproof.checker.passes.reduce import Reduced, reduce
from poolproof.checker.spec import Spec

_HOW = """\
spin -o2 -a FILE
cc -O2 -DSAFETY -DNOREDUCE -DVECTORSZ=4096 -o pan pan.c
./pan -n -m1000000         stops at a violation; with -A it does not
SPIN stores one state more than `poolproof check --no-symmetry`: the
one before an initial state is chosen."""


def exported_spec(spec: Spec, request: Request) -> str:
    """Return the spec's design as Promela, with what the spec asks. Raise UserError
    if the spec has several, or the design has no such model."""
    tasks = prepare(spec, request)
    if len(tasks) != 1:
        names = ", ".join(task.known.name for task in tasks)
        raise UserError(None, f"{spec.file} is for {names}: write --design NAME")
    (task,) = tasks
    return _exported(task.compiled, _asked(task), f"{spec.file}: {spec.title}")


def exported_design(reference: str, request: Request) -> str:
    """Return a design as Promela, with the kernel's own assertions. Raise
    UserError."""
    found = designs_named(reference)
    if len(found) != 1:
        names = ", ".join(k.name for k in found)
        raise UserError(None, f"which of {names}? Write file.py:Class")
    if request.label:
        raise UserError(None, f"--bounds {request.label}: write NAME=NUMBER")
    compiled = compile_design(
        found[0].cls, request.bounds, request.without, request.having
    )
    return _exported(compiled, compiled.assertions, "")


def _asked(task: Task) -> Sequence[Property]:
    return (*task.resolved.properties, *task.resolved.obligations)


def _exported(compiled: Compiled, asked: Sequence[Property], title: str) -> str:
    small = reduce(compiled.system, asked)
    try:
        return promela(
            small.system, small.properties, _head(compiled, small, asked, title)
        )
    except Unsupported as why:
        raise UserError(None, f"{compiled.source.__name__}: {why}") from None


def _head(
    compiled: Compiled, small: Reduced, asked: Sequence[Property], title: str
) -> Iterator[str]:
    """Yield the lines of the comment: what this is, and how it is used."""
    yield f"{compiled.source.__name__}, {show_bounds(compiled.bounds)}"
    if compiled.without:
        yield f"without {', '.join(compiled.without)}"
    if compiled.having:
        yield f"with {', '.join(compiled.having)}"
    if title:
        yield title
    if small.unobserved:
        yield f"without what nothing observes: {', '.join(small.unobserved)}"
    for why in compiled.system.assumptions:
        yield f"assuming {why}"
    yield ""
    yield from _HOW.splitlines()
    witnesses = [p.name for p in asked if p.kind.of_states and p.kind.wants_witness]
    if witnesses:
        yield "spin -o2 -DREACH_NAME -a FILE: an error where NAME is reached,"
        yield f"one of {', '.join(witnesses)}"
