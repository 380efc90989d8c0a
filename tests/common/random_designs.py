# SPDX-License-Identifier: GPL-2.0-only
"""Random designs, as text: every statement and expression that the frontend
accepts, nested at random, with helpers that return early. The text is well
sorted, so it must compile; from some states it breaks its own model."""

from __future__ import annotations

from random import Random

HEAD = """
from enum import Enum

from poolproof.model.language import *


class Errno(Enum):
    OK = 0
    ENOMEM = 1
    EINVAL = 2


NODES = Scalarset("NODES", 2, prefix="n")
VMAS = Scalarset("VMAS", 2, prefix="v")
PAGES = Int(0, 2)


class Pool(Block):
    spare = var(Int(-3, 9))
    kept = table(NODES, Int(-3, 9))


class Random(Design):
    count = var(Int(-9, 9))
    total = var(Int())
    jiffies = var(Wrapping(3))
    flag = var(Bool())
    last = var(Errno)
    cursor = var(NODES, init=ANY)
    mask = var(SetOf(NODES))
    free = table(NODES, Int(-3, 9))
    home = table(VMAS, Maybe(NODES))
    page = table(VMAS, PAGES, Maybe(NODES))
    masks = table(VMAS, SetOf(NODES))
    pool = Pool()
"""
PARAMETERS = {
    "vma": "VMAS",
    "new": "VMAS",
    "node": "Maybe(NODES)",
    "n": "Int(-1, 3)",
    "page": "PAGES",
    "nodes": "SetOf(NODES)",
    "err": "Errno",
}
SORTS = {
    "vma": "vma",
    "new": "vma",
    "node": "node",
    "n": "int",
    "page": "int",
    "nodes": "set",
    "err": "errno",
}
LOOPS = {
    "NODES": "node!",
    "VMAS": "vma",
    "PAGES": "int",
    "range(2)": "int",
    "range(1, 3)": "int",
}


class Writer:
    """Well-sorted text. ``names`` are the locals in reach, by sort; node! is
    a node that is not None."""

    def __init__(self, random: Random, yields: bool = False) -> None:
        self.random, self.yields = random, yields
        self.names: dict[str, str] = {}
        self.helpers: list[tuple[str, list[str], str, bool]] = []
        """(name, sorts of parameters, sort of the result, whether it is pure)"""
        self.fresh = 0
        self.pure = False
        self.yielding = False
        """Whether the method being written may yield."""
        self.delegates: set[str] = set()
        """The helpers that yield."""
        self.result = ""

    def pick(self, *choices: str) -> str:
        return self.random.choice(choices)

    def local(self, *sorts: str) -> str | None:
        known = [n for n, s in self.names.items() if s in sorts]
        return self.random.choice(known) if known else None

    # -- expressions --

    def expr(self, sort: str, d: int) -> str:
        name = self.local(sort, "node!") if sort == "node" else self.local(sort)
        if name is not None and self.random.random() < (0.3 if d > 0 else 0.6):
            return name
        pure = [h for h in self.helpers if h[3] and h[2] == sort]
        if d > 0 and pure and self.random.random() < 0.15:
            return self.call(self.random.choice(pure), d - 1)
        if d > 0 and self.random.random() < 0.1 and sort not in ("vma", "node!"):
            a, b = self.expr(sort, d - 1), self.expr(sort, d - 1)
            return f"({a} if {self.expr('bool', d - 1)} else {b})"
        return str(getattr(self, "a_" + sort.replace("!", "_"))(d - 1))

    def call(self, helper: tuple[str, list[str], str, bool], d: int) -> str:
        return f"self.{helper[0]}({', '.join(self.expr(s, d) for s in helper[1])})"

    def a_vma(self, d: int) -> str:
        return self.local("vma") or "vma"

    def a_node_(self, d: int) -> str:
        return self.local("node!") or "self.cursor"

    def a_node(self, d: int) -> str:
        if d < 0:
            return self.a_node_(d)
        return self.pick(
            f"self.home[{self.expr('vma', d)}]",
            f"self.page[{self.expr('vma', d)}, {self.expr('int', d)}]",
            f"(None if {self.expr('bool', d)} else {self.expr('node', d)})",
            "self.cursor",
        )

    def a_int(self, d: int) -> str:
        if d < 0:
            return self.pick("0", "1", "2", "3", "self.count", "self.jiffies")
        a, b = self.expr("int", d), self.expr("int", d)
        return self.pick(
            f"({a} + {b})",
            f"({a} - {b})",
            f"({a} * {self.pick('2', '-1', b)})",
            f"({a} // {self.pick('2', '3')})",
            f"{a} % 3",
            f"-{a}",
            f"min({a}, {b})",
            f"max({a}, {b}, 1)",
            "self.total",
            "self.count",
            f"self.free[{self.expr('node', d)}]",
            "self.pool.spare",
            f"self.pool.kept[{self.expr('node!', d)}]",
            f"len(self.mask | {self.expr('set', d)})",
            self.aggregate("sum", d),
        )

    def a_bool(self, d: int) -> str:
        if d < 0:
            return self.pick("self.flag", "(self.count > 1)", "(not self.flag)")
        a, b, c = (self.expr("int", d) for _ in range(3))
        x, y = self.expr("node", d), self.expr("node", d)
        p, q = self.expr("bool", d), self.expr("bool", d)
        s, t = self.expr("set", d), self.expr("set", d)
        e = self.expr("errno", d)
        return self.pick(
            f"({a} {self.pick('<', '<=', '>', '>=', '==', '!=')} {b})",
            f"({a} <= {b} < {c})",
            f"({x} {self.pick('==', '!=')} {y})",
            f"({x} is {self.pick('', 'not ')}None)",
            f"({p} and {q})",
            f"({p} or {q})",
            f"(not {p})",
            f"({p} == {q})",
            f"({x} {self.pick('in', 'not in')} {s})",
            f"({x} in ({y}, None))",
            f"({a} in {{{b}, {c}}})",
            f"({a} in PAGES)",
            f"({s} == self.mask)",
            f"(self.mask != {{{x}}})",
            f"(self.mask == {t})",
            f"({e} == {self.expr('errno', d)})",
            f"({e} in (Errno.ENOMEM, {self.expr('errno', d)}))",
            self.aggregate(self.pick("all", "any"), d),
            "self.flag",
            f"({self.expr('vma', d)} == {self.expr('vma', d)})",
        )

    def a_errno(self, d: int) -> str:
        return self.pick("Errno.OK", "Errno.ENOMEM", "Errno.EINVAL", "self.last")

    def a_set(self, d: int) -> str:
        if d < 0:
            return self.pick("self.mask", "set()", "frozenset(NODES)")
        a, b, x = self.expr("set", d), self.expr("set", d), self.expr("node!", d)
        return self.pick(
            "self.mask",
            f"self.masks[{self.expr('vma', d)}]",
            f"{{{x}}}",
            f"(self.mask | {a})",
            f"(self.mask & {a})",
            f"(self.mask - {a})",
            f"(self.mask - {{{self.expr('node', d)}}})",
            f"(self.mask & {{{self.expr('node', d)}}})",
            f"({b} | self.mask)",
            self.aggregate("set", d),
        )

    def aggregate(self, op: str, d: int) -> str:
        outer, text, domains = dict(self.names), "", ["NODES", "VMAS", "PAGES"]
        head = ""
        if op == "set":
            domains = ["NODES"]
        for _ in range(1 if op == "set" else self.random.randint(1, 2)):
            domain = self.random.choice(domains)
            if domain == "NODES" and op != "set" and self.random.random() < 0.3:
                domain = "self.mask"
            self.fresh += 1
            name = f"i{self.fresh}"
            head = head or name
            self.names[name] = LOOPS.get(domain, "node!")
            text += f" for {name} in {domain}"
            if self.random.random() < 0.4:
                text += f" if {self.expr('bool', d - 1)}"
        body = head
        if op != "set":
            body = self.expr("int" if op == "sum" else "bool", d - 1)
            if op == "sum" and self.random.random() < 0.3:
                body = self.expr("bool", d - 1)
        self.names = outer
        return f"{{{body}{text}}}" if op == "set" else f"{op}({body}{text})"

    # -- statements --

    def block(self, depth: int, indent: str) -> list[str]:
        lines: list[str] = []
        for _ in range(self.random.randint(1, 4)):
            lines += [indent + line for line in self.statement(depth)]
        return lines

    def statement(self, depth: int) -> list[str]:
        kinds = ["local", "local", "set", "set", "augment", "assert"]
        kinds += ["require"] if not self.pure else []
        kinds += ["if", "if", "for", "return"] if depth > 0 else []
        kinds += ["call"] if self.helpers else []
        kinds += ["yield", "yield"] if self.yielding else []
        kind = self.pick(*kinds)
        if self.pure and kind in ("set", "augment", "call", "assert"):
            kind = "local"
        return list(getattr(self, "s_" + kind)(depth))

    def s_local(self, depth: int) -> list[str]:
        sort = self.pick("int", "bool", "node", "set", "errno")
        text = self.expr(sort, 2)
        name = f"{sort}{self.random.randint(1, 2)}"
        if name in self.names and sort == "int" and self.random.random() < 0.4:
            return [f"{name} {self.pick('+', '-')}= {text}"]
        self.names[name] = sort
        return [f"{name}{self.kept(sort)} = {text}"]

    def kept(self, sort: str) -> str:
        """The annotation of a local that a task may keep."""
        return ": Int(-99, 99)" if self.yielding and sort == "int" else ""

    def s_set(self, depth: int) -> list[str]:
        d = 2
        return [
            self.pick(
                f"self.count = {self.expr('int', d)} % 9",
                f"self.jiffies = {self.expr('int', d)}",
                f"self.flag = {self.expr('bool', d)}",
                f"self.last = {self.expr('errno', d)}",
                f"self.cursor = {self.expr('node', d)}",
                f"self.mask = {self.expr('set', d)}",
                f"self.mask = {{{self.expr('node', d)}}}",
                f"self.free[{self.expr('node', d)}] = {self.expr('int', d)} % 5",
                f"self.home[{self.expr('vma', d)}] = {self.expr('node', d)}",
                f"self.home[{self.expr('vma', d)}] = None",
                f"self.page[{self.expr('vma', d)}, {self.expr('int', d)}] = "
                f"{self.expr('node', d)}",
                f"self.masks[{self.expr('vma', d)}] = {self.expr('set', d)}",
                f"self.pool.kept[{self.expr('node!', d)}] = {self.expr('int', d)} % 4",
            )
        ]

    def s_augment(self, depth: int) -> list[str]:
        return [
            self.pick(
                f"self.count += {self.expr('int', 1)}",
                f"self.total -= {self.expr('int', 2)}",
                f"self.jiffies += {self.expr('int', 2)}",
                f"self.mask |= {self.expr('set', 2)}",
                f"self.masks[{self.expr('vma', 1)}] -= {self.expr('set', 2)}",
                f"self.free[{self.expr('node', 2)}] += {self.expr('int', 1)}",
                f"self.pool.spare -= {self.expr('int', 1)}",
            )
        ]

    def s_assert(self, depth: int) -> list[str]:
        return [f"assert {self.expr('bool', 2)} or {self.expr('bool', 2)}"]

    def s_require(self, depth: int) -> list[str]:
        return [f"require({self.expr('bool', 2)} or {self.expr('bool', 1)})"]

    def s_return(self, depth: int) -> list[str]:
        if not self.result:
            return [f"if {self.expr('bool', 2)}:", "    return"]
        value = self.expr(self.result, 2)
        return [f"if {self.expr('bool', 2)}:", f"    return {value}"]

    def s_call(self, depth: int) -> list[str]:
        helper = self.random.choice(self.helpers)
        text = self.call(helper, 1)
        if helper[0] in self.delegates:
            if not self.yielding:
                return ["pass"]
            text = f"yield from {text}"
        if helper[2] and self.random.random() < 0.7:
            self.names[f"{helper[2]}3"] = helper[2]
            return [f"{helper[2]}3{self.kept(helper[2])} = {text}"]
        return [text]

    def s_yield(self, depth: int) -> list[str]:
        kind = self.random.random()
        if kind < 0.3:
            self.names["bool1"] = "bool"
            return ["bool1: Bool() = yield"]
        return ["yield" if kind < 0.6 else 'yield "lock dropped"']

    def s_if(self, depth: int) -> list[str]:
        lines = [f"if {self.expr('bool', 2)}:"]
        outer, ends = dict(self.names), []
        for k in range(self.random.randint(1, 3)):
            if k:
                last = self.random.random() < 0.5
                lines.append("else:" if last else f"elif {self.expr('bool', 2)}:")
            lines += self.block(depth - 1, "    ")
            ends.append(self.names)
            self.names = dict(outer)
            if lines and k and last:
                break
        else:
            ends.append(outer)
        self.names = {n: s for n, s in ends[0].items() if all(n in e for e in ends)}
        return lines

    def s_for(self, depth: int) -> list[str]:
        domain = self.random.choice(list(LOOPS))
        outer = dict(self.names)
        name = f"k{depth}"
        self.names[name] = LOOPS[domain]
        lines = [f"for {name} in {domain}:", *self.block(depth - 1, "    ")]
        self.names = outer
        return lines

    # -- methods --

    def method(self, name: str, kind: str, result: str) -> list[str]:
        self.pure, self.result = kind == "pure", result
        given = ["vma", *self.random.sample(list(SORTS)[1:], 2)]
        self.names = {p: SORTS[p] for p in given}
        self.yielding = self.yields and kind != "pure"
        lines = [] if kind != "action" else ["    @action"]
        if self.yielding and kind == "action":
            lines = ['    @action(task="vma")']
        shown = [
            f"{p}: {PARAMETERS[p]}" if kind == "action" else p + self.kept(SORTS[p])
            for p in given
        ]
        arrow = " -> Errno" if kind == "action" else ""
        lines.append(f"    def {name}(self, {', '.join(shown)}){arrow}:")
        body = self.block(2, " " * 8)
        if self.yielding and kind == "helper" and "yield" in "".join(body):
            self.delegates.add(name)
        lines += body
        self.yielding = False
        if result:
            lines.append(f"        return {self.expr(result, 2)}")
        if kind != "action":
            sorts = [SORTS[p] for p in given]
            self.helpers.append((name, sorts, result, kind == "pure"))
        return ["", *lines]


def design_text(seed: int, yields: bool = False) -> str:
    """The text of a module with a design called Random. With ``yields``, its
    actions and helpers may yield; VMAS are the tasks."""
    w = Writer(Random(seed), yields)
    lines = [HEAD.strip()]
    for k, result in enumerate(("int", "bool", "node", "set")):
        if w.random.random() < 0.5:
            lines += w.method(f"look{k}", "pure", result)
    for k, result in enumerate(("int", "", "node", "bool")):
        if w.random.random() < 0.6:
            lines += w.method(f"change{k}", "helper", result)
    for k in range(3):
        lines += w.method(f"act{k}", "action", "errno")
    return "\n".join(lines) + "\n"
