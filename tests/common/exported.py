# SPDX-License-Identifier: GPL-2.0-only
"""Systems that are written for other checkers, which must count what we count."""

from __future__ import annotations

from poolproof.checker.core import ir
from poolproof.checker.core.ir import (
    INT,
    TRUE,
    Domain,
    Expr,
    add,
    const,
    div,
    eq,
    le,
    local,
    lt,
    mod,
    num,
    scalar_sort,
    select,
    set_sort,
    store,
    table_sort,
)
from poolproof.checker.core.property import Kind, Property
from poolproof.checker.core.system import Action, Parameter, TransitionSystem, Variable
from poolproof.checker.driver.designs import find_spec
from poolproof.checker.driver.task import Request, prepare
from poolproof.checker.passes.reduce import Reduced, reduce
from poolproof.checker.spec import parse

A = scalar_sort("PML", 3, "a")
A_D = Domain(A, 0, 2, "PML")

SHIPPED = (
    ("pool_lending", "GlobalPool", {}),
    ("promise_plain", "GuestMemfd", {}),
    ("promise_plain", "Hugetlb", {}),
    ("promise_plain", "HugetlbCma", {}),
    ("promise_plain", "ReservedThp", {}),
    ("promise_plain", "ReservedThpPlanned", {}),
    ("promise_plain", "ReservedThpFiles", {}),
    ("promise_plain", "ReservedThpHugetlbfs", {}),
    ("promise_plain", "Tao", {}),
    ("promise_plain", "Thp", {}),
    ("promise_swap", "Thp", {}),
    ("promise_swap", "Shmem1g", {}),
    ("hugetlb_accounting", "Hugetlb", {"V": 2, "P": 1}),
    ("hugetlb_mempolicy", "Hugetlb", {}),
    ("pageblock", "PageAllocator", {}),
    ("memcg", "MemcgTree", {"C": 2}),
    ("swap", "SwapSpace", {}),
    ("file_size", "ShmemFiles", {}),
    ("file_races", "ShmemRaces", {}),
    ("vma_several", "Vmas", {}),
    ("node_masks", "NodeMasks", {}),
)
"""Specs, designs and bounds of fewer than 100,000 states without symmetry."""


def shipped(spec: str, design: str, bounds: dict[str, int]) -> Reduced:
    """Return what is exported of a shipped spec on a design."""
    request = Request(designs=(design,), bounds=bounds)
    (task,) = prepare(parse(find_spec(spec)), request)
    asked = (*task.resolved.properties, *task.resolved.obligations)
    return reduce(task.compiled.system, asked)


def everything() -> tuple[TransitionSystem, tuple[Property, ...]]:
    """Numbers below 0, sets, tables with a cell for nobody, all operators."""
    n = Variable("n", INT, num(-4), num(4), None)
    of = set_sort(A_D)
    s = Variable("in", of, num(0), num(7), const(of, 0))
    x = Variable("x.y", table_sort((Domain(A, 0, 3),), INT), num(-1), num(0), num(0))
    who = Variable("who", A, num(0), num(3), const(A, 3))
    p, k = local("act.p", A_D), local("act.k", Domain(INT, 2, 3))
    by_two, rest = div(n.now, num(2)), mod(n.now, num(3))
    held = ir.member(p, s.now)
    toggled = ir.ite(
        held, ir.diff(s.now, ir.single(p, A_D)), ir.union(s.now, ir.single(p, A_D))
    )
    cell: Expr = select(x.now, who.now)
    act = Action(
        "act",
        (Parameter("p", p), Parameter("k", k)),
        le(ir.card(s.now), k),
        {
            "in": toggled,
            "n": ir.max_(num(-4), ir.min_(num(4), ir.sub(by_two, rest))),
            "x.y": store(x.now, who.now, ir.sub(num(-1), cell)),
            "who": ir.ite(held, p, const(A, 3)),
        },
        eq(n.now, num(0)),
    )
    down = Action("down", (), lt(num(-4), n.now), {"n": add(n.now, num(-1))}, None)
    system = TransitionSystem(
        "every operator", (n, s, x, who), (act, down), TRUE, {}, {}
    )
    full = Property("full", Kind.REACHABLE, eq(ir.card(s.now), num(3)))
    grows = Property(
        "grows",
        Kind.STEP,
        ir.or_(le(ir.card(s.now), ir.card(s.next)), act.returned, le(n.now, n.next)),
        action="act",
    )
    return system, (full, grows)


def counter(**more: object) -> TransitionSystem:
    n = Variable("n", INT, num(0), num(3), num(0))
    up = Action("up", (), TRUE, {"n": add(n.now, num(1))}, None, **more)  # type: ignore[arg-type]
    return TransitionSystem("counter", (n,), (up,), TRUE, {}, {})
