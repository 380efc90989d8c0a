# SPDX-License-Identifier: GPL-2.0-only
"""bench/pool.py in Promela: one guarded d_step for each choice of arguments."""

from __future__ import annotations

from collections.abc import Iterator


def promela(b: int, v: int, p: int) -> str:
    """The pool with B pages a node, V VMAs of at most P pages, as SPIN reads
    it; the four true invariants are asserted after every step."""
    lines = [
        f"/* pool: B = {b}, V = {v}, P = {p} */",
        f"byte free0 = {b}, free1 = {b}, resv, usage0, usage1, sigbus;",
    ]
    for k in range(v):
        pages = ", ".join(f"pg{k}_{i}" for i in range(p))
        lines.append(f"byte live{k}, cg{k}, bind{k}, len{k}, {pages};")
    lines.append("inline check() {")
    lines.extend(f"  assert({formula});" for formula in _invariants(b, v, p))
    lines.append("}\nactive proctype pool() {\n  do")
    for guard, updates in _rules(b, v, p):
        body = " ".join(f"{name} = {value};" for name, value in updates)
        lines.append(f"  :: d_step {{ {guard} -> {body} check() }}")
    lines.append("  od\n}\n")
    return "\n".join(lines)


Rule = tuple[str, list[tuple[str, str]]]
"""A guard, and assignments that may be made one after the other."""


def _rules(b: int, v: int, p: int) -> Iterator[Rule]:
    for k in range(v):
        yield from _mmap(b, k, p)
        for i in range(p):
            yield from _touch(k, i)
        yield _munmap(k, p)
        for j in range(v):
            if j != k:
                yield from _split(k, j, p)
                yield _merge(k, j, p)


def _mmap(b: int, k: int, p: int) -> Iterator[Rule]:
    for cg in range(2):
        for bind in range(3):
            for n in range(1, p + 1):
                yield (
                    f"!live{k} && free0 + free1 >= resv + {n} "
                    f"&& usage{cg} + {n} <= {2 * b - 1}",
                    [
                        (f"live{k}", "1"),
                        (f"cg{k}", str(cg)),
                        (f"bind{k}", str(bind)),
                        (f"len{k}", str(n)),
                        ("resv", f"resv + {n}"),
                        (f"usage{cg}", f"usage{cg} + {n}"),
                    ],
                )


def _touch(k: int, i: int) -> Iterator[Rule]:
    absent = f"live{k} && len{k} > {i} && pg{k}_{i} == 0"
    for n in range(2):
        yield (
            f"{absent} && (bind{k} == 0 || bind{k} == {n + 1}) && free{n} > 0",
            [
                (f"free{n}", f"free{n} - 1"),
                ("resv", "resv - 1"),
                (f"pg{k}_{i}", str(n + 1)),
            ],
        )
        yield (
            f"live{k} && pg{k}_{i} == {2 - n} && free{n} > 0",
            [
                (f"free{n}", f"free{n} - 1"),
                (f"free{1 - n}", f"free{1 - n} + 1"),
                (f"pg{k}_{i}", str(n + 1)),
            ],
        )
    none = f"(bind{k} == 2 || free0 == 0) && (bind{k} == 1 || free1 == 0)"
    yield f"{absent} && {none}", [("sigbus", "1")]


def _munmap(k: int, p: int) -> Rule:
    def held(n: int) -> str:
        return " + ".join(f"(pg{k}_{i} == {n})" for i in range(p))

    absent = " + ".join(f"(len{k} > {i} && pg{k}_{i} == 0)" for i in range(p))
    return f"live{k}", [
        ("free0", f"free0 + {held(1)}"),
        ("free1", f"free1 + {held(2)}"),
        ("resv", f"resv - ({absent})"),
        ("usage0", f"usage0 - (cg{k} == 0 -> len{k} : 0)"),
        ("usage1", f"usage1 - (cg{k} == 1 -> len{k} : 0)"),
        *_cleared(k, p),
    ]


def _cleared(k: int, p: int) -> list[tuple[str, str]]:
    names = [f"live{k}", f"cg{k}", f"bind{k}", f"len{k}"]
    return [(name, "0") for name in [*names, *(f"pg{k}_{i}" for i in range(p))]]


def _split(k: int, j: int, p: int) -> Iterator[Rule]:
    for n in range(1, p):
        moved = [(f"pg{j}_{i}", f"pg{k}_{n + i}") for i in range(p - n)]
        yield (
            f"live{k} && !live{j} && len{k} > {n}",
            [
                (f"live{j}", "1"),
                (f"cg{j}", f"cg{k}"),
                (f"bind{j}", f"bind{k}"),
                (f"len{j}", f"len{k} - {n}"),
                *moved,
                (f"len{k}", str(n)),
                *((f"pg{k}_{i}", "0") for i in range(n, p)),
            ],
        )


def _merge(k: int, j: int, p: int) -> Rule:
    updates = []
    for i in range(1, p):
        value = f"pg{k}_{i}"
        for n in range(1, i + 1):
            value = f"(len{k} == {n} -> pg{j}_{i - n} : {value})"
        updates.append((f"pg{k}_{i}", value))
    updates.append((f"len{k}", f"len{k} + len{j}"))
    return (
        f"live{k} && live{j} && cg{k} == cg{j} && bind{k} == bind{j} "
        f"&& len{k} + len{j} <= {p}",
        [*updates, *_cleared(j, p)],
    )


def _invariants(b: int, v: int, p: int) -> Iterator[str]:
    cells = [(k, i) for k in range(v) for i in range(p)]
    absent = (f"(live{k} && len{k} > {i} && pg{k}_{i} == 0)" for k, i in cells)
    yield f"resv == {' + '.join(absent)}"
    for n in range(2):
        held = (f"(pg{k}_{i} == {n + 1})" for k, i in cells)
        yield f"free{n} + {' + '.join(held)} == {b}"
        paid = (f"(live{k} && cg{k} == {n} -> len{k} : 0)" for k in range(v))
        yield f"usage{n} == {' + '.join(paid)}"
    yield "resv <= free0 + free1"
