# SPDX-License-Identifier: GPL-2.0-only
"""Random designs and specs as texts, with an interpreter of their own.

Nothing here comes from `checker` or `model`. Each expression is written three
times: for a design, for a spec and as plain Python over dictionaries. `truth`
runs the plain text, breadth first, and answers every property by itself;
liveness by looking at all sets of states in which a run could stay. So the
whole tool can be asked, from the text to the printed verdict.

A design has one or two kinds of index (interchangeable rows, booleans, an
enum, numbers), actions with `if`, loops, early results, asserts and indices
that may have no value, and ranges that some action may leave.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import combinations, product
from random import Random
from typing import Any, NamedTuple

ROWS = 2
LEVELS = ("LOW", "MID", "HIGH")

HEAD = '''"""A random design."""

from enum import Enum

from poolproof.model.language import ANY, Bool, Design, Int, Maybe, Scalarset, SetOf
from poolproof.model.language import action, require, table, var


class Level(Enum):
    """Three labels."""

    LOW = 0
    MID = 1
    HIGH = 2


ROWS = Scalarset("ROWS", 2, prefix="r")
PAGES = Int(0, 2)


class Random(Design):
    """What came out."""

'''

DOMAINS: dict[str, str] = {
    "row": "ROWS",
    "bool": "Bool()",
    "level": "Level",
    "small": "Int(0, 1)",
    "int": "Int(0, 2)",
    "page": "PAGES",
    "wide": "Int(-1, 2)",
    "maybe": "Maybe(ROWS)",
    "set": "SetOf(ROWS)",
}
"""Each sort of value, as a design declares it."""

VALUES: dict[str, tuple[Any, ...]] = {
    "row": (0, 1),
    "bool": (False, True),
    "level": LEVELS,
    "small": (0, 1),
    "int": (0, 1, 2),
    "page": (0, 1, 2),
    "wide": (-1, 0, 1, 2),
    "maybe": (0, 1, None),
    "set": (frozenset(), frozenset({0}), frozenset({1}), frozenset({0, 1})),
}
"""The same values in plain Python: a row is its number."""

KIND = {"row": "maybe", "small": "int", "wide": "int", "page": "int"}
"""How an expression's sort is called, where a domain is a part of it."""

State = tuple[Any, ...]


class Text(NamedTuple):
    """One expression: in a design, in a spec, and in plain Python."""

    design: str
    spec: str
    plain: str


@dataclass(frozen=True)
class Field:
    """A variable, or a table where ``index`` is not empty. ``start``: plain
    values from which a cell starts."""

    name: str
    element: str
    index: tuple[str, ...]
    start: tuple[Any, ...]

    def keys(self) -> list[Any]:
        spaces = [VALUES[i] for i in self.index]
        return [k[0] if len(k) == 1 else k for k in product(*spaces)]

    def declaration(self) -> str:
        kind = ", ".join(DOMAINS[s] for s in (*self.index, self.element))
        head = f"    {self.name} = {'table' if self.index else 'var'}({kind}"
        if len(self.start) > 1:
            return head + ", init=ANY)"
        (value,) = self.start
        if self.element == "level":
            return head + f", init=Level.{value})"
        if self.element in ("maybe", "set"):
            return head + ")"
        return head + f", init={value})"


@dataclass(frozen=True)
class Act:
    """An action: its parameters (name, domain), and its two bodies."""

    name: str
    parameters: tuple[tuple[str, str], ...]
    design: str
    plain: str
    returns: bool

    def arguments(self) -> list[tuple[Any, ...]]:
        return list(product(*(VALUES[d] for _, d in self.parameters)))


@dataclass(frozen=True)
class Asked:
    """A property. ``plain`` is over S (and N, A, R for a step); ``goal`` and
    ``fair`` (action, strong) for `leads to`."""

    name: str
    kind: str
    spec: str
    plain: str
    action: str = ""
    goal: str = "False"
    fair: tuple[tuple[str, bool], ...] = ()


@dataclass
class Texts:
    """One random design and what is asked of it."""

    fields: list[Field]
    acts: list[Act]
    asked: list[Asked]

    def design(self) -> str:
        lines = [f.declaration() for f in self.fields]
        return HEAD + "\n".join((*lines, "", *(a.design for a in self.acts)))

    def spec(self) -> str:
        head = 'spec "random"\nfor Random\n\n'
        return head + "\n".join(p.spec for p in self.asked)


# --- writing ----------------------------------------------------------------


class Writer:
    """Well-sorted text. ``locals`` are (name, sort, text) in reach."""

    def __init__(self, random: Random, fields: list[Field]) -> None:
        self.random = random
        self.fields = fields
        self.locals: list[tuple[str, str, Text]] = []
        self.fresh = 0
        self.risky = True
        self.primed = False
        """Whether the state after the step may be read, too."""
        self.nested = 0
        """In how many indices of tables the text is."""

    def chance(self, one_in: int) -> bool:
        return self.random.randrange(one_in) == 0

    def name(self, stem: str) -> str:
        self.fresh += 1
        return f"{stem}{self.fresh}"

    def expr(self, kind: str, depth: int) -> Text:
        """An expression of kind int, bool, maybe, level or set."""
        leaves = self.leaves(kind)
        if depth <= 0 or self.chance(4):
            if leaves and not self.chance(9):
                return self.random.choice(leaves)()
            if kind == "bool" and depth > -2:
                return self.a_bool(-2)
            return self.constant(kind)
        if self.chance(9):
            c = self.expr("bool", depth - 1)
            a, b = self.expr(kind, depth - 1), self.expr(kind, depth - 1)
            return Text(
                *(f"({x} if {i} else {y})" for i, x, y in zip(c, a, b, strict=True))
            )
        made: Callable[[int], Text] | None = getattr(self, f"a_{kind}", None)
        if made is not None:
            return made(depth - 1)
        return self.random.choice(leaves)() if leaves else self.constant(kind)

    def leaves(self, kind: str) -> list[Callable[[], Text]]:
        found: list[Callable[[], Text]] = []
        for _, sort, text in self.locals:
            if KIND.get(sort, sort) == kind:
                found.append(lambda text=text: text)  # type: ignore[misc]
        for f in self.fields:
            deep = bool(f.index) and self.nested > 1
            if KIND.get(f.element, f.element) == kind and not deep:
                found.append(lambda f=f: self.cell(f))  # type: ignore[misc]
        return found

    def cell(self, f: Field) -> Text:
        """A field's value; in a step property, now and then the next one."""
        state, prime = "S", ""
        if self.primed and self.chance(2):
            state, prime = "N", "'"
        at = self.indices(f)
        plain = f"{state}['{f.name}']"
        if not at:
            return Text(f"self.{f.name}", f.name + prime, plain)
        design, spec, key = (", ".join(t) for t in zip(*at, strict=True))
        key = f"({key})" if len(at) > 1 else key
        return Text(
            f"self.{f.name}[{design}]", f"{f.name}{prime}[{spec}]", f"{plain}[{key}]"
        )

    def index(self, domain: str) -> Text:
        """A value of the domain; where that may go wrong, seldom outside."""
        mine = [t for _, sort, t in self.locals if sort == domain]
        if mine and not self.chance(4):
            return self.random.choice(mine)
        match domain:
            case "bool" | "level":
                return self.expr(domain, 1)
            case "page":
                if self.risky and self.chance(8) and (ways := self.leaves("int")):
                    return self.random.choice(ways)()
                n = str(self.random.choice(VALUES["page"]))
                return Text(n, n, n)
            case "small":
                if self.risky and self.chance(8) and (ways := self.leaves("int")):
                    return self.random.choice(ways)()
                e = self.expr("int", 1)
                return Text(*(f"({t} % 2)" for t in e))
            case _:
                ways = self.leaves("maybe") if self.risky else []
                if not mine and not ways:
                    raise LookupError("no row is in reach")
                return self.random.choice([*ways, *(lambda t=t: t for t in mine)])()

    def indices(self, f: Field) -> list[Text]:
        self.nested += 1
        try:
            return [self.index(i) for i in f.index]
        finally:
            self.nested -= 1

    def constant(self, kind: str) -> Text:
        match kind:
            case "bool":
                v = self.random.choice((True, False))
                return Text(str(v), str(v).lower(), str(v))
            case "level":
                v = self.random.choice(LEVELS)
                return Text(f"Level.{v}", v, repr(v))
            case "maybe":
                return Text("None", "none", "None")
            case "set":
                if rows := [t for _, s, t in self.locals if s == "row"]:
                    r = self.random.choice(rows)
                    return Text(
                        f"{{z for z in ROWS if z == {r.design}}}",
                        f"{{{r.spec}}}",
                        f"frozenset({{{r.plain}}})",
                    )
                sets = [f for f in self.fields if f.element == "set" and not f.index]
                if sets:
                    return self.cell(self.random.choice(sets))
                return Text("{z for z in ROWS if False}", "{}", "frozenset()")
        n = self.random.choice((0, 1, 1, 2))
        return Text(str(n), str(n), str(n))

    def a_int(self, d: int) -> Text:
        a, b = self.expr("int", d), self.expr("int", d)
        way = self.random.randrange(8)
        if way == 6:
            return self.aggregate("sum", d)
        if way == 7:
            s = self.expr("set", d)
            return Text(
                f"len({s.design})",
                f"count(q in ROWS: q in {s.spec})",
                f"len({s.plain})",
            )
        if way == 5:
            lo = self.random.choice(("min", "max"))
            return Text(
                f"{lo}({a.design}, {b.design})",
                f"({a.spec} if ({a.spec}) {'<=' if lo == 'min' else '>='} "
                f"({b.spec}) else {b.spec})",
                f"{lo}({a.plain}, {b.plain})",
            )
        form = ("({} + {})", "({} - {})", "({} * {})", "({} // 2)", "({} % 3)")[way]
        return Text(*(form.format(x, y) for x, y in zip(a, b, strict=True)))

    def a_bool(self, d: int) -> Text:
        way = self.random.randrange(9)
        if way < 3:
            op = self.random.choice(("<", "<=", "==", "!="))
            return self.binary(op, self.expr("int", d), self.expr("int", d))
        if way == 3:
            kind = self.random.choice(("maybe", "level", "bool"))
            op = self.random.choice(("==", "!="))
            return self.binary(op, self.expr(kind, d), self.expr(kind, d))
        if way < 6:
            op = self.random.choice(("and", "or"))
            return self.binary(op, self.expr("bool", d), self.expr("bool", d))
        if way == 6:
            a = self.expr("bool", d)
            return Text(*(f"(not {t})" for t in a))
        if way == 7:
            return self.aggregate(self.random.choice(("any", "all")), d)
        rows = [t for _, s, t in self.locals if s == "row"]
        if rows:
            return self.binary("in", self.random.choice(rows), self.expr("set", d))
        return self.aggregate("any", d)

    def a_set(self, d: int) -> Text:
        op = self.random.choice(("|", "&", "|"))
        return self.binary(op, self.expr("set", d), self.expr("set", d))

    @staticmethod
    def binary(op: str, a: Text, b: Text) -> Text:
        return Text(*(f"({x} {op} {y})" for x, y in zip(a, b, strict=True)))

    def over(self) -> tuple[str, Text]:
        """A domain to bind over, all of it: rows, or pages where there are any."""
        if any("page" in f.index for f in self.fields) and self.chance(2):
            return "page", Text("PAGES", "0..2", "(0, 1, 2)")
        return "row", Text("ROWS", "ROWS", "(0, 1)")

    def aggregate(self, how: str, d: int) -> Text:
        r, (sort, all_) = self.name("r"), self.over()
        self.locals.append((r, sort, Text(r, r, r)))
        body = self.expr("bool", d)
        self.locals.pop()
        if how == "sum":
            return Text(
                f"sum(1 for {r} in {all_.design} if {body.design})",
                f"count({r} in {all_.spec}: {body.spec})",
                f"sum([1 for {r} in {all_.plain} if {body.plain}])",
            )
        return Text(
            f"{how}({body.design} for {r} in {all_.design})",
            f"{how}({r} in {all_.spec}: {body.spec})",
            f"{how}([{body.plain} for {r} in {all_.plain}])",
        )

    # -- statements: (design, plain) lines --

    def block(self, depth: int, most: int, indent: str) -> tuple[list[str], list[str]]:
        design: list[str] = []
        plain: list[str] = []
        for _ in range(1 + self.random.randrange(most)):
            d, p = self.statement(depth, indent)
            design += d
            plain += p
        return design, plain

    def statement(self, depth: int, indent: str) -> tuple[list[str], list[str]]:
        way = self.random.randrange(12)
        if way == 0 and depth:
            c = self.expr("bool", 2)
            d, p = self.block(depth - 1, 2, indent + "    ")
            more = self.block(depth - 1, 1, indent + "    ") if self.chance(2) else None
            design, plain = (
                [f"{indent}if {c.design}:", *d],
                [f"{indent}if {c.plain}:", *p],
            )
            if more:
                design += [f"{indent}else:", *more[0]]
                plain += [f"{indent}else:", *more[1]]
            return design, plain
        if way == 1 and depth:
            r, (sort, all_) = self.name("r"), self.over()
            self.locals.append((r, sort, Text(r, r, r)))
            d, p = self.block(depth - 1, 2, indent + "    ")
            self.locals.pop()
            return (
                [f"{indent}for {r} in {all_.design}:", *d],
                [f"{indent}for {r} in {all_.plain}:", *p],
            )
        if way == 2:
            c = self.expr("bool", 1)
            return [f"{indent}require({c.design})"], [f"{indent}require({c.plain})"]
        if way == 3 and self.chance(6):
            c = self.expr("bool", 1)
            return (
                [f'{indent}assert {c.design}, "never"'],
                [f"{indent}assert {c.plain}"],
            )
        f = self.random.choice(self.fields)
        to = self.target(f)
        kind = KIND.get(f.element, f.element)
        careless = self.chance(25)
        if kind == "int" and self.chance(2):
            e = self.expr("int", 1)
            sign = self.random.choice("+-")
            c = Text(*(f"({t} {sign} 1)" for t in to))
            value = c if self.chance(2) else self.binary("+", to, e)
        else:
            value = self.expr(kind, 2)
        if kind == "int" and not careless:
            lo, hi = min(VALUES[f.element]), max(VALUES[f.element])
            value = Text(*(f"min(max({t}, {lo}), {hi})" for t in value))
        return (
            [f"{indent}{to.design} = {value.design}"],
            [f"{indent}put(S, '{f.name}', {self.key}, {value.plain})"],
        )

    key = "None"

    def target(self, f: Field) -> Text:
        at = self.indices(f)
        if not at:
            self.key = "None"
            return Text(f"self.{f.name}", "", f"S['{f.name}']")
        design, _, key = (", ".join(t) for t in zip(*at, strict=True))
        self.key = f"({key})"
        return Text(f"self.{f.name}[{design}]", "", f"S['{f.name}'][{self.key}]")

    def act(self, name: str) -> Act:
        domains = ["row", "row", "bool", "level", "small", "int", "maybe"]
        if any("page" in f.index for f in self.fields):
            domains += ["page"] * 6
        parameters = tuple(
            (f"a{k}", self.random.choice(domains))
            for k in range(self.random.randrange(3))
        )
        self.locals = [(n, d, Text(n, n, n)) for n, d in parameters]
        design: list[str] = []
        plain: list[str] = []
        if self.chance(2):
            c = self.expr("bool", 2)
            design.append(f"        require({c.design})")
            plain.append(f"    require({c.plain})")
        for _ in range(1 + self.random.randrange(3)):
            # one choice of statements, in two indentations
            d, p = self.statement(2, "    ")
            design += ["    " + line for line in d]
            plain += p
        returns = self.chance(2)
        if returns:
            if self.chance(2):
                c, e = self.expr("bool", 1), self.constant("level")
                design += [f"        if {c.design}:", f"            return {e.design}"]
                plain += [f"    if {c.plain}:", f"        return {e.plain}"]
            e = self.expr("level", 1)
            design.append(f"        return {e.design}")
            plain.append(f"    return {e.plain}")
        given = ", ".join(("self", *(f"{n}: {DOMAINS[d]}" for n, d in parameters)))
        returned = " -> Level" if returns else ""
        head = f"    @action\n    def {name}({given}){returned}:\n"
        names = "".join(f", {n}" for n, _ in parameters)
        body = "\n".join(design) or "        pass"
        self.locals = []
        return Act(
            name,
            parameters,
            head + body + "\n",
            f"def {name}(S{names}):\n" + ("\n".join(plain) or "    pass"),
            returns,
        )

    def quantified(self, depth: int) -> Text:
        """A formula of a spec: about all rows, or some, where it reads any."""
        r = self.name("q")
        self.locals.append((r, "row", Text(r, r, r)))
        body = self.expr("bool", depth)
        self.locals.pop(-1)
        how = self.random.choice(("all", "any"))
        return Text(
            "",
            f"{how}({r} in ROWS: {body.spec})",
            f"{how}([{body.plain} for {r} in (0, 1)])",
        )

    def ask(self, name: str, acts: list[Act]) -> Asked:
        self.risky = False
        self.primed = False
        kind = self.random.choice(
            ("invariant", "invariant", "step", "step", "reachable", "leadsto")
        )
        if kind == "leadsto":
            f, g = self.quantified(2), self.quantified(2)
            fair = tuple((a.name, self.chance(2)) for a in acts if not self.chance(3))
            lines = [f"leadsto {name}:", f"    {f.spec} leads to {g.spec}"]
            for strong in (False, True):
                if mine := [n for n, s in fair if s is strong]:
                    word = "strongly fair" if strong else "fair"
                    lines.append(f"    {word} {', '.join(mine)}")
            text = "\n".join(lines) + "\n"
            return Asked(name, kind, text, f.plain, "", g.plain, fair)
        if kind != "step":
            f = self.quantified(3)
            return Asked(name, kind, f"{kind} {name}:\n    {f.spec}\n", f.plain)
        on = self.random.choice(acts) if not self.chance(4) else None
        self.primed = True
        head = f"step {name}"
        if on is not None:
            given = ", ".join(n for n, _ in on.parameters)
            head += f" on {on.name}({given})" if given else f" on {on.name}"
            self.locals = [
                (n, d, Text(n, n, f"A[{k}]")) for k, (n, d) in enumerate(on.parameters)
            ]
            if on.returns:
                self.locals.append(("result", "level", Text("", "result", "R")))
        f = self.quantified(3)
        self.locals = []
        return Asked(
            name, kind, f"{head}:\n    {f.spec}\n", f.plain, on.name if on else ""
        )


def texts(seed: int, pages: bool = False) -> Texts:
    """A random design and spec; the same for the same seed. With ``pages``, tables
    may have three numbers as their index."""
    for attempt in range(100):
        try:
            return _texts(Random(f"{seed}.{attempt}"), pages)
        except LookupError:
            pass
    raise AssertionError("no text without a row")


def _texts(random: Random, pages: bool) -> Texts:
    fields: list[Field] = []
    for k in range(2 + random.randrange(3)):
        element = random.choice(("int", "bool", "level", "maybe", "wide", "set"))
        index: tuple[str, ...] = ()
        if random.randrange(3):
            kinds = ("row", "bool", "level", "small", *(("page",) * 3 if pages else ()))
            index = (random.choice(kinds),)
            if random.randrange(5) == 0:
                index = (*index, random.choice(("row", "bool")))
        default = {"maybe": (None,), "set": (frozenset(),)}
        start: tuple[Any, ...] = default.get(element, (random.choice(VALUES[element]),))
        cells = 1
        for i in index:
            cells *= len(VALUES[i])
        few = element in ("bool", "int", "maybe") and cells < 3
        if few and random.randrange(4) == 0:
            start = VALUES[element]
        fields.append(Field(f"x{k}", element, index, start))
    writer = Writer(random, fields)
    acts = [writer.act(f"act{k}") for k in range(1 + random.randrange(3))]
    asked = [writer.ask(f"p{k}", acts) for k in range(1 + random.randrange(4))]
    return Texts(fields, acts, asked)


# --- the truth ----------------------------------------------------------------


class Disabled(Exception):
    """A `require` is false."""


class Broken(Exception):
    """The step breaks the model."""


@dataclass
class Truth:
    """What is true of a text. ``found`` has the depth at which a property is
    violated (reachable: witnessed); a property of `leads to` that is violated
    has -1. ``defect`` is the length of the shortest run that breaks the
    model. ``complete`` is false where there were too many states."""

    complete: bool = True
    found: dict[str, int] = field(default_factory=dict)
    defect: int | None = None
    states: int = 0
    depth: int = 0
    too_many: set[str] = field(default_factory=set)
    """`leads to` properties that are left open: too many states."""


def require(condition: bool) -> None:
    if not condition:
        raise Disabled


def put(state: dict[str, Any], name: str, key: Any, value: Any) -> None:
    """S[name] = value, or of one cell; an index of no cell is an error."""
    if isinstance(state[name], dict):
        state[name][key]
        state[name][key] = value
    else:
        state[name] = value


def _frozen(state: dict[str, Any]) -> State:
    return tuple(tuple(v.items()) if isinstance(v, dict) else v for v in state.values())


@dataclass
class _Space:
    states: list[dict[str, Any]] = field(default_factory=list)
    steps: list[list[tuple[tuple[str, Any], int]]] = field(default_factory=list)


def truth(t: Texts, limit: int = 400) -> Truth:
    """Every answer, by running the plain texts."""
    names: dict[str, Any] = {"require": require, "put": put}
    for a in t.acts:
        exec(a.plain, names)
    formulas = {
        p.name: eval(f"lambda S, N=None, A=(), R=None: {p.plain}") for p in t.asked
    }
    found, space, number = Truth(), _Space(), dict[State, int]()
    level: list[int] = []

    def enter(state: dict[str, Any], depth: int, onto: list[int]) -> int:
        key = _frozen(state)
        if key not in number:
            number[key] = len(space.states)
            space.states.append(state)
            space.steps.append([])
            onto.append(number[key])
            found.depth = depth
            for p in t.asked:
                if p.kind in ("invariant", "reachable") and (
                    bool(formulas[p.name](state)) is (p.kind == "reachable")
                ):
                    found.found.setdefault(p.name, depth)
        return number[key]

    for state in _starts(t):
        enter(state, 0, level)
    depth = 0
    while level:
        depth += 1
        onto: list[int] = []
        for k in level:
            if len(space.states) > limit:
                found.complete = False
                return found
            for a in t.acts:
                for arguments in a.arguments():
                    try:
                        after, result = _step(t, a, names, space.states[k], arguments)
                    except Disabled:
                        continue
                    except Broken:
                        if found.defect is None:
                            found.defect = depth
                        continue
                    for p in t.asked:
                        mine = p.kind == "step" and p.action in ("", a.name)
                        if mine and not formulas[p.name](
                            space.states[k], after, arguments, result
                        ):
                            found.found.setdefault(p.name, depth)
                    target = enter(after, depth, onto)
                    space.steps[k].append(((a.name, arguments), target))
        level = onto
    found.states = len(space.states)
    for p in t.asked:
        if p.kind == "leadsto":
            goal = eval(f"lambda S: {p.goal}")
            bad = _avoidable(space, formulas[p.name], goal, p.fair)
            if bad is None:
                found.too_many.add(p.name)
            elif bad:
                found.found[p.name] = -1
    return found


def _starts(t: Texts) -> Iterator[dict[str, Any]]:
    """Every initial state: each cell of `init=ANY` by itself."""
    places = [(f, key) for f in t.fields for key in (f.keys() if f.index else [None])]
    for chosen in product(*(f.start for f, _ in places)):
        state: dict[str, Any] = {f.name: {} if f.index else None for f in t.fields}
        for (f, key), value in zip(places, chosen, strict=True):
            if f.index:
                state[f.name][key] = value
            else:
                state[f.name] = value
        yield state


def _step(
    t: Texts, a: Act, names: dict[str, Any], state: dict[str, Any], arguments: Any
) -> tuple[dict[str, Any], Any]:
    after = {n: dict(v) if isinstance(v, dict) else v for n, v in state.items()}
    try:
        result = names[a.name](after, *arguments)
    except (KeyError, AssertionError) as e:
        raise Broken from e
    for f in t.fields:
        cells = after[f.name].values() if f.index else (after[f.name],)
        if any(value not in VALUES[f.element] for value in cells):
            raise Broken
    return after, result


_MOST = 11
"""States without the goal of which all sets are looked at."""


def _avoidable(
    space: _Space, formula: Any, goal: Any, fair: tuple[tuple[str, bool], ...]
) -> bool | None:
    """Whether some fair run has the formula and then never the goal: a set of
    states in which a run can stay, visiting all and taking every step inside.
    None where there are too many sets."""
    avoiding = {k for k, s in enumerate(space.states) if not goal(s)}
    near = {k for k in avoiding if formula(space.states[k])}
    grown = set()
    while near != grown:
        grown = set(near)
        near |= {t for k in grown for _, t in space.steps[k] if t in avoiding}
    if len(near) > _MOST:
        return None
    return any(
        _stays(space, set(chosen), fair)
        for size in range(1, len(near) + 1)
        for chosen in combinations(sorted(near), size)
    )


def _stays(space: _Space, inside: set[int], fair: tuple[tuple[str, bool], ...]) -> bool:
    first = min(inside)
    for forward in (True, False):
        seen, new = {first}, [first]
        while new:
            k = new.pop()
            ways = (
                [t for _, t in space.steps[k]]
                if forward
                else [s for s in inside if any(t == k for _, t in space.steps[s])]
            )
            for other in ways:
                if other in inside and other not in seen:
                    seen.add(other)
                    new.append(other)
        if seen != inside:
            return False
    taken = {lb for k in inside for lb, t in space.steps[k] if t in inside}
    possible = [{lb for lb, _ in space.steps[k]} for k in inside]
    for name, strong in fair:
        some = {lb for here in possible for lb in here if lb[0] == name}
        due = some if strong else {lb for lb in some if all(lb in p for p in possible)}
        if due - taken:
            return False
    return True
