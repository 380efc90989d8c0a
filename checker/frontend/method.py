"""A method's text to expressions: the accepted subset, by symbolic execution.

Both branches of an `if` are executed and merged with if-then-else; loops over
a domain are unrolled; helper methods are inlined. Everything is expressed
over the state before the action. What is not listed here is refused, at the
user's own line and column, with what to write instead.
"""

from __future__ import annotations

import ast
import builtins
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cache, cached_property
from types import FunctionType
from typing import Any

from poolproof.checker.core import interval, ir
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.ir import Expr
from poolproof.checker.core.limits import tick
from poolproof.checker.core.ranges import Ranges
from poolproof.checker.core.source import assigned, method_tree, span_of
from poolproof.checker.core.system import Obligation, Span, Variable
from poolproof.model.language import (
    ANY,
    Arithmetic,
    Binding,
    Block,
    Bound,
    Design,
    Domain,
    Feature,
    Field,
    ModelError,
    Slot,
    Values,
    bug_on,
    closure,
    forwarded,
    members,
    nearest,
    no_hook,
    own_classes,
    require,
    resolved,
    warn_on,
)

# --- values that are no expressions yet -----------------------------------


@dataclass(frozen=True)
class Ref:
    """The design itself (prefix "") or one of its blocks ("pool."); with
    ``hooks`` it is the `self.design` of a block."""

    owner: Any
    cls: type
    prefix: str
    hooks: bool = False


@dataclass(frozen=True)
class Pending:
    """None, or a set display: its sort comes from where it is used."""

    kind: str
    elements: tuple[Expr, ...] = ()


@dataclass(frozen=True)
class Unusable:
    """A local that has no value on some path, or values of two sorts."""

    why: str


@dataclass(frozen=True)
class Tuple:
    """(a, b): only on the right of `in`."""

    items: tuple[Any, ...]


Value = Any  # Expr, Ref, Pending, Unusable, Tuple, Values, an Enum class, None


def written(this: Ref, function: FunctionType) -> tuple[Ref, FunctionType]:
    """The block and its method that a method of a design stands for; the two
    themselves if the design's text has it."""
    link = forwarded(function)
    if link is None:
        return this, function
    block, method = resolved(this.owner, function)
    return Ref(block, type(block), f"{this.prefix}{link.block}."), method


def sort_of(values: Values) -> ir.Sort:
    """The IR sort of a bound domain."""
    match values.kind:
        case "int":
            return ir.INT
        case "bool":
            return ir.BOOL
        case "enum":
            assert values.members is not None
            labels = tuple(m.name for m in values.members)
            return ir.enum_sort(values.name, labels)
        case "element":
            return ir.scalar_sort(
                values.name, values.size, values.prefix, not values.ordered
            )
        case _:
            assert values.inner is not None
            return ir.set_sort(domain_of(values.inner))


def domain_of(values: Values, name: str = "") -> ir.Domain:
    """The finite domain of bound values."""
    if values.counter:
        raise UserError(None, "a Counter is a field's domain: write Int(0, hi)")
    if not (isinstance(values.lo, int) and isinstance(values.hi, int)):
        raise UserError(None, f"{values} is no finite domain: give it both ends")
    return ir.Domain(sort_of(values), values.lo, values.hi, name or values.name)


def size_expr(value: Any) -> Expr:
    """An int, or arithmetic over symbolic bounds, as an expression."""
    match value:
        case Bound(name=name):
            return ir.param(name)
        case Arithmetic(op, left, right):
            a, b = size_expr(left), size_expr(right)
            return (
                ir.add(a, b)
                if op == "+"
                else ir.sub(a, b)
                if op == "-"
                else ir.mul(a, b)
            )
        case _:
            return ir.num(value)


def start_of(slot: Slot) -> Expr:
    """The initial value of each cell; where the field is off, what it reads
    as. ANY counts as the least value of the range."""
    values = slot.values
    start = values.python(values.lo) if slot.start is ANY else slot.start
    if isinstance(start, Bound | Arithmetic):
        return size_expr(start)
    return ir.const(sort_of(values), values.raw(start))


# --- state during execution -----------------------------------------------


@dataclass
class Store:
    """Current values of state variables and of the method's locals."""

    vars: dict[str, Expr]
    locals: dict[str, Value]

    def copy(self) -> Store:
        return Store(dict(self.vars), dict(self.locals))


@dataclass
class Flow:
    """Where control goes from a block: on (under ``live``, with ``store``),
    or out by return (under ``returned``)."""

    live: Expr
    store: Store
    returned: Expr = ir.FALSE
    at_return: dict[str, Expr] = field(default_factory=dict)
    value: Value = None


@dataclass(frozen=True)
class Frame:
    """The method being executed: whose it is and where it was written."""

    this: Ref
    function: FunctionType
    file: str
    tree: ast.FunctionDef

    @property
    def scope(self) -> dict[str, Any]:
        """The names around the method: of its module, and of the function
        that its class is written in."""
        return {**self.function.__globals__, **closure(self.function)}

    def outer(self, name: str) -> Any:
        """What a name that is no local means; _NOTHING if nothing."""
        if name in self.function.__code__.co_freevars:
            return closure(self.function).get(name, _NOTHING)
        return self.function.__globals__.get(name, _NOTHING)


_NOTHING = object()


@dataclass(frozen=True)
class Assertion:
    """A `bug_on` or `warn_on` (``kind``) in the method that ``where`` names,
    as in ``mm.exit_mmap``. ``held``: its condition is false if it is met."""

    kind: str
    where: str
    text: str
    held: Expr
    span: Span


@dataclass
class Translation:
    """One method being translated, with what it collects."""

    binding: Binding
    slots: Mapping[str, Slot]
    variables: Mapping[str, Variable]
    fresh: Iterator[int]
    guards: list[Expr] = field(default_factory=list)
    obligations: list[tuple[int, Obligation]] = field(default_factory=list)
    """Each with the number of guards that came before it."""
    assertions: list[Assertion] = field(default_factory=list)
    running: Expr = ir.TRUE
    """That no `bug_on` so far has ended the action."""
    stack: list[tuple[FunctionType, str]] = field(default_factory=list)
    may_require: bool = True
    parts: dict[Any, dict[str, Any]] = field(default_factory=dict)
    """The members of each design class or block that was asked for them."""
    design: Ref | None = None
    """What `self.design` means in a block's methods."""

    # -- entry points --

    def run(
        self, this: Ref, function: FunctionType, arguments: Mapping[str, Value]
    ) -> tuple[dict[str, Expr], Value]:
        """Executes a method; returns the variables' final values and the
        returned value (None where nothing is returned)."""
        start = {name: v.now for name, v in self.variables.items()}
        return self.call(this, function, arguments, start, ir.TRUE, None)

    def call(
        self,
        this: Ref,
        function: FunctionType,
        arguments: Mapping[str, Value],
        variables: dict[str, Expr],
        pc: Expr,
        site: tuple[Frame, ast.AST] | None,
    ) -> tuple[dict[str, Expr], Value]:
        this, function = written(this, function)
        if (function, this.prefix) in self.stack:
            raise self.mistake(
                site, f"{function.__name__} calls itself: loop over a domain instead"
            )
        file, tree = method_tree(function)
        if not tree.args.args:
            raise UserError(span_of(file, tree), "a method takes self first")
        frame = Frame(this, function, file, tree)
        self.stack.append((function, this.prefix))
        store = Store(dict(variables), dict(arguments))
        flow = self.block(frame, tree.body, store, pc)
        self.stack.pop()
        if isinstance(flow.value, Unusable):
            raise UserError(
                span_of(file, tree), f"{function.__name__} returns {flow.value.why}"
            )
        if flow.returned is ir.FALSE:
            return flow.store.vars, None
        if flow.live is ir.FALSE:
            return flow.at_return, flow.value
        if flow.value is not None:
            raise UserError(
                span_of(file, tree),
                f"{function.__name__} returns a value on some paths only: "
                "return one at the end, too",
            )
        return _merge_vars(flow.returned, flow.at_return, flow.store.vars), None

    # -- statements --

    def block(
        self, frame: Frame, body: Iterable[ast.stmt], store: Store, pc: Expr
    ) -> Flow:
        flow = Flow(ir.TRUE, store)
        for statement in body:
            self.follow(
                flow,
                lambda s, c, st=statement: self.statement(frame, st, s, c),  # type: ignore[misc]
                pc,
            )
            if flow.live is ir.FALSE:
                break
        return flow

    def follow(self, flow: Flow, then: Callable[[Store, Expr], Flow], pc: Expr) -> None:
        """Continues ``flow`` with what ``then`` does where it is live."""
        nxt = then(flow.store, ir.and_(pc, flow.live))
        out = ir.and_(flow.live, nxt.returned)
        if out is not ir.FALSE:
            if flow.returned is ir.FALSE:
                flow.at_return, flow.value = nxt.at_return, nxt.value
            else:
                flow.at_return = _merge_vars(
                    flow.returned, flow.at_return, nxt.at_return
                )
                flow.value = self.either(flow.returned, flow.value, nxt.value, pc)
            flow.returned = ir.or_(flow.returned, out)
        flow.live = ir.and_(flow.live, nxt.live)
        flow.store = nxt.store

    def statement(self, frame: Frame, node: ast.stmt, store: Store, pc: Expr) -> Flow:
        at = (frame, node)
        tick(20)
        match node:
            case ast.Expr(ast.Constant(str())) | ast.Pass():
                pass
            case ast.Expr(ast.Call() as call):
                self.expr(frame, call, store, pc)
            case ast.Assign([target], value):
                self.assign(
                    frame, target, self.expr(frame, value, store, pc), store, pc
                )
            case ast.AnnAssign(target, _, value, _) if value is not None:
                self.assign(
                    frame, target, self.expr(frame, value, store, pc), store, pc
                )
            case ast.AnnAssign():
                raise self.mistake(at, "give the variable a value")
            case ast.AugAssign(target, op, value):
                place = self.place(frame, target, store, pc)
                old = self.load(frame, target, place, store)
                new = self.expr(frame, value, store, pc)
                self.put(
                    (frame, target),
                    place,
                    self.arithmetic(at, op, old, new, pc),
                    store,
                    pc,
                )
            case ast.Return(value):
                result = None if value is None else self.expr(frame, value, store, pc)
                return Flow(ir.FALSE, store, ir.TRUE, store.vars, result)
            case ast.Assert(ast.Tuple(), _):
                raise self.mistake(
                    at, "a tuple is always true: write assert condition, message"
                )
            case ast.Assert(test, _):
                truth = self.boolean(frame, test, store, pc)
                self.oblige("assert", pc, truth, f"assert {ast.unparse(test)}", at)
            case ast.If():
                return self.branch(frame, node, store, pc)
            case ast.For(ast.Name(name), over, body, []):
                flow = Flow(ir.TRUE, store)
                for item in self.iteration(frame, over, store, pc):

                    def once(s: Store, c: Expr, item: Value = item) -> Flow:
                        s.locals[name] = item
                        return self.block(frame, body, s, c)

                    self.follow(flow, once, pc)
                    if flow.live is ir.FALSE:
                        break
                return flow
            case ast.Assign():
                raise self.mistake(at, _ONE_TARGET)
            case ast.Expr(value) if type(value) in _REFUSED:
                raise self.mistake((frame, value), _REFUSED[type(value)])
            case _:
                raise self.mistake(at, _REFUSED.get(type(node), _OTHERWISE))
        return Flow(ir.TRUE, store)

    def branch(self, frame: Frame, node: ast.If, store: Store, pc: Expr) -> Flow:
        c = self.boolean(frame, node.test, store, pc)
        if c.is_const:
            return self.block(frame, node.body if c.data else node.orelse, store, pc)
        then = self.block(frame, node.body, store.copy(), ir.and_(pc, c))
        other = self.block(frame, node.orelse, store.copy(), ir.and_(pc, ir.not_(c)))
        out_then = ir.and_(c, then.returned)
        out_other = ir.and_(ir.not_(c), other.returned)
        flow = Flow(ir.ite(c, then.live, other.live), store)
        flow.returned = ir.or_(out_then, out_other)
        if then.returned is ir.FALSE:
            flow.at_return, flow.value = other.at_return, other.value
        elif other.returned is ir.FALSE:
            flow.at_return, flow.value = then.at_return, then.value
        else:
            flow.at_return = _merge_vars(c, then.at_return, other.at_return)
            flow.value = self.either(c, then.value, other.value, pc)
        if then.live is ir.FALSE:
            flow.store = other.store
        elif other.live is ir.FALSE:
            flow.store = then.store
        else:
            flow.store = self.merge(c, then.store, other.store, pc)
        return flow

    def merge(self, c: Expr, a: Store, b: Store, pc: Expr) -> Store:
        unbound = Unusable("a value on some paths only: give it one before the `if`")
        merged = {
            name: self.either(
                c, a.locals.get(name, unbound), b.locals.get(name, unbound), pc
            )
            for name in dict.fromkeys((*a.locals, *b.locals))
        }
        return Store(_merge_vars(c, a.vars, b.vars), merged)

    def either(self, c: Expr, a: Value, b: Value, pc: Expr) -> Value:
        """The value that is ``a`` where c holds, else ``b``; Unusable, which
        matters only if it is used, where there is no such value."""
        if a is b or (not isinstance(a, Expr) and not isinstance(b, Expr) and a == b):
            return a
        for x in (a, b):
            if isinstance(x, Unusable):
                return x
        two = Unusable(f"{_describe(a)} on one path and {_describe(b)} on another")
        try:
            if isinstance(a, Pending) and isinstance(b, Expr):
                a = self.settle(None, a, b.sort, ir.and_(pc, c))
            if isinstance(b, Pending) and isinstance(a, Expr):
                b = self.settle(None, b, a.sort, ir.and_(pc, ir.not_(c)))
        except UserError:
            return two
        if isinstance(a, Expr) and isinstance(b, Expr) and a.sort is b.sort:
            return ir.ite(c, a, b)
        return two

    # -- assignment --

    def assign(
        self, frame: Frame, target: ast.expr, value: Value, store: Store, pc: Expr
    ) -> None:
        place = self.place(frame, target, store, pc)
        self.put((frame, target), place, value, store, pc)

    def place(
        self, frame: Frame, target: ast.expr, store: Store, pc: Expr
    ) -> tuple[str, Slot | None, tuple[Expr, ...]]:
        """What is assigned to: (local, None, ()) or (field, slot, index)."""
        at = (frame, target)
        match target:
            case ast.Name(name):
                return name, None, ()
            case ast.Attribute(owner, name):
                slot = self.slot(at, self.expr(frame, owner, store, pc), name)
                if slot.index:
                    raise self.mistake(
                        at,
                        f"{slot.name} is a table: assign to {name}[...] entry by entry",
                    )
                return slot.name, slot, ()
            case ast.Subscript(ast.Attribute(owner, name), index):
                slot = self.slot(at, self.expr(frame, owner, store, pc), name)
                return slot.name, slot, self.indices(frame, slot, index, store, pc)
            case ast.Tuple() | ast.List() | ast.Starred():
                raise self.mistake(at, _ONE_TARGET)
        raise self.mistake(
            at, "only locals, self.field and self.table[index] are assigned"
        )

    def load(
        self,
        frame: Frame,
        target: ast.expr,
        place: tuple[str, Slot | None, tuple[Expr, ...]],
        store: Store,
    ) -> Value:
        """What is there before an augmented assignment."""
        name, slot, index = place
        if slot is None:
            return self.name(frame, target, name, store)
        return self.read(slot, index, store)

    def read(self, slot: Slot, index: tuple[Expr, ...], store: Store) -> Expr:
        if slot.off:
            return start_of(slot)
        now = store.vars[slot.name]
        return ir.select(now, *index) if index else now

    def put(
        self,
        at: tuple[Frame, ast.AST],
        place: tuple[str, Slot | None, tuple[Expr, ...]],
        value: Value,
        store: Store,
        pc: Expr,
    ) -> None:
        name, slot, index = place
        if slot is None:
            if value is None:
                raise self.mistake(at, "this call returns nothing to assign")
            store.locals[name] = value
        else:
            self.write(at, slot, index, value, store, pc)

    def write(
        self,
        at: tuple[Frame, ast.AST],
        slot: Slot,
        index: tuple[Expr, ...],
        value: Value,
        store: Store,
        pc: Expr,
    ) -> None:
        expr = self.settle(at, value, sort_of(slot.values), pc)
        if slot.values.bits is not None:
            expr = ir.mod(expr, ir.num(1 << slot.values.bits))
        if slot.off:
            same = ir.eq(expr, start_of(slot))
            message = f"{slot.name} is off and cannot change"
            if same is ir.FALSE and pc is ir.TRUE:
                raise self.mistake(at, f"{message}: write it under `if FEATURE:`")
            self.oblige("assert", pc, same, message, at)
            return
        now = store.vars[slot.name]
        store.vars[slot.name] = ir.store(now, *index, expr) if index else expr

    # -- expressions --

    def boolean(self, frame: Frame, node: ast.expr, store: Store, pc: Expr) -> Expr:
        value = self.expr(frame, node, store, pc)
        if isinstance(value, Expr) and value.sort is ir.BOOL:
            return value
        raise self.mistake((frame, node), _no_condition(node, value))

    def integer(self, frame: Frame, node: ast.expr, store: Store, pc: Expr) -> Expr:
        value = self.expr(frame, node, store, pc)
        if isinstance(value, Expr) and value.sort is ir.INT:
            return value
        raise self.mistake(
            (frame, node),
            f"`{ast.unparse(node)}` is {_describe(value)}, and a number is needed",
        )

    def expr(self, frame: Frame, node: ast.expr, store: Store, pc: Expr) -> Value:
        at = (frame, node)
        tick(4)
        match node:
            case ast.Constant(value):
                if value is None or isinstance(value, bool | int):
                    return self.static(at, value)
                raise self.mistake(at, _constant(value))
            case ast.Name(name):
                return self.name(frame, node, name, store)
            case ast.Attribute(owner, name):
                return self.attribute(
                    at, self.expr(frame, owner, store, pc), name, store
                )
            case ast.Subscript(ast.Attribute(owner, name), index):
                slot = self.slot(at, self.expr(frame, owner, store, pc), name)
                return self.read(
                    slot, self.indices(frame, slot, index, store, pc), store
                )
            case ast.BoolOp(op, operands):
                return self.junction(frame, op, operands, store, pc)
            case ast.UnaryOp(ast.Not(), operand):
                return ir.not_(self.boolean(frame, operand, store, pc))
            case ast.UnaryOp(ast.USub(), operand):
                return ir.neg(self.integer(frame, operand, store, pc))
            case ast.BinOp(left, op, right):
                return self.arithmetic(
                    at,
                    op,
                    self.expr(frame, left, store, pc),
                    self.expr(frame, right, store, pc),
                    pc,
                )
            case ast.Compare(left, ops, rights):
                return self.comparison(frame, left, ops, rights, store, pc)
            case ast.IfExp(test, yes, no):
                c = self.boolean(frame, test, store, pc)
                if c.is_const:
                    return self.expr(frame, yes if c.data else no, store, pc)
                a = self.pure(frame, yes, store, ir.and_(pc, c))
                b = self.pure(frame, no, store, ir.and_(pc, ir.not_(c)))
                value = self.either(c, a, b, pc)
                if isinstance(value, Unusable):
                    raise self.mistake(at, f"this is {value.why}")
                return value
            case ast.Call():
                return self.calling(frame, node, store, pc)
            case ast.Set(elements):
                items = [self.expr(frame, e, store, pc) for e in elements]
                if Pending("none") in items:
                    raise self.mistake(at, "no None in a set")
                return Pending(
                    "set", tuple(self.settle(at, i, None, pc) for i in items)
                )
            case ast.SetComp():
                return self.set_comprehension(frame, node, store, pc)
            case ast.Tuple(items):
                return Tuple(tuple(self.expr(frame, i, store, pc) for i in items))
            case ast.UnaryOp(ast.UAdd(), _):
                raise self.mistake(at, "leave out the +")
            case ast.UnaryOp(ast.Invert(), _):
                raise self.mistake(at, "no ~: write `not`, or DOMAIN minus the set")
            case _:
                raise self.mistake(at, _REFUSED.get(type(node), _OTHERWISE))

    def pure(self, frame: Frame, node: ast.expr, store: Store, pc: Expr) -> Value:
        """Evaluates where Python may skip it: it must not change the state."""
        copy = store.copy()
        value = self.expr(frame, node, copy, pc)
        if copy.vars != store.vars:
            raise self.mistake(
                (frame, node),
                f"`{ast.unparse(node)}` changes the state inside an expression: "
                "make it a statement of its own",
            )
        return value

    def junction(
        self,
        frame: Frame,
        op: ast.boolop,
        operands: list[ast.expr],
        store: Store,
        pc: Expr,
    ) -> Expr:
        conjunction = isinstance(op, ast.And)
        result = ir.boolean(conjunction)
        for k, operand in enumerate(operands):
            reach = ir.and_(pc, result if conjunction else ir.not_(result))
            if k and result.is_const and bool(result.data) != conjunction:
                break
            value = (self.expr if k == 0 else self.pure)(frame, operand, store, reach)
            if not (isinstance(value, Expr) and value.sort is ir.BOOL):
                raise self.mistake((frame, operand), _no_condition(operand, value))
            result = (ir.and_ if conjunction else ir.or_)(result, value)
        return result

    def arithmetic(
        self, at: tuple[Frame, ast.AST], op: ast.operator, a: Value, b: Value, pc: Expr
    ) -> Expr:
        if _is_set(a) or _is_set(b):
            return self.set_arithmetic(at, op, a, b, pc)
        if not all(isinstance(x, Expr) and x.sort is ir.INT for x in (a, b)):
            bools = all(isinstance(x, Expr) and x.sort is ir.BOOL for x in (a, b))
            if bools and isinstance(op, ast.BitAnd | ast.BitOr):
                word = "and" if isinstance(op, ast.BitAnd) else "or"
                raise self.mistake(at, f"write `{word}`")
            if isinstance(op, ast.BitAnd | ast.BitOr):
                raise self.mistake(
                    at,
                    f"{_describe(a)} and {_describe(b)}: & and | are for sets; "
                    "write `and`, `or` between conditions",
                )
            raise self.mistake(
                at, f"{_describe(a)} and {_describe(b)}: numbers are needed here"
            )
        match op:
            case ast.Add():
                return ir.add(a, b)
            case ast.Sub():
                return ir.sub(a, b)
            case ast.Mult():
                return ir.mul(a, b)
            case ast.FloorDiv() | ast.Mod() if not (b.is_const and b.data > 0):
                raise self.mistake(at, "divide by a positive constant only")
            case ast.FloorDiv():
                return ir.div(a, b)
            case ast.Mod():
                return ir.mod(a, b)
        raise self.mistake(at, "only +, -, *, // and % on numbers")

    def set_arithmetic(
        self, at: tuple[Frame, ast.AST], op: ast.operator, a: Value, b: Value, pc: Expr
    ) -> Expr:
        """|, & and - of sets. What is cut away may lie outside the domain;
        what is joined may not."""
        typed = [x for x in (a, b) if isinstance(x, Expr)]
        sort = typed[0].sort if typed else None
        cuts = (isinstance(op, ast.BitAnd), isinstance(op, ast.BitAnd | ast.Sub))
        a, b = (
            self.settle(at, x, sort, None if cut and typed else pc)
            for x, cut in zip((a, b), cuts, strict=True)
        )
        if a.sort is not b.sort:
            raise self.mistake(at, f"{_describe(a)} and {_describe(b)}: not the same")
        match op:
            case ast.BitOr():
                return ir.union(a, b)
            case ast.BitAnd():
                return ir.inter(a, b)
            case ast.Sub():
                return ir.diff(a, b)
        raise self.mistake(at, "sets have |, & and -")

    def comparison(
        self,
        frame: Frame,
        left: ast.expr,
        ops: list[ast.cmpop],
        rights: list[ast.expr],
        store: Store,
        pc: Expr,
    ) -> Expr:
        a = self.expr(frame, left, store, pc)
        result = ir.TRUE
        for k, (op, right) in enumerate(zip(ops, rights, strict=True)):
            reach = ir.and_(pc, result)
            b = (self.expr if k == 0 else self.pure)(frame, right, store, reach)
            result = ir.and_(result, self.compare((frame, right), op, a, b, reach))
            a = b
        return result

    def compare(
        self, at: tuple[Frame, ast.AST], op: ast.cmpop, a: Value, b: Value, pc: Expr
    ) -> Expr:
        match op:
            case ast.Is() | ast.IsNot() if not _identity(a, b):
                written = "==" if isinstance(op, ast.Is) else "!="
                raise self.mistake(at, f"`is` is for None: write `{written}`")
            case ast.Eq() | ast.Is():
                return self.equal(at, a, b, pc)
            case ast.NotEq() | ast.IsNot():
                return ir.not_(self.equal(at, a, b, pc))
            case ast.In():
                return self.within(at, a, b, pc)
            case ast.NotIn():
                return ir.not_(self.within(at, a, b, pc))
        if isinstance(a, Expr) and isinstance(b, Expr) and a.sort is b.sort is ir.INT:
            match op:
                case ast.Lt():
                    return ir.lt(a, b)
                case ast.LtE():
                    return ir.le(a, b)
                case ast.Gt():
                    return ir.lt(b, a)
                case _:
                    return ir.le(b, a)
        if _is_set(a) and _is_set(b):
            raise self.mistake(at, "write len(a - b) == 0 for: a is a subset of b")
        raise self.mistake(at, f"{_describe(a)} and {_describe(b)} have no order")

    def equal(self, at: tuple[Frame, ast.AST], a: Value, b: Value, pc: Expr) -> Expr:
        if isinstance(a, Pending) and isinstance(b, Pending):
            if a.kind == b.kind == "none":
                return ir.TRUE
            if a.kind == b.kind:
                a, b = (b, a) if not a.elements else (a, b)
                a = self.settle(at, a, None, pc)
        elif isinstance(a, Pending) and isinstance(b, Expr):
            a, b = b, a
        if isinstance(b, Pending) and isinstance(a, Expr):
            same = ir.eq(a, self.settle(at, b, a.sort, None))
            if isinstance(a.sort, ir.SetSort):
                inside = (self.certain(e, a.sort.domain) for e in b.elements)
                return ir.and_(*inside, same)
            return same
        if isinstance(a, Expr) and isinstance(b, Expr) and a.sort is b.sort:
            return ir.eq(a, b)
        raise self.mistake(
            at, f"{_describe(a)} is compared with {_describe(b)}: not the same sort"
        )

    def within(self, at: tuple[Frame, ast.AST], a: Value, b: Value, pc: Expr) -> Expr:
        match b:
            case Tuple(items):
                return ir.or_(*(self.equal(at, a, i, pc) for i in items))
            case Pending(kind="set", elements=elements):
                return ir.or_(*(self.equal(at, a, e, pc) for e in elements))
            case Values():
                domain = self.finite(at, b)
                return _inside(self.settle(at, a, domain.sort, pc), domain)
            case Expr() if isinstance(b.sort, ir.SetSort):
                return ir.member(self.settle(at, a, b.sort.domain.sort, pc), b)
        raise self.mistake(at, f"{_describe(b)} is no set: `in` needs one")

    # -- names and attributes --

    def name(self, frame: Frame, node: ast.AST, name: str, store: Store) -> Value:
        at = (frame, node)
        if name in store.locals:
            value = store.locals[name]
            if isinstance(value, Unusable):
                raise self.mistake(at, f"{name!r} has {value.why}")
            return value
        if name == frame.tree.args.args[0].arg:
            return frame.this
        if name in assigned(frame.tree):
            raise self.mistake(at, f"{name!r} has no value yet")
        value = frame.outer(name)
        if value is not _NOTHING:
            return self.static(at, value)
        if hasattr(builtins, name):
            raise self.mistake(at, f"{name!r} is no value here")
        own = nearest(name, members(frame.this.owner))
        if "did you mean" in own:
            raise self.mistake(at, f"no {name!r} here" + own.replace("'", "'self.", 1))
        raise self.mistake(
            at, f"no {name!r} here" + nearest(name, _visible(frame, store))
        )

    def static(self, at: tuple[Frame, ast.AST] | None, value: Any) -> Value:
        """A Python object that a method names, as a value of ours."""
        match value:
            case None:
                return Pending("none")
            case bool():
                return ir.boolean(value)
            case Enum():
                values = self.binding.values(type(value))
                return ir.const(sort_of(values), values.raw(value))
            case int():
                return ir.num(value)
            case Domain():
                try:
                    return self.binding.values(value)
                except ModelError as e:
                    raise self.mistake(at, str(e)) from None
            case Bound() | Arithmetic():
                return size_expr(self.binding.size(value))
            case Feature():
                return ir.boolean(self.binding.on(value))
            case frozenset() | set() | tuple() if all(
                isinstance(v, Enum | int) or v is None for v in value
            ):
                items = tuple(self.static(at, v) for v in value)
                if isinstance(value, tuple):
                    return Tuple(items)
                return Pending("set", items)
            case type() if issubclass(value, Enum):
                return value
            case Ref() | Values() | Expr() | Pending():
                return value
        if isinstance(value, str | float | complex):
            raise self.mistake(at, _constant(value))
        raise self.mistake(
            at,
            f"{value!r} cannot be used in an action: name a domain, a bound, "
            "a feature, an Enum or a number",
        )

    def attribute(
        self, at: tuple[Frame, ast.AST], owner: Value, name: str, store: Store
    ) -> Value:
        if isinstance(owner, type) and issubclass(owner, Enum):
            labels = owner.__members__
            if name in labels:
                return self.static(at, labels[name])
            raise self.mistake(
                at, f"{owner.__name__} has no {name!r}" + nearest(name, labels)
            )
        if not isinstance(owner, Ref):
            raise self.mistake(at, f"{_describe(owner)} has no attribute {name!r}")
        if name == "design" and owner.prefix:
            return self.design
        part = self.part(at, owner, name)
        if isinstance(part, Field):
            slot = self.slots[owner.prefix + name]
            if slot.index:
                raise self.mistake(at, f"{slot.name} is a table: read {name}[...]")
            return self.read(slot, (), store)
        if isinstance(part, Block):
            return Ref(part, type(part), f"{owner.prefix}{name}.")
        if isinstance(part, FunctionType):
            raise self.mistake(at, f"{name} is a method: call it")
        return self.static(at, part)

    def part(self, at: tuple[Frame, ast.AST], ref: Ref, name: str) -> Any:
        parts = self.parts.get(ref.owner)
        if parts is None:
            parts = self.parts[ref.owner] = members(ref.owner)
        if ref.hooks and not isinstance(parts.get(name), FunctionType):
            raise self.mistake(at, no_hook(ref.cls, name))
        if name not in parts:
            raise self.mistake(
                at, f"{ref.cls.__name__} has no {name!r}" + nearest(name, parts)
            )
        return parts[name]

    def slot(self, at: tuple[Frame, ast.AST], ref: Value, name: str) -> Slot:
        """The state variable that an attribute is."""
        if not isinstance(ref, Ref):
            raise self.mistake(at, f"{_describe(ref)} has no field {name!r}")
        part = self.part(at, ref, name)
        if isinstance(part, Block):
            raise self.mistake(at, f"{name} is a block: assign to its fields")
        if not isinstance(part, Field):
            raise self.mistake(
                at,
                f"{name} is no field of {ref.cls.__name__}: declare it with var() "
                "or table()",
            )
        return self.slots[ref.prefix + name]

    def indices(
        self, frame: Frame, slot: Slot, node: ast.expr, store: Store, pc: Expr
    ) -> tuple[Expr, ...]:
        nodes = list(node.elts) if isinstance(node, ast.Tuple) else [node]
        at = (frame, node)
        if not slot.index:
            raise self.mistake(at, f"{slot.name} is no table: it has no index")
        n = len(slot.index)
        if len(nodes) != n:
            few = "index" if n == 1 else "indices"
            raise self.mistake(at, f"{slot.name} takes {n} {few}, not {len(nodes)}")
        found = []
        if slot.off:
            domains = tuple(domain_of(v) for v in slot.index)
        else:
            domains = self.variables[slot.name].index
        for written, domain in zip(nodes, domains, strict=True):
            where = (frame, written)
            value = self.expr(frame, written, store, pc)
            index = self.settle(where, value, domain.sort, pc)
            self.check_index(where, slot.name, index, domain, pc)
            found.append(index)
        return tuple(found)

    def check_index(
        self,
        at: tuple[Frame, ast.AST],
        full: str,
        index: Expr,
        domain: ir.Domain,
        pc: Expr,
    ) -> None:
        inside = self.certain(index, domain)
        shown = domain.name or str(domain.sort)
        if inside is ir.FALSE and pc is ir.TRUE:
            raise self.mistake(
                at,
                f"{ir.show(index)} is no index of {full}: it is over {shown} "
                f"({ir.show_raw(domain.sort, domain.lo)}.."
                f"{ir.show_raw(domain.sort, domain.hi)})",
            )
        self.oblige(
            "index",
            pc,
            inside,
            f"{full}[{ast.unparse(at[1])}]: the index leaves {shown}",
            at,
        )

    # -- calls --

    def calling(self, frame: Frame, node: ast.Call, store: Store, pc: Expr) -> Value:
        at = (frame, node)
        match node.func:
            case ast.Name(name) if name not in store.locals:
                found = frame.outer(name)
                target = None if found is _NOTHING else found
                if target is require:
                    return self.requirement(frame, node, store, pc)
                if target is bug_on or target is warn_on:
                    return self.assertion(frame, node, name, store, pc)
                if name in ("sum", "any", "all") and target is None:
                    return self.aggregate(frame, node, name, store, pc)
                if name in ("min", "max") and target is None:
                    return self.extremum(frame, node, name, store, pc)
                if name in ("len", "frozenset", "set") and target is None:
                    return self.set_call(frame, node, name, store, pc)
                if target is None and not hasattr(builtins, name):
                    known = (*_visible(frame, store), *_CALLED)
                    raise self.mistake(at, f"no {name!r} here" + nearest(name, known))
                raise self.mistake(
                    at,
                    f"{name}() cannot be called in an action" + _instead(name),
                )
            case ast.Attribute(ast.Call(ast.Name("super"), [], []), name):
                owner = frame.this
                function = _inherited(owner.cls, frame.function, name)
            case ast.Attribute(target_node, name):
                found = self.expr(frame, target_node, store, pc)
                if not isinstance(found, Ref):
                    raise self.mistake(
                        at, f"{_describe(found)} has no method {name!r}" + _or_set(name)
                    )
                owner, function = found, self.part(at, found, name)
                owner = replace(owner, hooks=False)
            case _:
                raise self.mistake(at, "only methods of self and of its blocks")
        if not isinstance(function, FunctionType):
            whose = owner.cls.__name__
            if ast.unparse(node.func).startswith("super()"):
                whose = f"a base class of {whose}"
            raise self.mistake(at, f"{name!r} is no method of {whose}")
        for value in (*node.args, *(k.value for k in node.keywords)):
            if isinstance(value, ast.Starred):
                raise self.mistake(at, "name each argument: * is not accepted")
        arguments = self.arguments(frame, node, owner, function, store, pc)
        store.vars, value = self.call(owner, function, arguments, store.vars, pc, at)
        return value

    def arguments(
        self,
        frame: Frame,
        node: ast.Call,
        owner: Ref,
        function: FunctionType,
        store: Store,
        pc: Expr,
    ) -> dict[str, Value]:
        at = (frame, node)
        given = [self.expr(frame, a, store, pc) for a in node.args]
        named = {}
        for keyword in node.keywords:
            if keyword.arg is None:
                raise self.mistake(at, "name each argument: ** is not accepted")
            named[keyword.arg] = self.expr(frame, keyword.value, store, pc)
        signature = _signature(function)
        try:
            bound = signature.bind(owner, *given, **named)
        except TypeError as e:
            raise self.mistake(at, f"{function.__name__}: {e}") from None
        values = dict(list(bound.arguments.items())[1:])
        for name, value in values.items():
            if value is None:
                raise self.mistake(
                    at, f"{name!r} is given nothing: a helper that returns no value"
                )
        for p in list(signature.parameters.values())[1:]:
            if p.kind is not p.POSITIONAL_OR_KEYWORD:
                raise self.mistake(
                    at, f"{function.__name__}: no *, ** and / among parameters"
                )
            if p.name not in values:
                values[p.name] = self.static(at, p.default)
        return values

    def requirement(self, frame: Frame, node: ast.Call, store: Store, pc: Expr) -> None:
        at = (frame, node)
        if not self.may_require:
            raise self.mistake(at, "require() has its place in actions only")
        if len(node.args) != 1 or node.keywords:
            raise self.mistake(at, "require(condition) takes one condition")
        truth = self.boolean(frame, node.args[0], store, pc)
        self.guards.append(ir.implies(ir.and_(self.running, pc), truth))

    def assertion(
        self, frame: Frame, node: ast.Call, name: str, store: Store, pc: Expr
    ) -> None:
        """bug_on(condition, "text"), warn_on(condition, "text")."""
        at = (frame, node)
        if not self.may_require:
            raise self.mistake(at, f"{name}() has its place in actions only")
        text = ""
        match node.args:
            case [condition] if not node.keywords:
                pass
            case [condition, ast.Constant(str(text))] if not node.keywords:
                pass
            case _:
                raise self.mistake(at, f'write {name}(condition, "what is wrong then")')
        kind = "bug_on" if frame.outer(name) is bug_on else "warn_on"
        truth = self.boolean(frame, condition, store, pc)
        held = ir.implies(ir.and_(self.running, pc), ir.not_(truth))
        where = f"{frame.this.prefix}{frame.function.__name__}"
        text = text or f"{kind}({ast.unparse(condition)})"
        if held is not ir.TRUE:
            span = span_of(frame.file, node)
            self.assertions.append(Assertion(kind, where, text, held, span))
        if kind == "bug_on":
            self.running = ir.and_(self.running, held)

    def extremum(
        self, frame: Frame, node: ast.Call, name: str, store: Store, pc: Expr
    ) -> Expr:
        if len(node.args) < 2 or node.keywords:
            raise self.mistake(
                (frame, node), f"{name} takes two or more numbers: {name}(a, b)"
            )
        build = ir.min_ if name == "min" else ir.max_
        first, *rest = (self.integer(frame, a, store, pc) for a in node.args)
        for value in rest:
            first = build(first, value)
        return first

    def set_call(
        self, frame: Frame, node: ast.Call, name: str, store: Store, pc: Expr
    ) -> Value:
        """len(set), set(), set(set) and set(DOMAIN)."""
        at = (frame, node)
        if name != "len" and not node.args:
            return Pending("set")
        if len(node.args) != 1 or node.keywords:
            raise self.mistake(at, f"{name}() takes one set")
        if isinstance(node.args[0], ast.GeneratorExp):
            raise self.mistake(at, "write {x for x in DOMAIN if condition}")
        value = self.expr(frame, node.args[0], store, pc)
        if isinstance(value, type) and issubclass(value, Enum):
            value = self.binding.values(value)
        if isinstance(value, Values):
            domain = self.finite(at, value)
            if name == "len":
                return ir.num(len(domain))
            return ir.const(ir.set_sort(domain), (1 << len(domain)) - 1)
        if isinstance(value, Pending) and value.kind == "set":
            if name != "len":
                return value
            value = self.settle(at, value, None, pc)
        if not _is_set(value):
            raise self.mistake(at, f"{name}() of {_describe(value)}: it takes a set")
        return ir.card(value) if name == "len" else value

    def finite(
        self, at: tuple[Frame, ast.AST], values: Values, name: str = ""
    ) -> ir.Domain:
        try:
            return domain_of(values, name)
        except UserError as e:
            raise self.mistake(at, e.message) from None

    # -- loops and comprehensions --

    def iteration(
        self, frame: Frame, node: ast.expr, store: Store, pc: Expr
    ) -> Iterator[Expr]:
        domain = self.over(frame, node, store, pc)
        if isinstance(domain, Expr):
            raise self.mistake(
                (frame, node),
                "a set has no order: loop over its domain and test `in`",
            )
        return (ir.const(domain.sort, raw) for raw in domain)

    def over(
        self, frame: Frame, node: ast.expr, store: Store, pc: Expr
    ) -> ir.Domain | Expr:
        """What a `for` runs over: a domain, or (in sums) a set's value."""
        at = (frame, node)
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == "range"
        ):
            ends = [self.integer(frame, a, store, pc) for a in node.args]
            if not 1 <= len(ends) <= 2 or not all(e.is_const for e in ends):
                raise self.mistake(
                    at,
                    "write range(n) or range(a, b) of constants, and test inside "
                    "the loop",
                )
            lo = ends[0].data if len(ends) == 2 else 0
            return ir.Domain(ir.INT, lo, ends[-1].data - 1)
        value = self.expr(frame, node, store, pc)
        if isinstance(value, Values):
            return self.finite(at, value, node.id if isinstance(node, ast.Name) else "")
        if isinstance(value, type) and issubclass(value, Enum):
            return domain_of(self.binding.values(value))
        if isinstance(value, Expr) and isinstance(value.sort, ir.SetSort):
            return value
        raise self.mistake(
            at, f"`{ast.unparse(node)}` is {_describe(value)}: loop over a domain"
        )

    def comprehension(
        self,
        frame: Frame,
        node: ast.AST,
        generators: list[ast.comprehension],
        element: ast.expr,
        store: Store,
        pc: Expr,
    ) -> tuple[list[Expr], Expr, Value]:
        """(binders, condition, element's value), obligations quantified."""
        inner = store.copy()
        binders: list[Expr] = []
        condition = ir.TRUE
        first_guard, first_due = len(self.guards), len(self.obligations)
        first_assertion = len(self.assertions)
        for g in generators:
            if not isinstance(g.target, ast.Name):
                raise self.mistake((frame, node), "bind one name at a time")
            over = self.over(frame, g.iter, inner, ir.and_(pc, condition))
            name = f"{g.target.id}#{next(self.fresh)}"
            if isinstance(over, Expr):
                assert isinstance(over.sort, ir.SetSort)
                binder = ir.local(name, over.sort.domain)
                condition = ir.and_(condition, ir.member(binder, over))
            else:
                binder = ir.local(name, over)
            binders.append(binder)
            inner.locals[g.target.id] = binder
            for test in g.ifs:
                truth = self.boolean(frame, test, inner, ir.and_(pc, condition))
                condition = ir.and_(condition, truth)
        value = self.expr(frame, element, inner, ir.and_(pc, condition))
        if inner.vars != store.vars:
            raise self.mistake(
                (frame, node), "this changes the state for each element: write a `for`"
            )
        if len(self.guards) > first_guard:
            raise self.mistake(
                (frame, node), "no require() inside: write require(all(...))"
            )
        if len(self.assertions) > first_assertion:
            raise self.mistake(
                (frame, node), "no bug_on() or warn_on() inside: write bug_on(any(...))"
            )
        for k in range(first_due, len(self.obligations)):
            count, due = self.obligations[k]
            closed = _for_all(binders, due.formula)
            self.obligations[k] = (
                count,
                Obligation(due.kind, closed, due.message, due.span),
            )
        return binders, condition, value

    def aggregate(
        self, frame: Frame, node: ast.Call, name: str, store: Store, pc: Expr
    ) -> Expr:
        at = (frame, node)
        if len(node.args) != 1 or not isinstance(node.args[0], ast.GeneratorExp):
            raise self.mistake(at, f"write {name}(... for x in DOMAIN)")
        inner = node.args[0]
        binders, condition, value = self.comprehension(
            frame, node, inner.generators, inner.elt, store, pc
        )
        wanted = ir.INT if name == "sum" else ir.BOOL
        if name == "sum" and isinstance(value, Expr) and value.sort is ir.BOOL:
            value = ir.ite(value, ir.num(1), ir.num(0))
        if not (isinstance(value, Expr) and value.sort is wanted):
            needed = "numbers" if name == "sum" else "conditions"
            raise self.mistake(at, f"{name}() of {_describe(value)}: of {needed} only")
        match name:
            case "sum":
                body = ir.ite(condition, value, ir.num(0))
            case "all":
                body = ir.implies(condition, value)
            case _:
                body = ir.and_(condition, value)
        for binder in reversed(binders):
            body = ir.aggregate(name, binder, body)
        return body

    def set_comprehension(
        self, frame: Frame, node: ast.SetComp, store: Store, pc: Expr
    ) -> Expr:
        binders, condition, value = self.comprehension(
            frame, node, node.generators, node.elt, store, pc
        )
        if len(binders) != 1 or value is not binders[0]:
            raise self.mistake((frame, node), "write {x for x in DOMAIN if condition}")
        return ir.aggregate("setof", binders[0], condition)

    # -- sorts and obligations --

    def settle(
        self,
        at: tuple[Frame, ast.AST] | None,
        value: Value,
        sort: ir.Sort | None,
        pc: Expr | None = ir.TRUE,
    ) -> Expr:
        """The value as an expression (of ``sort``, where one is known).
        Elements of a set display must lie in its domain where ``pc`` holds;
        if that is None, those outside are left out."""
        match value:
            case None:
                raise self.mistake(
                    at, "this call returns nothing, and a value is needed"
                )
            case Pending(kind="none") if isinstance(sort, ir.ScalarSort):
                return ir.const(sort, sort.size)
            case Pending(kind="none"):
                needed = f"{_article(sort)} is needed" if sort else "no sort is known"
                raise self.mistake(at, f"None, and {needed} here")
            case Pending(elements=elements):
                return self.set_value(at, elements, sort, pc)
            case Expr() if sort is None or value.sort is sort:
                return value
            case Expr() if sort is not None:
                raise self.mistake(
                    at, f"{_describe(value)}, and {_article(sort)} is needed here"
                )
        raise self.mistake(at, f"{_describe(value)}, and a value is needed here")

    def set_value(
        self,
        at: tuple[Frame, ast.AST] | None,
        elements: tuple[Expr, ...],
        sort: ir.Sort | None,
        pc: Expr | None,
    ) -> Expr:
        if sort is None:
            if not elements or not isinstance(elements[0].sort, ir.ScalarSort):
                raise self.mistake(
                    at,
                    "the domain of this set is not known: assign it to a field, "
                    "or write {x for x in DOMAIN if ...}",
                )
            scalar = elements[0].sort
            sort = ir.set_sort(ir.Domain(scalar, 0, scalar.size - 1, scalar.name))
        if not isinstance(sort, ir.SetSort):
            raise self.mistake(at, f"a set, and {_article(sort)} is needed here")
        empty = result = ir.const(sort, 0)
        for e in elements:
            if e.sort is not sort.domain.sort:
                raise self.mistake(at, f"{_describe(e)} in a {sort}")
            inside = self.certain(e, sort.domain)
            if inside is ir.FALSE and pc is ir.TRUE:
                raise self.mistake(at, f"{ir.show(e)} is no element of {sort}")
            if pc is not None and inside is not ir.TRUE:
                message = f"{ir.show(e)} is no element of {sort}"
                self.oblige("index", pc, inside, message, at)
            one = empty if inside is ir.FALSE else ir.single(e, sort.domain)
            result = ir.union(result, ir.ite(inside, one, empty))
        return result

    def certain(self, e: Expr, domain: ir.Domain) -> Expr:
        """That e lies in the domain; TRUE where declared ranges say so: every
        state that is explored keeps them, since leaving one is an obligation
        of its own."""
        kept = interval.inside(self.ranges.of(e), domain)
        return ir.TRUE if kept else _inside(e, domain)

    @cached_property
    def ranges(self) -> Ranges:
        return Ranges.of_variables(self.variables.values())

    def oblige(
        self,
        kind: str,
        pc: Expr,
        truth: Expr,
        message: str,
        at: tuple[Frame, ast.AST] | None,
    ) -> None:
        formula = ir.implies(ir.and_(self.running, pc), truth)
        if formula is not ir.TRUE:
            span = span_of(at[0].file, at[1]) if at else None
            due = Obligation(kind, formula, message, span)
            self.obligations.append((len(self.guards), due))

    def mistake(self, at: tuple[Frame, ast.AST] | None, message: str) -> UserError:
        return UserError(span_of(at[0].file, at[1]) if at else None, message)


# --- small parts ----------------------------------------------------------


def _for_all(binders: list[Expr], formula: Expr) -> Expr:
    for binder in reversed(binders):
        formula = ir.aggregate("all", binder, formula)
    return formula


def _inside(e: Expr, domain: ir.Domain) -> Expr:
    if e.sort is ir.INT:
        return ir.and_(ir.le(ir.num(domain.lo), e), ir.le(e, ir.num(domain.hi)))
    if isinstance(e.sort, ir.ScalarSort) and (domain.lo, domain.hi) == (
        0,
        e.sort.size - 1,
    ):
        return ir.ne(e, ir.const(e.sort, e.sort.size))
    return ir.or_(*(ir.eq(e, ir.const(e.sort, raw)) for raw in domain))


def _merge_vars(c: Expr, a: dict[str, Expr], b: dict[str, Expr]) -> dict[str, Expr]:
    return {name: ir.ite(c, a[name], b[name]) for name in a}


def _inherited(cls: type, function: FunctionType, name: str) -> Any:
    """What `super().name` means in a method."""
    classes = own_classes(cls)
    here = next((k for k, c in enumerate(classes) if function in vars(c).values()), 0)
    rest = (*classes[here + 1 :], Design)
    found = next((vars(c)[name] for c in rest if name in vars(c)), None)
    is_own = getattr(found, "__module__", "") != Design.__module__
    return found if is_own or name == "initial" else None


@cache
def _signature(function: FunctionType) -> inspect.Signature:
    return inspect.signature(function)


def _is_set(value: Value) -> bool:
    if isinstance(value, Expr):
        return isinstance(value.sort, ir.SetSort)
    return isinstance(value, Pending) and value.kind == "set"


def _identity(a: Value, b: Value) -> bool:
    """Whether `is` between the two is equality in Python, too."""
    if any(isinstance(x, Pending) and x.kind == "none" for x in (a, b)):
        return True
    return all(
        isinstance(x, Expr) and (x.sort is ir.BOOL or isinstance(x.sort, ir.EnumSort))
        for x in (a, b)
    )


def _visible(frame: Frame, store: Store) -> list[str]:
    """What a method can name: its locals, and what around it has a meaning."""
    meant = (Domain, Bound, Arithmetic, Feature, Enum, int, tuple, frozenset)
    around = (
        n
        for n, v in frame.scope.items()
        if isinstance(v, meant) or (isinstance(v, type) and issubclass(v, Enum))
    )
    return [*store.locals, *around]


def _constant(value: object) -> str:
    if isinstance(value, str):
        return _NO_STRING
    if isinstance(value, float | complex):
        return f"{value!r} is no integer: count pages"
    return f"{value!r}: only numbers, True, False, None"


def _or_set(name: str) -> str:
    instead = {
        "add": "| {x}",
        "discard": "- {x}",
        "remove": "- {x}",
        "update": "|",
        "union": "|",
        "intersection": "&",
        "difference": "-",
    }
    return f": sets have |, & and -, write {instead[name]}" if name in instead else ""


def _article(sort: ir.Sort) -> str:
    match sort:
        case ir.ScalarSort():
            return f"an element of {sort}"
        case ir.EnumSort():
            return f"a label of {sort}"
        case _:
            return f"an {sort}" if sort is ir.INT else f"a {sort}"


def _no_condition(node: ast.expr, value: Value) -> str:
    text = ast.unparse(node)
    match value:
        case Expr(sort=ir.ScalarSort()):
            instead = f": compare it, like `{text} is not None`"
        case Expr(sort=ir.SetSort()):
            instead = f": compare it, like `len({text}) > 0`"
        case Expr(sort=ir.INT):
            instead = f": compare it, like `{text} > 0`"
        case _:
            instead = ""
    return f"`{text}` is {_describe(value)}, and a condition is needed{instead}"


def _describe(value: Value) -> str:
    match value:
        case Expr():
            return _article(value.sort)
        case None:
            return "nothing"
        case Pending(kind="none"):
            return "None"
        case Pending():
            return "a set"
        case Ref():
            return f"the {'design' if issubclass(value.cls, Design) else 'block'}"
        case Values():
            return f"the domain {value}"
        case Unusable(why):
            return why
        case type():
            return f"the class {value.__name__}"
        case _:
            return "a tuple"


_CALLED = (
    "require",
    "bug_on",
    "warn_on",
    "sum",
    "any",
    "all",
    "min",
    "max",
    "len",
    "range",
    "set",
    "frozenset",
    "super",
)
_INSTEAD = {
    "print": "run it under pdb instead",
    "abs": "write max(x, -x)",
    "sorted": "loop over the domain",
    "reversed": "loop over the domain",
    "enumerate": "loop over the domain",
    "zip": "loop over the domain",
    "list": "use a table over a domain, or a set",
    "dict": "use a table over a domain",
    "tuple": "use a table over a domain",
    "int": "write 1 if condition else 0",
    "bool": "compare it (x > 0)",
    "range": "only a `for` runs over it",
    "isinstance": "a field's domain says what it is",
}


def _instead(name: str) -> str:
    advice = _INSTEAD.get(name)
    return f": {advice}" if advice else ": only methods, " + ", ".join(_CALLED)


_ONE_TARGET = "assign to one target at a time"
_OTHERWISE = (
    "not accepted in an action: use assignments, if, for over a domain, "
    "return, require, assert and method calls"
)
_NO_LIST = "no list: use a table over a domain, a set, or sum, any, all"
_NO_DICT = "no dict: use a table over a domain"
_NO_STRING = "no strings: name an Enum's member"
_NO_IMPORT = "import at the top of the file"
_NO_GLOBAL = "an action changes fields only: declare one with var()"
_NO_YIELD = "no `yield` yet: an action is one critical section"
_REFUSED: dict[type[ast.AST], str] = {
    ast.While: "`while` has no bound: use `for x in DOMAIN`",
    ast.For: "write `for name in DOMAIN:` (one name, no else)",
    ast.Break: "no `break`: put the loop into a helper method and return",
    ast.Continue: "no `continue`: put the rest of the body under an `if`",
    ast.Try: "no `try`: return an errno",
    ast.TryStar: "no `try`: return an errno",
    ast.With: "no `with`: an action is one critical section already",
    ast.Raise: "no `raise`: return an errno, or assert",
    ast.Lambda: "no lambda: write a helper method",
    ast.FunctionDef: "no nested function: write a helper method",
    ast.AsyncFunctionDef: "no nested function: write a helper method",
    ast.ClassDef: "no nested class: write a Block",
    ast.Delete: "no `del`: assign None, False or the empty set",
    ast.Global: _NO_GLOBAL,
    ast.Nonlocal: _NO_GLOBAL,
    ast.Import: _NO_IMPORT,
    ast.ImportFrom: _NO_IMPORT,
    ast.Match: "no `match`: use if/elif/else",
    ast.Expr: "this expression has no effect: assign it, or require() it",
    ast.List: _NO_LIST,
    ast.ListComp: _NO_LIST,
    ast.Dict: _NO_DICT,
    ast.DictComp: _NO_DICT,
    ast.JoinedStr: _NO_STRING,
    ast.NamedExpr: "assign in a statement of its own",
    ast.GeneratorExp: "only inside sum(), any() or all()",
    ast.Subscript: "only tables have an index: self.table[i] or self.table[i, j]",
    ast.Slice: "no slice: loop over the index domain",
    ast.Yield: _NO_YIELD,
    ast.YieldFrom: _NO_YIELD,
    ast.Starred: "no *: name each value",
}
