"""A method's text to expressions: the accepted subset, by symbolic execution.

Both branches of an `if` are executed and merged with if-then-else; loops over
a domain are unrolled; helper methods are inlined. Everything is expressed
over the state before the action. What is not listed here is refused, at the
user's own line and column, with what to write instead.
"""

from __future__ import annotations

import ast
import difflib
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import FunctionType
from typing import Any

from checker import ir
from checker.diagnostic import Mistake
from checker.ir import Expr
from checker.source import method_tree, span_of
from checker.system import Obligation, Variable
from model.language import (
    ANY,
    Arithmetic,
    Binding,
    Block,
    Bound,
    Design,
    Domain,
    Feature,
    Field,
    Values,
    members,
    require,
)

# --- values that are no expressions yet -----------------------------------


@dataclass(frozen=True)
class Ref:
    """The design itself (prefix "") or one of its blocks ("pool.")."""

    owner: Any
    cls: type
    prefix: str


@dataclass(frozen=True)
class Pending:
    """None, or a set display: its sort comes from where it is used."""

    kind: str
    elements: tuple[Expr, ...] = ()


@dataclass(frozen=True)
class Unbound:
    """A local that only some paths bind."""

    name: str


@dataclass(frozen=True)
class Tuple:
    """(a, b): only on the right of `in`."""

    items: tuple[Any, ...]


Value = Any  # Expr, Ref, Pending, Unbound, Tuple, Values, an Enum class, None


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
    if not (isinstance(values.lo, int) and isinstance(values.hi, int)):
        raise Mistake(None, f"{values} is no finite domain: give it both ends")
    return ir.Domain(sort_of(values), values.lo, values.hi, name or values.name)


def size_expr(value: Any) -> Expr:
    """An int, or arithmetic over symbolic bounds, as an expression."""
    match value:
        case Bound(name=name):
            return ir.param(name)
        case Arithmetic(op, left, right):
            build = {"+": ir.add, "-": ir.sub, "*": ir.mul}[op]
            return build(size_expr(left), size_expr(right))
        case _:
            return ir.num(value)


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
    defined_in: type


@dataclass
class Translation:
    """One method being translated, with what it collects."""

    binding: Binding
    variables: Mapping[str, Variable]
    fresh: Iterator[int]
    guards: list[Expr] = field(default_factory=list)
    obligations: list[tuple[int, Obligation]] = field(default_factory=list)
    """Each with the number of guards that came before it."""
    stack: list[FunctionType] = field(default_factory=list)
    may_require: bool = True

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
        if function in self.stack:
            raise self.mistake(site, f"{function.__name__} calls itself")
        file, tree = method_tree(function)
        frame = Frame(this, function, file, _defining(this.cls, function))
        self.stack.append(function)
        store = Store(dict(variables), dict(arguments))
        flow = self.block(frame, tree.body, store, pc)
        self.stack.pop()
        if flow.returned is ir.FALSE:
            return flow.store.vars, None
        if flow.live is ir.FALSE:
            return flow.at_return, flow.value
        if flow.value is not None:
            raise Mistake(
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

    def follow(
        self, flow: Flow, then: Callable[[Store, Expr], Flow], pc: Expr
    ) -> None:
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
                flow.value = self.choose(None, flow.returned, flow.value, nxt.value)
            flow.returned = ir.or_(flow.returned, out)
        flow.live = ir.and_(flow.live, nxt.live)
        flow.store = nxt.store

    def statement(
        self, frame: Frame, node: ast.stmt, store: Store, pc: Expr
    ) -> Flow:
        at = (frame, node)
        match node:
            case ast.Expr(ast.Constant(str())) | ast.Pass():
                pass
            case ast.Expr(ast.Call() as call):
                self.expr(frame, call, store, pc)
            case ast.Assign([target], value):
                self.assign(frame, target, self.expr(frame, value, store, pc), store,
                            pc)  # fmt: skip
            case ast.AnnAssign(target, _, value, _) if value is not None:
                self.assign(frame, target, self.expr(frame, value, store, pc), store,
                            pc)  # fmt: skip
            case ast.AugAssign(target, op, value):
                load = ast.copy_location(_as_load(target), target)
                both = ast.copy_location(ast.BinOp(load, op, value), node)
                self.assign(frame, target, self.expr(frame, both, store, pc), store,
                            pc)  # fmt: skip
            case ast.Return(value):
                result = None if value is None else self.expr(frame, value, store, pc)
                return Flow(ir.FALSE, store, ir.TRUE, store.vars, result)
            case ast.Assert(test, _):
                truth = self.boolean(frame, test, store, pc)
                self.oblige("assert", pc, truth, f"assert {ast.unparse(test)}", at)
            case ast.If(test, body, orelse):
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
            case ast.Delete() | ast.Global() | ast.Nonlocal() | ast.Import():
                raise self.mistake(at, f"`{_keyword(node)}` has no place in an action")
            case ast.Assign():
                raise self.mistake(at, "assign to one target at a time")
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
            flow.value = self.choose((frame, node), c, then.value, other.value)
        if then.live is ir.FALSE:
            flow.store = other.store
        elif other.live is ir.FALSE:
            flow.store = then.store
        else:
            flow.store = self.merge(frame, node, c, then.store, other.store)
        return flow

    def merge(
        self, frame: Frame, node: ast.AST, c: Expr, a: Store, b: Store
    ) -> Store:
        names = dict.fromkeys((*a.locals, *b.locals))
        merged: dict[str, Value] = {}
        for name in names:
            if name not in a.locals or name not in b.locals:
                merged[name] = Unbound(name)
                continue
            x, y = a.locals[name], b.locals[name]
            if isinstance(x, Unbound) or isinstance(y, Unbound):
                merged[name] = Unbound(name)
            else:
                merged[name] = self.choose((frame, node), c, x, y)
        return Store(_merge_vars(c, a.vars, b.vars), merged)

    def choose(
        self, at: tuple[Frame, ast.AST] | None, c: Expr, a: Value, b: Value
    ) -> Value:
        """The value that is ``a`` where c holds, else ``b``."""
        if a is b or (not isinstance(a, Expr) and not isinstance(b, Expr) and a == b):
            return a
        if isinstance(a, Pending) and isinstance(b, Expr):
            a = self.settle(at, a, b.sort)
        if isinstance(b, Pending) and isinstance(a, Expr):
            b = self.settle(at, b, a.sort)
        if isinstance(a, Expr) and isinstance(b, Expr) and a.sort is b.sort:
            return ir.ite(c, a, b)
        if isinstance(a, Pending) and isinstance(b, Pending):
            raise self.mistake(at, "give the variable a value with a sort first")
        raise self.mistake(
            at, f"one path gives {_describe(a)}, the other {_describe(b)}"
        )

    # -- assignment --

    def assign(
        self, frame: Frame, target: ast.expr, value: Value, store: Store, pc: Expr
    ) -> None:
        at = (frame, target)
        match target:
            case ast.Name(name):
                store.locals[name] = value
            case ast.Attribute(owner, name):
                ref = self.expr(frame, owner, store, pc)
                field_, full = self.field(at, ref, name)
                if field_.index:
                    raise self.mistake(
                        at, f"{full} is a table: assign to {name}[...] entry by entry"
                    )
                self.write(at, full, field_, (), value, store, pc)
            case ast.Subscript(ast.Attribute(owner, name), index):
                ref = self.expr(frame, owner, store, pc)
                field_, full = self.field(at, ref, name)
                if not field_.index:
                    raise self.mistake(at, f"{full} is no table")
                where = self.indices(frame, full, field_, index, store, pc)
                self.write(at, full, field_, where, value, store, pc)
            case ast.Tuple() | ast.List() | ast.Starred():
                raise self.mistake(at, "assign to one target at a time")
            case _:
                raise self.mistake(
                    at, "only locals, self.field and self.table[index] are assigned"
                )

    def write(
        self,
        at: tuple[Frame, ast.AST],
        full: str,
        field_: Field,
        index: tuple[Expr, ...],
        value: Value,
        store: Store,
        pc: Expr,
    ) -> None:
        values = self.binding.values(field_.domain)
        expr = self.settle(at, value, sort_of(values))
        if values.bits is not None:
            expr = ir.mod(expr, ir.num(1 << values.bits))
        if full not in self.variables:
            same = ir.eq(expr, self.initial(field_, values))
            self.oblige("assert", pc, same, f"{full} is off and cannot change", at)
            return
        now = store.vars[full]
        store.vars[full] = ir.store(now, *index, expr) if index else expr

    # -- expressions --

    def boolean(self, frame: Frame, node: ast.expr, store: Store, pc: Expr) -> Expr:
        value = self.expr(frame, node, store, pc)
        if isinstance(value, Expr) and value.sort is ir.BOOL:
            return value
        raise self.mistake(
            (frame, node),
            f"`{ast.unparse(node)}` is {_describe(value)}, and a condition is "
            "needed: compare it (x > 0, x is not None, len(s) > 0)",
        )

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
        match node:
            case ast.Constant(value):
                if value is None or isinstance(value, bool | int):
                    return self.static(at, value)
                raise self.mistake(at, f"{value!r}: only numbers, True, False, None")
            case ast.Name(name):
                return self.name(frame, node, name, store)
            case ast.Attribute(owner, name):
                return self.attribute(
                    at, self.expr(frame, owner, store, pc), name, store
                )
            case ast.Subscript(ast.Attribute(owner, name), index):
                ref = self.expr(frame, owner, store, pc)
                field_, full = self.field(at, ref, name)
                if not field_.index:
                    raise self.mistake(at, f"{full} is no table")
                where = self.indices(frame, full, field_, index, store, pc)
                if full not in self.variables:
                    values = self.binding.values(field_.domain)
                    return self.initial(field_, values)
                return ir.select(store.vars[full], *where)
            case ast.BoolOp(op, operands):
                return self.junction(frame, op, operands, store, pc)
            case ast.UnaryOp(ast.Not(), operand):
                return ir.not_(self.boolean(frame, operand, store, pc))
            case ast.UnaryOp(ast.USub(), operand):
                return ir.neg(self.integer(frame, operand, store, pc))
            case ast.BinOp(left, op, right):
                return self.arithmetic(
                    at, op, self.expr(frame, left, store, pc),
                    self.expr(frame, right, store, pc),
                )  # fmt: skip
            case ast.Compare(left, ops, rights):
                return self.comparison(frame, left, ops, rights, store, pc)
            case ast.IfExp(test, yes, no):
                c = self.boolean(frame, test, store, pc)
                if c.is_const:
                    return self.expr(frame, yes if c.data else no, store, pc)
                a = self.pure(frame, yes, store, ir.and_(pc, c))
                b = self.pure(frame, no, store, ir.and_(pc, ir.not_(c)))
                return self.choose(at, c, a, b)
            case ast.Call():
                return self.calling(frame, node, store, pc)
            case ast.Set(elements):
                items = [self.expr(frame, e, store, pc) for e in elements]
                return Pending("set", tuple(self.settle(at, i, None) for i in items))
            case ast.SetComp(element, generators):
                return self.set_comprehension(frame, node, store, pc)
            case ast.Tuple(items):
                return Tuple(tuple(self.expr(frame, i, store, pc) for i in items))
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
        self, frame: Frame, op: ast.boolop, operands: list[ast.expr], store: Store,
        pc: Expr,
    ) -> Expr:  # fmt: skip
        conjunction = isinstance(op, ast.And)
        result = ir.boolean(conjunction)
        for k, operand in enumerate(operands):
            reach = ir.and_(pc, result if conjunction else ir.not_(result))
            if k and result.is_const and bool(result.data) != conjunction:
                break
            value = (self.expr if k == 0 else self.pure)(frame, operand, store, reach)
            if not (isinstance(value, Expr) and value.sort is ir.BOOL):
                raise self.mistake(
                    (frame, operand),
                    f"`{ast.unparse(operand)}` is {_describe(value)}, "
                    "and a condition is needed",
                )
            result = (ir.and_ if conjunction else ir.or_)(result, value)
        return result

    def arithmetic(
        self, at: tuple[Frame, ast.AST], op: ast.operator, a: Value, b: Value
    ) -> Expr:
        sets = [x for x in (a, b) if isinstance(x, Pending) and x.kind == "set"]
        typed = [x for x in (a, b)
                 if isinstance(x, Expr) and isinstance(x.sort, ir.SetSort)]  # fmt: skip
        if sets or typed:
            sort = typed[0].sort if typed else None
            a, b = self.settle(at, a, sort), self.settle(at, b, sort)
            build = {ast.BitOr: ir.union, ast.BitAnd: ir.inter, ast.Sub: ir.diff}
            if type(op) in build and a.sort is b.sort:
                return build[type(op)](a, b)
            raise self.mistake(at, "sets have |, & and -")
        if not all(isinstance(x, Expr) and x.sort is ir.INT for x in (a, b)):
            bools = all(isinstance(x, Expr) and x.sort is ir.BOOL for x in (a, b))
            if bools and isinstance(op, ast.BitAnd | ast.BitOr):
                word = "and" if isinstance(op, ast.BitAnd) else "or"
                raise self.mistake(at, f"write `{word}`")
            raise self.mistake(
                at, f"{_describe(a)} and {_describe(b)}: numbers are needed here"
            )
        plain = {ast.Add: ir.add, ast.Sub: ir.sub, ast.Mult: ir.mul}
        if type(op) in plain:
            return plain[type(op)](a, b)
        if isinstance(op, ast.FloorDiv | ast.Mod):
            if not (b.is_const and b.data > 0):
                raise self.mistake(at, "divide by a positive constant only")
            return (ir.div if isinstance(op, ast.FloorDiv) else ir.mod)(a, b)
        raise self.mistake(at, "only +, -, *, // and % on numbers")

    def comparison(
        self, frame: Frame, left: ast.expr, ops: list[ast.cmpop],
        rights: list[ast.expr], store: Store, pc: Expr,
    ) -> Expr:  # fmt: skip
        a = self.expr(frame, left, store, pc)
        result = ir.TRUE
        for k, (op, right) in enumerate(zip(ops, rights, strict=True)):
            reach = ir.and_(pc, result)
            b = (self.expr if k == 0 else self.pure)(frame, right, store, reach)
            result = ir.and_(result, self.compare((frame, right), op, a, b))
            a = b
        return result

    def compare(
        self, at: tuple[Frame, ast.AST], op: ast.cmpop, a: Value, b: Value
    ) -> Expr:
        match op:
            case ast.Eq() | ast.Is():
                return self.equal(at, a, b)
            case ast.NotEq() | ast.IsNot():
                return ir.not_(self.equal(at, a, b))
            case ast.In():
                return self.within(at, a, b)
            case ast.NotIn():
                return ir.not_(self.within(at, a, b))
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
        raise self.mistake(at, f"{_describe(a)} and {_describe(b)} have no order")

    def equal(self, at: tuple[Frame, ast.AST], a: Value, b: Value) -> Expr:
        if isinstance(a, Pending) and isinstance(b, Pending):
            if a.kind == b.kind == "none":
                return ir.TRUE
        elif isinstance(a, Pending) and isinstance(b, Expr):
            a = self.settle(at, a, b.sort)
        elif isinstance(b, Pending) and isinstance(a, Expr):
            b = self.settle(at, b, a.sort)
        if isinstance(a, Expr) and isinstance(b, Expr) and a.sort is b.sort:
            return ir.eq(a, b)
        raise self.mistake(
            at, f"{_describe(a)} is compared with {_describe(b)}: not the same sort"
        )

    def within(self, at: tuple[Frame, ast.AST], a: Value, b: Value) -> Expr:
        match b:
            case Tuple(items):
                return ir.or_(*(self.equal(at, a, i) for i in items))
            case Pending(kind="set", elements=elements):
                return ir.or_(*(self.equal(at, a, e) for e in elements))
            case Values():
                domain = domain_of(b)
                return _inside(self.settle(at, a, domain.sort), domain)
            case Expr() if isinstance(b.sort, ir.SetSort):
                return ir.member(self.settle(at, a, b.sort.domain.sort), b)
        raise self.mistake(at, f"{_describe(b)} is no set: `in` needs one")

    # -- names and attributes --

    def name(self, frame: Frame, node: ast.AST, name: str, store: Store) -> Value:
        at = (frame, node)
        if name in store.locals:
            value = store.locals[name]
            if isinstance(value, Unbound):
                raise self.mistake(
                    at,
                    f"{name!r} has a value on some paths only: "
                    "give it one before the `if`",
                )
            return value
        if name == inspect.getfullargspec(frame.function).args[0]:
            return frame.this
        scope = frame.function.__globals__
        if name in scope:
            return self.static(at, scope[name])
        if name in _BUILTINS:
            raise self.mistake(at, f"{name!r} can only be called")
        raise self.mistake(
            at, f"no {name!r} here" + _nearest(name, [*store.locals, *scope])
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
                return self.binding.values(value)
            case Bound() | Arithmetic():
                return size_expr(self.binding.size(value))
            case Feature():
                return ir.boolean(self.binding.on(value))
            case frozenset() | set() if not value:
                return Pending("set")
            case type() if issubclass(value, Enum):
                return value
            case Ref() | Values() | Expr() | Pending():
                return value
        raise self.mistake(
            at,
            f"{value!r} cannot be used in an action: name a domain, a bound, "
            "a feature, an Enum or a number",
        )

    def attribute(
        self, at: tuple[Frame, ast.AST], owner: Value, name: str, store: Store
    ) -> Value:
        if isinstance(owner, type) and issubclass(owner, Enum):
            if name in owner.__members__:
                return self.static(at, owner[name])
            raise self.mistake(
                at, f"{owner.__name__} has no {name!r}" + _nearest(name, owner.__members__)
            )
        if not isinstance(owner, Ref):
            raise self.mistake(at, f"{_describe(owner)} has no attribute {name!r}")
        part = self.part(at, owner, name)
        if isinstance(part, Field):
            full = owner.prefix + name
            if part.index:
                raise self.mistake(at, f"{full} is a table: read {name}[...]")
            if full not in self.variables:
                return self.initial(part, self.binding.values(part.domain))
            return store.vars[full]
        if isinstance(part, Block):
            return Ref(part, type(part), f"{owner.prefix}{name}.")
        if isinstance(part, FunctionType):
            raise self.mistake(at, f"{name} is a method: call it")
        return self.static(at, part)

    def part(self, at: tuple[Frame, ast.AST], ref: Ref, name: str) -> Any:
        parts = members(ref.owner)
        if name not in parts:
            known = [n for n in parts if not n.startswith("_")]
            raise self.mistake(
                at, f"{ref.cls.__name__} has no {name!r}" + _nearest(name, known)
            )
        return parts[name]

    def field(
        self, at: tuple[Frame, ast.AST], ref: Value, name: str
    ) -> tuple[Field, str]:
        if not isinstance(ref, Ref):
            raise self.mistake(at, f"{_describe(ref)} has no field {name!r}")
        part = self.part(at, ref, name)
        if not isinstance(part, Field):
            raise self.mistake(
                at, f"{name} is no field of {ref.cls.__name__}: declare it with var() "
                "or table()",
            )  # fmt: skip
        return part, ref.prefix + name

    def indices(
        self, frame: Frame, full: str, field_: Field, node: ast.expr, store: Store,
        pc: Expr,
    ) -> tuple[Expr, ...]:  # fmt: skip
        nodes = list(node.elts) if isinstance(node, ast.Tuple) else [node]
        at = (frame, node)
        if len(nodes) != len(field_.index):
            raise self.mistake(
                at, f"{full} takes {len(field_.index)} indices, not {len(nodes)}"
            )
        found = []
        for n, over in zip(nodes, field_.index, strict=True):
            domain = domain_of(self.binding.values(over))
            value = self.expr(frame, n, store, pc)
            index = self.settle((frame, n), value, domain.sort)
            self.check_index((frame, n), full, index, domain, pc)
            found.append(index)
        return tuple(found)

    def check_index(
        self, at: tuple[Frame, ast.AST], full: str, index: Expr, domain: ir.Domain,
        pc: Expr,
    ) -> None:  # fmt: skip
        lo, hi = self.interval(index)
        if lo is not None and hi is not None and domain.lo <= lo and hi <= domain.hi:
            return
        shown = domain.name or str(domain.sort)
        inside = _inside(index, domain)
        if inside is ir.FALSE and pc is ir.TRUE:
            raise self.mistake(
                at, f"{ir.show(index)} is no index of {full}: it is over {shown} "
                f"({ir.show_raw(domain.sort, domain.lo)}.."
                f"{ir.show_raw(domain.sort, domain.hi)})",
            )  # fmt: skip
        self.oblige("index", pc, inside, f"{full}[{ast.unparse(at[1])}]: "
                    f"the index leaves {shown}", at)  # fmt: skip

    def interval(self, e: Expr) -> tuple[int | None, int | None]:
        """`ir.interval`, with declared ranges: every state that is explored
        keeps them, since leaving one is an obligation of its own."""
        node = e.args[0] if e.op == "select" else e
        if node.op == "var" and node.data[0] in self.variables:
            v = self.variables[node.data[0]]
            return (
                v.lo.data if v.lo is not None and v.lo.is_const else None,
                v.hi.data if v.hi is not None and v.hi.is_const else None,
            )
        if e.op == "ite":
            (alo, ahi), (blo, bhi) = (self.interval(a) for a in e.args[1:])
            if None not in (alo, ahi, blo, bhi):
                return min(alo, blo), max(ahi, bhi)  # type: ignore[type-var]
        return ir.interval(e)

    def initial(self, field_: Field, values: Values) -> Expr:
        """The constant that a field reads as where its feature is off."""
        init = field_.default(values)
        init = values.python(values.lo) if init is ANY else self.binding.size(init)
        if isinstance(init, Bound | Arithmetic):
            return size_expr(init)
        return ir.const(sort_of(values), values.raw(init))

    # -- calls --

    def calling(
        self, frame: Frame, node: ast.Call, store: Store, pc: Expr
    ) -> Value:
        at = (frame, node)
        match node.func:
            case ast.Name(name) if name not in store.locals:
                target = frame.function.__globals__.get(name)
                if target is require:
                    return self.requirement(frame, node, store, pc)
                if name in ("sum", "any", "all") and target is None:
                    return self.aggregate(frame, node, name, store, pc)
                if name in ("min", "max") and target is None:
                    return self.extremum(frame, node, name, store, pc)
                if name in ("len", "frozenset", "set") and target is None:
                    return self.set_call(frame, node, name, store, pc)
                raise self.mistake(
                    at,
                    f"{name}() cannot be called in an action: only methods, "
                    "require, sum, any, all, min, max and len",
                )
            case ast.Attribute(ast.Call(ast.Name("super"), [], []), name):
                mro = frame.this.cls.__mro__
                rest = mro[mro.index(frame.defined_in) + 1 :]
                owner = frame.this
                function = next((vars(c)[name] for c in rest if name in vars(c)), None)
            case ast.Attribute(target_node, name):
                found = self.expr(frame, target_node, store, pc)
                if not isinstance(found, Ref):
                    raise self.mistake(at, f"{_describe(found)} has no method {name!r}")
                owner, function = found, self.part(at, found, name)
            case _:
                raise self.mistake(at, "only methods of self and of its blocks")
        if not isinstance(function, FunctionType):
            raise self.mistake(at, f"{name!r} is no method of {owner.cls.__name__}")
        arguments = self.arguments(frame, node, owner, function, store, pc)
        store.vars, value = self.call(owner, function, arguments, store.vars, pc, at)
        return value

    def arguments(
        self, frame: Frame, node: ast.Call, owner: Ref, function: FunctionType,
        store: Store, pc: Expr,
    ) -> dict[str, Value]:  # fmt: skip
        at = (frame, node)
        given = [self.expr(frame, a, store, pc) for a in node.args]
        named = {}
        for keyword in node.keywords:
            if keyword.arg is None:
                raise self.mistake(at, "name each argument: ** is not accepted")
            named[keyword.arg] = self.expr(frame, keyword.value, store, pc)
        signature = inspect.signature(function)
        try:
            bound = signature.bind(owner, *given, **named)
        except TypeError as e:
            raise self.mistake(at, f"{function.__name__}: {e}") from None
        values = dict(list(bound.arguments.items())[1:])
        for p in list(signature.parameters.values())[1:]:
            if p.name not in values:
                values[p.name] = self.static(at, p.default)
        return values

    def requirement(
        self, frame: Frame, node: ast.Call, store: Store, pc: Expr
    ) -> None:
        at = (frame, node)
        if not self.may_require:
            raise self.mistake(at, "require() has its place in actions only")
        if len(node.args) != 1 or node.keywords:
            raise self.mistake(at, "require(condition) takes one condition")
        truth = self.boolean(frame, node.args[0], store, pc)
        self.guards.append(ir.implies(pc, truth))

    def extremum(
        self, frame: Frame, node: ast.Call, name: str, store: Store, pc: Expr
    ) -> Expr:
        if len(node.args) < 2 or node.keywords:
            raise self.mistake((frame, node), f"{name}(a, b) takes two or more numbers")
        build = ir.min_ if name == "min" else ir.max_
        first, *rest = (self.integer(frame, a, store, pc) for a in node.args)
        for value in rest:
            first = build(first, value)
        return first

    def set_call(
        self, frame: Frame, node: ast.Call, name: str, store: Store, pc: Expr
    ) -> Value:
        at = (frame, node)
        if name != "len" and not node.args:
            return Pending("set")
        if len(node.args) != 1 or node.keywords:
            raise self.mistake(at, f"{name}() takes one set")
        value = self.expr(frame, node.args[0], store, pc)
        if isinstance(value, Values) and name == "len":
            return ir.num(len(domain_of(value)))
        if isinstance(value, Pending) and value.kind == "set":
            value = self.settle(at, value, None)
        if not (isinstance(value, Expr) and isinstance(value.sort, ir.SetSort)):
            raise self.mistake(at, f"{_describe(value)} is no set")
        return ir.card(value) if name == "len" else value

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
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) \
                and node.func.id == "range":  # fmt: skip
            ends = [self.integer(frame, a, store, pc) for a in node.args]
            if not 1 <= len(ends) <= 2 or not all(e.is_const for e in ends):
                raise self.mistake(at, "range(n) or range(a, b) of constants")
            lo = ends[0].data if len(ends) == 2 else 0
            return ir.Domain(ir.INT, lo, ends[-1].data - 1)
        value = self.expr(frame, node, store, pc)
        if isinstance(value, Values):
            shown = node.id if isinstance(node, ast.Name) else ""
            try:
                return domain_of(value, shown)
            except Mistake as e:
                raise self.mistake(at, e.message) from None
        if isinstance(value, type) and issubclass(value, Enum):
            return domain_of(self.binding.values(value))
        if isinstance(value, Expr) and isinstance(value.sort, ir.SetSort):
            return value
        raise self.mistake(
            at, f"`{ast.unparse(node)}` is {_describe(value)}: loop over a domain"
        )

    def comprehension(
        self, frame: Frame, node: ast.AST, generators: list[ast.comprehension],
        element: ast.expr, store: Store, pc: Expr,
    ) -> tuple[list[Expr], Expr, Value]:  # fmt: skip
        """(binders, condition, element's value), obligations quantified."""
        inner = store.copy()
        binders: list[Expr] = []
        condition = ir.TRUE
        first_guard, first_due = len(self.guards), len(self.obligations)
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
            raise self.mistake((frame, node), "a sum cannot change the state")
        for k in range(first_guard, len(self.guards)):
            self.guards[k] = _for_all(binders, self.guards[k])
        for k in range(first_due, len(self.obligations)):
            count, due = self.obligations[k]
            closed = _for_all(binders, due.formula)
            self.obligations[k] = (
                count, Obligation(due.kind, closed, due.message, due.span)
            )  # fmt: skip
        return binders, condition, value

    def aggregate(
        self, frame: Frame, node: ast.Call, name: str, store: Store, pc: Expr
    ) -> Expr:
        at = (frame, node)
        if len(node.args) != 1 or not isinstance(node.args[0], ast.GeneratorExp):
            raise self.mistake(at, f"{name}(... for x in DOMAIN)")
        inner = node.args[0]
        binders, condition, value = self.comprehension(
            frame, node, inner.generators, inner.elt, store, pc
        )
        wanted = ir.INT if name == "sum" else ir.BOOL
        if name == "sum" and isinstance(value, Expr) and value.sort is ir.BOOL:
            value = ir.ite(value, ir.num(1), ir.num(0))
        if not (isinstance(value, Expr) and value.sort is wanted):
            raise self.mistake(at, f"{name} of {_describe(value)}")
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
        self, at: tuple[Frame, ast.AST] | None, value: Value, sort: ir.Sort | None
    ) -> Expr:
        """The value as an expression (of ``sort``, where one is known)."""
        match value:
            case Pending(kind="none") if isinstance(sort, ir.ScalarSort):
                return ir.const(sort, sort.size)
            case Pending(kind="none"):
                needed = f"{sort} is needed" if sort else "its sort is unknown"
                raise self.mistake(at, f"None, and {needed} here")
            case Pending(elements=elements):
                return self.set_value(at, elements, sort)
            case Expr() if sort is None or value.sort is sort:
                return value
            case Expr():
                raise self.mistake(
                    at, f"{_describe(value)}, and {sort} is needed here"
                )
        raise self.mistake(at, f"{_describe(value)} is no value")

    def set_value(
        self, at: tuple[Frame, ast.AST] | None, elements: tuple[Expr, ...],
        sort: ir.Sort | None,
    ) -> Expr:  # fmt: skip
        if sort is None:
            if not elements or not isinstance(elements[0].sort, ir.ScalarSort):
                raise self.mistake(at, "the domain of this set is not known here")
            scalar = elements[0].sort
            sort = ir.set_sort(ir.Domain(scalar, 0, scalar.size - 1, scalar.name))
        if not isinstance(sort, ir.SetSort):
            raise self.mistake(at, f"a set, and {sort} is needed here")
        result = ir.const(sort, 0)
        for e in elements:
            if e.sort is not sort.domain.sort:
                raise self.mistake(at, f"{_describe(e)} is no element of {sort}")
            result = ir.union(result, ir.single(e, sort.domain))
        return result

    def oblige(
        self, kind: str, pc: Expr, truth: Expr, message: str,
        at: tuple[Frame, ast.AST],
    ) -> None:  # fmt: skip
        formula = ir.implies(pc, truth)
        if formula is not ir.TRUE:
            span = span_of(at[0].file, at[1])
            due = Obligation(kind, formula, message, span)
            self.obligations.append((len(self.guards), due))

    def mistake(self, at: tuple[Frame, ast.AST] | None, message: str) -> Mistake:
        return Mistake(span_of(at[0].file, at[1]) if at else None, message)


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


def _merge_vars(
    c: Expr, a: dict[str, Expr], b: dict[str, Expr]
) -> dict[str, Expr]:
    return {name: ir.ite(c, a[name], b[name]) for name in a}


def _defining(cls: type, function: FunctionType) -> type:
    for base in cls.__mro__:
        if function in vars(base).values():
            return base
    return cls


def _as_load(target: ast.expr) -> ast.expr:
    match target:
        case ast.Name(name):
            return ast.Name(name, ast.Load())
        case ast.Attribute(value, name):
            return ast.Attribute(value, name, ast.Load())
        case ast.Subscript(value, index):
            return ast.Subscript(value, index, ast.Load())
    return target


def _describe(value: Value) -> str:
    match value:
        case Expr():
            article = "a" if value.sort in (ir.BOOL, ir.INT) else ""
            return f"{article} {value.sort}".strip()
        case None:
            return "nothing (the helper returns no value)"
        case Pending(kind="none"):
            return "None"
        case Pending():
            return "a set"
        case Ref():
            return f"the {'design' if issubclass(value.cls, Design) else 'block'}"
        case Values():
            return f"the domain {value}"
        case Unbound(name):
            return f"{name} (unbound)"
        case type():
            return f"the class {value.__name__}"
        case _:
            return "a tuple"


def _nearest(name: str, known: Iterable[str]) -> str:
    names = sorted({k for k in known if not k.startswith("_")})
    close = difflib.get_close_matches(name, names, 1)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; there is {', '.join(names)}" if 0 < len(names) <= 12 else ""


def _keyword(node: ast.stmt) -> str:
    return ast.unparse(node).split()[0]


_BUILTINS = frozenset(
    ("sum", "any", "all", "min", "max", "len", "range", "set", "frozenset", "super")
)
_OTHERWISE = (
    "not accepted in an action: use assignments, if, for over a domain, "
    "return, require, assert and method calls"
)
_REFUSED: dict[type[ast.AST], str] = {
    ast.While: "`while` has no bound: use `for x in DOMAIN`",
    ast.For: "write `for name in DOMAIN:` (one name, no else)",
    ast.Break: "no `break`: put the loop into a helper method and return",
    ast.Continue: "no `continue`: put the rest of the body under an `if`",
    ast.Try: "no `try`: return an errno",
    ast.With: "no `with`: an action is one critical section already",
    ast.Raise: "no `raise`: return an errno, or assert",
    ast.Lambda: "no lambda: write a helper method",
    ast.FunctionDef: "no nested function: write a helper method",
    ast.ClassDef: "no nested class",
    ast.ListComp: "no list: use sum, any, all or a set comprehension",
    ast.List: "no list: use a table over a domain",
    ast.Dict: "no dict: use a table over a domain",
    ast.DictComp: "no dict: use a table over a domain",
    ast.JoinedStr: "no strings in an action",
    ast.NamedExpr: "assign in a statement of its own",
    ast.GeneratorExp: "only inside sum(), any() or all()",
    ast.Subscript: "only tables have an index: self.table[i] or self.table[i, j]",
    ast.Yield: "yield is not accepted yet: an action is one critical section",
    ast.Await: "no await",
    ast.Starred: "no *",
    ast.Match: "no `match`: use if/elif/else",
    ast.Expr: "this expression has no effect",
}
