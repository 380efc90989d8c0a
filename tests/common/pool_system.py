# SPDX-License-Identifier: GPL-2.0-only
"""The reference pool of bench/pool.py, built by hand from IR constructors.

`pool(b, v, p)` is the system, `pool_properties(system)` its four true
invariants and the false one, `POOL_COUNTS` the exact numbers that seven
independent programs agree on.
"""

from __future__ import annotations

from poolproof.checker.core.ir import (
    BOOL,
    FALSE,
    INT,
    TRUE,
    Domain,
    Expr,
    ScalarSort,
    Sort,
    add,
    aggregate,
    and_,
    const,
    enum_sort,
    eq,
    implies,
    ite,
    le,
    local,
    lt,
    mul,
    ne,
    not_,
    num,
    or_,
    param,
    scalar_sort,
    select,
    store,
    sub,
    table_sort,
)
from poolproof.checker.core.property import Kind, Property
from poolproof.checker.core.system import (
    Action,
    Obligation,
    Parameter,
    TransitionSystem,
    Variable,
)

POOL_COUNTS = {
    # (B, V, P): states, orbits, depth, shortest run to sigbus
    (2, 2, 2): (6_798, 898, None, 5),
    (2, 3, 2): (91_922, 4_052, 11, 5),
    (3, 3, 2): (620_462, 26_754, 15, 6),
    (3, 3, 3): (2_233_598, 94_690, 15, 6),
    (3, 4, 2): (12_848_234, 144_846, 16, 6),
    (4, 3, 3): (13_601_738, 572_278, 19, 7),
    (4, 4, 3): (390_174_230, 4_218_388, 20, 7),
}


def pool(b: int | None, v: int, p: int) -> TransitionSystem:
    """Two nodes of ``b`` pages, ``v`` VMAs of at most ``p`` pages, two cgroups.
    Without ``b`` the number of pages stays a rigid param, for proofs."""
    size_ = param("B") if b is None else num(b)
    nodes = scalar_sort("NODES", 2, "n")
    cgroups = scalar_sort("CGROUPS", 2, "cg")
    vmas = scalar_sort("VMAS", v, "v")
    limit = sub(mul(size_, num(2)), num(1))
    node_d = Domain(nodes, 0, 1, "NODES")
    cgroup_d = Domain(cgroups, 0, 1, "CGROUPS")
    vma_d = Domain(vmas, 0, v - 1, "VMAS")
    page_d = Domain(INT, 0, p - 1, "PAGES")
    no_node, no_cgroup = const(nodes, 2), const(cgroups, 2)

    variables = []

    def declare(name: str, sort: Sort, hi: int | Expr, init: Expr) -> Expr:
        top = num(hi) if isinstance(hi, int) else hi
        variable = Variable(name, sort, num(0), top, init)
        variables.append(variable)
        return variable.now

    free = declare("free", table_sort((node_d,), INT), size_, size_)
    resv = declare("resv", INT, mul(size_, num(2)), num(0))
    usage = declare("usage", table_sort((cgroup_d,), INT), limit, num(0))
    live = declare("live", table_sort((vma_d,), BOOL), 1, FALSE)
    cgroup = declare("cgroup", table_sort((vma_d,), cgroups), 2, no_cgroup)
    binding = declare("binding", table_sort((vma_d,), nodes), 2, no_node)
    length = declare("length", table_sort((vma_d,), INT), p, num(0))
    page = declare("page", table_sort((vma_d, page_d), nodes), 2, no_node)
    declare("sigbus", BOOL, 1, FALSE)
    signal = enum_sort("Signal", ("OK", "SIGBUS"))

    def over(op: str, name: str, domain: Domain, body) -> Expr:  # type: ignore[no-untyped-def]
        x = local(name, domain)
        return aggregate(op, x, body(x))

    def free_total(name: str) -> Expr:
        return over("sum", name, node_d, lambda n: select(free, n))

    def one(c: Expr) -> Expr:
        return ite(c, num(1), num(0))

    actions = []

    def act(
        name: str,
        parameters: tuple[Expr, ...],
        guard: Expr,
        updates: dict[str, Expr],
        result: Expr | None = None,
        obligations: tuple[Obligation, ...] = (),
    ) -> None:
        named = tuple(
            Parameter(x.data[0].split(".")[1].split("#")[0], x) for x in parameters
        )
        actions.append(Action(name, named, guard, updates, result, obligations))

    def may(table: Expr, c: Expr, index: tuple[Expr, ...], value: Expr) -> Expr:
        return store(table, *index, ite(c, value, select(table, *index)))

    def clear(vma: Expr, lengths: Expr = length, pages: Expr = page) -> dict[str, Expr]:
        for k in range(p):
            pages = store(pages, vma, num(k), no_node)
        return {
            "live": store(live, vma, FALSE),
            "cgroup": store(cgroup, vma, no_cgroup),
            "binding": store(binding, vma, no_node),
            "length": store(lengths, vma, num(0)),
            "page": pages,
        }

    # mmap
    vma, cg = local("mmap.vma", vma_d), local("mmap.cgroup", cgroup_d)
    bind = local("mmap.binding", Domain(nodes, 0, 2, "Maybe(NODES)"))
    size = local("mmap.length", Domain(INT, 1, p))
    act(
        "mmap",
        (vma, cg, bind, size),
        and_(
            not_(select(live, vma)),
            le(size, sub(free_total("mmap.n"), resv)),
            le(add(select(usage, cg), size), limit),
        ),
        {
            "live": store(live, vma, TRUE),
            "cgroup": store(cgroup, vma, cg),
            "binding": store(binding, vma, bind),
            "length": store(length, vma, size),
            "resv": add(resv, size),
            "usage": store(usage, cg, add(select(usage, cg), size)),
        },
    )

    # fault
    vma, pg = local("fault.vma", vma_d), local("fault.page", page_d)
    node = local("fault.node", node_d)

    def touched(vma: Expr, pg: Expr) -> Expr:
        return and_(lt(pg, select(length, vma)), eq(select(page, vma, pg), no_node))

    def allowed(vma: Expr, node: Expr) -> Expr:
        return or_(eq(select(binding, vma), no_node), eq(select(binding, vma), node))

    act(
        "fault",
        (vma, pg, node),
        and_(touched(vma, pg), allowed(vma, node), lt(num(0), select(free, node))),
        {
            "page": store(page, vma, pg, node),
            "free": store(free, node, add(select(free, node), num(-1))),
            "resv": add(resv, num(-1)),
        },
    )

    # fault_sigbus
    vma, pg = local("fault_sigbus.vma", vma_d), local("fault_sigbus.page", page_d)
    act(
        "fault_sigbus",
        (vma, pg),
        and_(
            touched(vma, pg),
            over(
                "all",
                "fault_sigbus.n",
                node_d,
                lambda n: implies(allowed(vma, n), eq(select(free, n), num(0))),
            ),
        ),
        {"sigbus": TRUE},
        const(signal, 1),
    )

    # munmap
    vma = local("munmap.vma", vma_d)
    freed = free
    for k in range(2):
        n, q = const(nodes, k), local(f"munmap.p{k}", page_d)
        here = aggregate("sum", q, one(eq(select(page, vma, q), n)))
        freed = store(freed, n, add(select(freed, n), here))
    absent = over("sum", "munmap.q", page_d, lambda q: one(touched(vma, q)))
    cg = select(cgroup, vma)
    act(
        "munmap",
        (vma,),
        select(live, vma),
        {
            "free": freed,
            "resv": sub(resv, absent),
            "usage": store(usage, cg, sub(select(usage, cg), select(length, vma))),
        }
        | clear(vma),
        obligations=(
            Obligation(
                "index",
                implies(select(live, vma), ne(cg, no_cgroup)),
                "usage[cgroup[vma]]: the VMA has no cgroup",
                None,
            ),
        ),
    )

    # split
    if p > 1:
        vma, new = local("split.vma", vma_d), local("split.new", vma_d)
        at = local("split.at", Domain(INT, 1, p - 1))
        pages = page
        for k in range(p):
            moved = add(num(k), at)
            inside = lt(moved, num(p))
            source = ite(inside, moved, num(0))
            pages = may(pages, inside, (new, num(k)), select(page, vma, source))
        for k in range(p):
            pages = may(pages, le(at, num(k)), (vma, num(k)), no_node)
        act(
            "split",
            (vma, new, at),
            and_(
                select(live, vma), not_(select(live, new)), lt(at, select(length, vma))
            ),
            {
                "live": store(live, new, TRUE),
                "cgroup": store(cgroup, new, select(cgroup, vma)),
                "binding": store(binding, new, select(binding, vma)),
                "length": store(
                    store(length, new, sub(select(length, vma), at)), vma, at
                ),
                "page": pages,
            },
        )

    # merge
    if v > 1:
        vma, nxt = local("merge.vma", vma_d), local("merge.next", vma_d)
        pages = page
        for k in range(p):
            inside = lt(num(k), select(length, nxt))
            end = ite(inside, add(select(length, vma), num(k)), num(0))
            pages = may(pages, inside, (vma, end), select(page, nxt, num(k)))
        lengths = store(length, vma, add(select(length, vma), select(length, nxt)))
        act(
            "merge",
            (vma, nxt),
            and_(
                ne(vma, nxt),
                select(live, vma),
                select(live, nxt),
                eq(select(cgroup, vma), select(cgroup, nxt)),
                eq(select(binding, vma), select(binding, nxt)),
                le(add(select(length, vma), select(length, nxt)), num(p)),
            ),
            clear(nxt, lengths, pages),
        )

    # migrate
    vma, pg = local("migrate.vma", vma_d), local("migrate.page", page_d)
    node = local("migrate.node", node_d)
    here = select(page, vma, pg)
    source = ite(eq(here, no_node), node, here)
    freed = store(free, source, add(select(free, source), num(1)))
    act(
        "migrate",
        (vma, pg, node),
        and_(ne(here, no_node), ne(here, node), lt(num(0), select(free, node))),
        {
            "free": store(freed, node, add(select(freed, node), num(-1))),
            "page": store(page, vma, pg, node),
        },
    )

    return TransitionSystem(
        f"pool({b}, {v}, {p})",
        tuple(variables),
        tuple(actions),
        TRUE,
        {"B": 1} if b is None else {},
        {"V": v, "P": p} | ({} if b is None else {"B": b}),
    )


def pool_properties(system: TransitionSystem) -> tuple[Property, ...]:
    """resv_exact, free_exact, usage_exact, resv_backed hold; no_sigbus does not."""
    free, resv, usage, live, cgroup, _, length, page, sigbus = (
        v.now for v in system.variables
    )
    by = system.by_name
    (node_d,), (cgroup_d,) = by["free"].index, by["usage"].index
    vma_d, page_d = by["page"].index
    assert isinstance(node_d.sort, ScalarSort)
    size = num(system.bounds["B"]) if "B" in system.bounds else param("B")
    vma, pg = local("spec.vma", vma_d), local("spec.page", page_d)
    node, cg = local("spec.node", node_d), local("spec.cgroup", cgroup_d)

    def one(c: Expr) -> Expr:
        return ite(c, num(1), num(0))

    def pages(what: Expr) -> Expr:
        return aggregate("sum", vma, aggregate("sum", pg, one(what)))

    here = select(page, vma, pg)
    absent = and_(
        select(live, vma),
        lt(pg, select(length, vma)),
        eq(here, const(node_d.sort, 2)),
    )
    mine = and_(select(live, vma), eq(select(cgroup, vma), cg))
    used = aggregate("sum", vma, ite(mine, select(length, vma), num(0)))
    n = local("spec.n", node_d)
    total = aggregate("sum", n, select(free, n))
    formulas = {
        "resv_exact": eq(resv, pages(absent)),
        "free_exact": aggregate(
            "all", node, eq(add(select(free, node), pages(eq(here, node))), size)
        ),
        "usage_exact": aggregate("all", cg, eq(select(usage, cg), used)),
        "resv_backed": le(resv, total),
        "no_sigbus": not_(sigbus),
    }
    return tuple(Property(name, Kind.INVARIANT, f) for name, f in formulas.items())
