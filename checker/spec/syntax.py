# SPDX-License-Identifier: GPL-2.0-only
"""The syntax tree of a spec: frozen dataclasses with their places.

The span of an expression is the place of its operator or first word; `start`
returns the place where its text begins.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.property import Kind
from poolproof.checker.core.system import Span

# --- expressions ----------------------------------------------------------


@dataclass(frozen=True)
class Word:
    """A name as written."""

    text: str
    span: Span


@dataclass(frozen=True)
class Numeral:
    value: int
    span: Span


@dataclass(frozen=True)
class Literal:
    """``true``, ``false`` or ``none``."""

    text: str
    span: Span


@dataclass(frozen=True)
class Name:
    """A name that stands for a value; ``primed``: in the state after the step."""

    text: str
    primed: bool
    span: Span

    def __str__(self) -> str:
        return self.text + ("'" if self.primed else "")


@dataclass(frozen=True)
class Index:
    """``free[n]``, ``page'[v, p]``."""

    table: Name
    at: tuple[Expression, ...]
    span: Span


@dataclass(frozen=True)
class CallExpr:
    """An observer, a definition, or len, min, max, unchanged."""

    function: Name
    arguments: tuple[Expression, ...]
    span: Span


@dataclass(frozen=True)
class Range:
    """``lo..hi``, both included."""

    lo: Expression
    hi: Expression
    span: Span


@dataclass(frozen=True)
class Binder:
    """``v, w in VMAS``; ``over`` names a domain, or is a range or a set."""

    names: tuple[Word, ...]
    over: Range | Expression
    span: Span


@dataclass(frozen=True)
class Aggregate:
    """``sum(n in NODES: free[n])``, and count, all, any, setof."""

    operator: str
    binders: tuple[Binder, ...]
    body: Expression
    span: Span


@dataclass(frozen=True)
class Junction:
    """Two or more parts joined by one of ``and``, ``or``."""

    operator: str
    parts: tuple[Expression, ...]
    span: Span


@dataclass(frozen=True)
class Unary:
    """``not x`` or ``-x``."""

    operator: str
    operand: Expression
    span: Span


@dataclass(frozen=True)
class Binary:
    """implies, iff, arithmetic, and ``|`` ``&`` ``-`` of sets."""

    operator: str
    left: Expression
    right: Expression
    span: Span


@dataclass(frozen=True)
class Relation:
    """One link of a chain: ``==``, ``<``, ``in``, ``not in`` ..."""

    operator: str
    span: Span


@dataclass(frozen=True)
class Compare:
    """``0 <= resv <= free``: each operand against the next one."""

    operands: tuple[Expression, ...]
    relations: tuple[Relation, ...]
    span: Span


@dataclass(frozen=True)
class IfElse:
    """``then if condition else otherwise``."""

    then: Expression
    condition: Expression
    otherwise: Expression
    span: Span


@dataclass(frozen=True)
class SetDisplay:
    """``{a, b}``."""

    elements: tuple[Expression, ...]
    span: Span


Expression = (
    Numeral
    | Literal
    | Name
    | Index
    | CallExpr
    | Aggregate
    | Junction
    | Unary
    | Binary
    | Compare
    | IfElse
    | SetDisplay
)


def start(e: Expression) -> Span:
    """Return the place where the expression's text begins."""
    match e:
        case Junction(parts=(first, *_)) | Compare(operands=(first, *_)):
            return start(first)
        case Binary(left=first) | IfElse(then=first):
            return start(first)
        case _:
            return e.span


def once(words: Iterable[Word], complaint: str) -> None:
    """Raise UserError at the second place of a name."""
    seen: set[str] = set()
    for word in words:
        if word.text in seen:
            quoted = f"`{word.text}` " if word.text else ""
            raise UserError(word.span, quoted + complaint)
        seen.add(word.text)


# --- items ----------------------------------------------------------------


@dataclass(frozen=True)
class Let:
    """``let name(parameters) = body``: the body replaces the name. It is visible
    below its own place."""

    name: Word
    parameters: tuple[Word, ...]
    body: Expression


@dataclass(frozen=True)
class Setting:
    """``V = 2`` in the bounds."""

    name: Word
    value: int


@dataclass(frozen=True)
class Amount:
    """``slots = P - 6`` in the bounds of a scenario."""

    name: Word
    value: Expression


@dataclass(frozen=True)
class Bounds:
    """One ``bounds`` line. A check uses the first one, or the one whose ``label``
    it is given."""

    label: str
    settings: tuple[Setting, ...]
    without: tuple[Word, ...]
    having: tuple[Word, ...]
    span: Span


@dataclass(frozen=True)
class Argument:
    """A parameter of the action, and its name in the formula: ``length`` or
    ``length = n``."""

    parameter: Word
    alias: Word


FAILURE = "failure"


@dataclass(frozen=True)
class On:
    """The action that a step property is about, or FAILURE: each that can fail."""

    action: Word
    arguments: tuple[Argument, ...]


@dataclass(frozen=True)
class Expect:
    """``expect violated at 5 for Hugetlb61 under wide``; without designs, for those
    that no other line names; without labels, at the spec's first bounds. A claim
    `on failure` may have one for single ``actions``. ``elsewhere``: other bounds are
    chosen now, so the outcome may be another."""

    verdict: str
    depth: int | None
    designs: tuple[Word, ...]
    labels: tuple[Word, ...]
    span: Span
    elsewhere: bool = False
    actions: tuple[Word, ...] = ()


@dataclass(frozen=True)
class Fair:
    """``strongly fair recall``: an assumption about runs."""

    action: Word
    strong: bool


@dataclass(frozen=True)
class Claim:
    """One property, before it is resolved for a design. Only `leads to` has
    ``goal`` and ``fair``; the formula of `eventually GOAL` is `true`."""

    kind: Kind
    name: Word
    title: str
    on: On | None
    formula: Expression
    source: str
    expects: tuple[Expect, ...]
    goal: Expression | None = None
    fair: tuple[Fair, ...] = ()

    @property
    def span(self) -> Span:
        return self.name.span


@dataclass(frozen=True)
class Assertion:
    """``assertion counter.mm.locked_vm: expect violated at 4``: the expected
    outcome of an assertion of the kernel, which comes from the design."""

    name: Word
    expects: tuple[Expect, ...]


@dataclass(frozen=True)
class Given:
    """``page = block`` in a `user` line: a parameter, and its name in the call; or
    ``end = P``: the only value of it that is a call."""

    parameter: Word
    value: Expression | None


@dataclass(frozen=True)
class Way:
    """``fault(vma, page)`` in a `user` line: an action, and the parameters that the
    user gives (None: all except those that the design marks as chosen by the
    kernel)."""

    action: Word
    arguments: tuple[Given, ...] | None


@dataclass(frozen=True)
class UserCall:
    """``touch or fault(vma, page) else OK``: one call, as the actions that can take it.
    ``total``: where no action can, the call shows OK and changes nothing."""

    ways: tuple[Way, ...]
    total: bool = False


@dataclass(frozen=True)
class KernelLine:
    """``kernel create(size = P), evict first``: what happens by itself, with these
    arguments. ``first``: where it can happen, it does before the next call."""

    way: Way
    first: bool


@dataclass(frozen=True)
class Observed:
    """``observe NAME: FORMULA``: a value that user space can read."""

    name: Word
    title: str
    formula: Expression


@dataclass(frozen=True)
class Invocation:
    """``fault(v0, 0..3, _)`` in a program: one value, a range of values, any value."""

    action: Word
    arguments: tuple[Expression | Range, ...]


@dataclass(frozen=True)
class Await:
    """The next call waits for another task's signal."""

    signal: Word


@dataclass(frozen=True)
class Signal:
    """Said once all calls above it in the task have returned."""

    name: Word


@dataclass(frozen=True)
class Repeat:
    """``repeat p in 0..3: fault(v0, p, _)``: once for each value, in order."""

    name: Word
    over: Range
    body: tuple[Stage, ...]


Stage = Invocation | Await | Signal | Repeat


@dataclass(frozen=True)
class TaskProgram:
    """The calls of one task, in order."""

    task: Word
    body: tuple[Stage, ...]


@dataclass(frozen=True)
class Measure:
    """``size blocks = 0..P + P``: the bound to minimise, and its range."""

    bound: Word
    over: Range


@dataclass(frozen=True)
class Scenario:
    """Programs whose success must be guaranteed, with more bounds and features
    than the file's. Calls of ``environment`` may
    happen at any time, with any result; those of ``anytime`` too, but they must
    succeed. ``early`` are the actions whose failures count as early."""

    name: Word
    title: str
    source: str
    designs: tuple[Word, ...]
    amounts: tuple[Amount, ...]
    without: tuple[Word, ...]
    having: tuple[Word, ...]
    measure: Measure | None
    early: tuple[Word, ...]
    programs: tuple[TaskProgram, ...]
    environment: tuple[Invocation, ...]
    anytime: tuple[Invocation, ...]


@dataclass(frozen=True)
class Spec:
    """A whole file. ``designs`` are class names; ``source`` is the source of
    claims that cite none themselves; the first of ``bounds`` are those that a
    check takes. ``page`` is the size of a page in bytes; 0 if it is not said.
    ``calls``, ``silent`` and ``observed`` are for `compare`."""

    file: str
    title: str
    doc: str
    designs: tuple[Word, ...]
    source: str
    bounds: tuple[Bounds, ...]
    lets: tuple[Let, ...]
    claims: tuple[Claim, ...]
    scenarios: tuple[Scenario, ...] = ()
    assertions: tuple[Assertion, ...] = ()
    page: int = 0
    calls: tuple[UserCall, ...] = ()
    silent: tuple[KernelLine, ...] = ()
    observed: tuple[Observed, ...] = ()
