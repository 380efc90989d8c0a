# SPDX-License-Identifier: GPL-2.0-only
"""The statements of a method: both branches of an `if` are executed and
merged, loops over a domain are unrolled."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from poolproof.checker.core import ir
from poolproof.checker.core.ir import Expr
from poolproof.checker.core.limits import tick
from poolproof.checker.elaborate import operators
from poolproof.checker.elaborate.domains import sort_of, start_of
from poolproof.checker.elaborate.values import Operand
from poolproof.checker.frontend.calls import CallEvaluator, outcome
from poolproof.checker.frontend.closed_forms import OpenLoop
from poolproof.checker.frontend.comprehensions import Comprehensions
from poolproof.checker.frontend.cursor import (
    Cursor,
    Flow,
    Ref,
    Store,
    Unusable,
    Value,
    Written,
    merge_vars,
)
from poolproof.checker.frontend.expressions import Expressions, arithmetic
from poolproof.checker.frontend.names import read
from poolproof.checker.frontend.refusals import (
    DELEGATE,
    NO_YIELD_HERE,
    ONE_TARGET,
    RECEIVE,
    REFUSED,
    YIELD_LABEL,
    refused,
)
from poolproof.checker.frontend.yields import Activation, Yields
from poolproof.model.language import Slot

Target = tuple[str, Slot | None, tuple[Expr, ...]]
"""(local, None, ()) or (field, slot, index)."""


@dataclass
class Statements:
    """Executes statements."""

    expressions: Expressions
    yields: Yields | None = None
    """Where an action that yields stops and goes on; None of any other method."""

    def __post_init__(self) -> None:
        self.names = self.expressions.names
        self.calls = CallEvaluator(self.expressions, self.block)
        self.comprehensions = Comprehensions(self.calls)

    # -- control --

    def block(self, cursor: Cursor, body: Sequence[ast.stmt]) -> Flow:
        """Execute statements one after the other."""
        flow = Flow(ir.TRUE, cursor.store)
        start = self.yields.first() if self.yields else 0
        for number in range(start, len(body)):

            def then(here: Cursor, number: int = number) -> Flow:
                if self.yields is None:
                    return self.statement(here, body[number])
                with self.yields.at(number):
                    return self.statement(here, body[number])

            follow(flow, cursor, then)
            if flow.live is ir.FALSE:
                break
        return flow

    def statement(self, cursor: Cursor, node: ast.stmt) -> Flow:
        """Execute one statement."""
        tick(20)
        value = getattr(node, "value", None)
        if isinstance(value, ast.Yield | ast.YieldFrom):
            return self.yielding(cursor, node, value)
        match node:
            case ast.Return(value):
                return self.leave(cursor, value)
            case ast.If():
                return self.branch(cursor, node)
            case ast.For(ast.Name(name), over, body, []):
                return self.loop(cursor, name, over, body)
        self.simple(cursor, node)
        return Flow(ir.TRUE, cursor.store)

    def leave(self, cursor: Cursor, value: ast.expr | None) -> Flow:
        result = None if value is None else self.expressions.expr(cursor, value)
        store = cursor.store
        return Flow(ir.FALSE, store, ir.TRUE, store.vars, result)

    def loop(
        self, cursor: Cursor, name: str, over: ast.expr, body: list[ast.stmt]
    ) -> Flow:
        if self.yields is not None:
            return self.yielding_loop(cursor, self.yields, name, over, body)
        flow = Flow(ir.TRUE, cursor.store)
        domain = self.comprehensions.over(cursor, over)
        if isinstance(domain, ir.OpenDomain):

            def turn(here: Cursor) -> Flow:
                return self.block(here, body)

            OpenLoop(cursor, name, domain, over, turn).run()
            return flow
        for item in self.comprehensions.elements(cursor, over, domain):

            def once(here: Cursor, item: Value = item) -> Flow:
                here.store.locals[name] = item
                return self.block(here, body)

            follow(flow, cursor, once)
            if flow.live is ir.FALSE:
                break
        return flow

    def yielding_loop(
        self,
        cursor: Cursor,
        yields: Yields,
        name: str,
        over: ast.expr,
        body: list[ast.stmt],
    ) -> Flow:
        """Return what `loop` does, without the rounds before the one in which the part
        begins."""
        flow = Flow(ir.TRUE, cursor.store)
        way, yields.way = yields.way, None
        items = self.comprehensions.elements(cursor, over)
        yields.way = way
        loops = yields.stack[-1].loops
        around = loops.get(name)
        for number in range(yields.first(), len(items)):

            def once(here: Cursor, number: int = number) -> Flow:
                if yields.way is None:
                    here.store.locals[name] = items[number]
                loops[name] = items[number]
                with yields.at(number):
                    return self.block(here, body)

            follow(flow, cursor, once)
            if flow.live is ir.FALSE:
                break
        loops.pop(name, None)
        if around is not None:
            loops[name] = around
        return flow

    def branch(self, cursor: Cursor, node: ast.If) -> Flow:
        yields = self.yields
        if yields is not None and yields.way:
            return self.arm(cursor, node, not yields.first())
        c = self.expressions.condition(cursor, node.test)
        cursor.fork(node, c)
        if c.is_const:
            return self.arm(cursor, node, bool(c.data))
        then = self.arm(cursor.apart().under(c), node, True)
        other = self.arm(cursor.apart().under(ir.not_(c)), node, False)
        flow = Flow(ir.ite(c, then.live, other.live), cursor.store)
        out_then = ir.and_(c, then.returned)
        flow.returned = ir.or_(out_then, ir.and_(ir.not_(c), other.returned))
        if then.returned is ir.FALSE:
            flow.at_return, flow.value = other.at_return, other.value
        elif other.returned is ir.FALSE:
            flow.at_return, flow.value = then.at_return, then.value
        else:
            flow.at_return = merge_vars(c, then.at_return, other.at_return)
            flow.value = cursor.either(c, then.value, other.value)
        if then.live is ir.FALSE:
            flow.store = other.store
        elif other.live is ir.FALSE:
            flow.store = then.store
        else:
            flow.store = _merged(cursor, c, then.store, other.store)
        return flow

    def arm(self, cursor: Cursor, node: ast.If, truth: bool) -> Flow:
        body = node.body if truth else node.orelse
        if self.yields is None:
            return self.block(cursor, body)
        with self.yields.at(int(not truth)):
            return self.block(cursor, body)

    # -- where an action stops and goes on --

    def yielding(
        self, cursor: Cursor, node: ast.stmt, value: ast.Yield | ast.YieldFrom
    ) -> Flow:
        """Execute a statement whose right side yields."""
        at = cursor.at(value)
        if self.yields is None:
            raise at.mistake(NO_YIELD_HERE)
        match node:
            case ast.Expr() | ast.Return() | ast.Assign([_]) | ast.AnnAssign():
                pass
            case _:
                raise cursor.at(node).mistake(refused(value))
        if isinstance(value, ast.Yield):
            return self.halt(cursor, node, value, self.yields)
        finished, result = self.delegate(cursor, value, self.yields)
        if finished is ir.FALSE or isinstance(node, ast.Expr):
            return Flow(finished, cursor.store)
        here = cursor.under(finished)
        if isinstance(node, ast.Return):
            store = here.store
            return Flow(ir.FALSE, store, finished, store.vars, result)
        target = node.targets[0] if isinstance(node, ast.Assign) else node.target
        put(here, self.target(here, target), result, here.at(target, shows=value))
        return Flow(finished, here.store)

    def halt(
        self, cursor: Cursor, node: ast.stmt, value: ast.Yield, yields: Yields
    ) -> Flow:
        """Execute ``yield``, ``yield "label"`` or ``name: DOMAIN = yield``."""
        label = self.label(cursor, value.value)
        received = None
        match node:
            case ast.Expr():
                pass
            case ast.AnnAssign(ast.Name(name), annotation):
                received = name, annotation
            case _:
                raise cursor.at(node).mistake(RECEIVE)
        if yields.arrived():
            return Flow(ir.TRUE, cursor.store)
        yields.suspend(cursor, value, label, received)
        return Flow(ir.FALSE, cursor.store)

    def label(self, cursor: Cursor, node: ast.expr | None) -> str:
        """Return the text after `yield`, or of the block's attribute there."""
        match node:
            case None:
                return ""
            case ast.Constant(str(text)):
                return text
            case ast.Attribute(target, name):
                owner = self.expressions.expr(cursor, target)
                if isinstance(owner, Ref):
                    text = self.names.part(cursor.at(node), owner, name)
                    if isinstance(text, str):
                        return text
        raise cursor.at(node).mistake(YIELD_LABEL)

    def delegate(
        self, cursor: Cursor, node: ast.YieldFrom, yields: Yields
    ) -> tuple[Expr, Value]:
        """Execute ``yield from self.method(...)``: return under which condition it
        returns in this part, and what."""
        if not isinstance(node.value, ast.Call):
            raise cursor.at(node).mistake(DELEGATE)
        yields.stack[-1].locals, yields.stack[-1].node = cursor.store.locals, node
        if yields.way is None:
            frame, arguments = self.calls.frame(cursor, node.value, delegated=True)
            inner = Activation(frame, arguments)
        else:
            before = yields.resumed[len(yields.stack)]
            inner = Activation(before.frame, before.locals)
        yields.stack.append(inner)
        flow = self.calls.run(cursor, inner.frame, inner.locals)
        yields.stack.pop()
        cursor.store.vars, value = outcome(inner.frame, flow)
        return ir.or_(flow.live, flow.returned), value

    # -- statements that end where they began --

    def simple(self, cursor: Cursor, node: ast.stmt) -> None:
        """Execute a statement that does not decide where control goes."""
        at = cursor.at(node)
        match node:
            case ast.Expr(ast.Constant(str())) | ast.Pass():
                pass
            case ast.Expr(ast.Call() as call):
                self.expressions.expr(cursor, call)
            case ast.Assign([target], value):
                self.assign(cursor, target, value)
            case ast.AnnAssign(target, _, value, _) if value is not None:
                self.assign(cursor, target, value)
            case ast.AnnAssign():
                raise at.mistake("give the variable a value")
            case ast.AugAssign():
                self.augment(cursor, node)
            case ast.Assert(ast.Tuple(), _):
                raise at.mistake(
                    "a tuple is always true: write assert condition, message"
                )
            case ast.Assert(test, _):
                truth = self.expressions.condition(cursor, test)
                at.due("assert", truth, f"assert {ast.unparse(test)}")
            case ast.Assign():
                raise at.mistake(ONE_TARGET)
            case ast.Expr(value) if type(value) in REFUSED:
                raise cursor.at(value).mistake(refused(value))
            case _:
                raise at.mistake(refused(node))

    def assign(self, cursor: Cursor, target: ast.expr, node: ast.expr) -> None:
        value = self.expressions.expr(cursor, node)
        place = self.target(cursor, target)
        put(cursor, place, value, cursor.at(target, shows=node))

    def augment(self, cursor: Cursor, node: ast.AugAssign) -> None:
        at = cursor.at(node)
        name, slot, index = place = self.target(cursor, node.target)
        if slot is None:
            old = self.names.name(cursor, node.target, name)
        else:
            old = read(cursor, slot, index)
        new = self.expressions.expr(cursor, node.value)
        value = arithmetic(
            at,
            node.op,
            Operand(old, cursor.at(node, shows=node.target)),
            Operand(new, cursor.at(node, shows=node.value)),
        )
        put(cursor, place, value, cursor.at(node.target, shows=node))

    def target(self, cursor: Cursor, node: ast.expr) -> Target:
        """Return what is assigned to."""
        at = cursor.at(node)
        match node:
            case ast.Name(name):
                return name, None, ()
            case ast.Attribute(owner, name):
                slot = self.names.slot(at, self.expressions.expr(cursor, owner), name)
                if slot.index:
                    raise at.mistake(
                        f"{slot.name} is a table: assign to {name}[...] entry by entry"
                    )
                return slot.name, slot, ()
            case ast.Subscript(ast.Attribute()):
                slot, index = self.expressions.cell(cursor, node)
                return slot.name, slot, index
            case ast.Tuple() | ast.List() | ast.Starred():
                raise at.mistake(ONE_TARGET)
        raise at.mistake("only locals, self.field and self.table[index] are assigned")


def follow(flow: Flow, cursor: Cursor, then: Callable[[Cursor], Flow]) -> None:
    """Continue ``flow``, which began at the cursor, with what ``then`` does
    where it is live."""
    here = Cursor(
        cursor.effects, cursor.frame, flow.store, ir.and_(cursor.pc, flow.live)
    )
    nxt = then(here)
    out = ir.and_(flow.live, nxt.returned)
    if out is not ir.FALSE:
        if flow.returned is ir.FALSE:
            flow.at_return, flow.value = nxt.at_return, nxt.value
        else:
            flow.at_return = merge_vars(flow.returned, flow.at_return, nxt.at_return)
            flow.value = cursor.either(flow.returned, flow.value, nxt.value)
        flow.returned = ir.or_(flow.returned, out)
    flow.live = ir.and_(flow.live, nxt.live)
    flow.store = nxt.store


def put(cursor: Cursor, target: Target, value: Value, at: Written) -> None:
    """Assign a value to a local or a field."""
    name, slot, index = target
    if slot is None:
        if value is None:
            raise at.mistake("this call returns nothing to assign")
        cursor.store.locals[name] = value
        return
    e = operators.coerce(Operand(value), sort_of(slot.values), at)
    if slot.values.bits is not None:
        e = ir.mod(e, ir.num(1 << slot.values.bits))
    if slot.off:
        same = ir.eq(e, start_of(slot))
        message = f"{slot.name} is off and cannot change"
        if same is ir.FALSE and at.reached:
            raise at.mistake(f"{message}: write it under `if FEATURE:`")
        at.due("assert", same, message)
        return
    now = cursor.store.vars[slot.name]
    cursor.store.vars[slot.name] = ir.store(now, *index, e) if index else e


def _merged(cursor: Cursor, c: Expr, a: Store, b: Store) -> Store:
    unbound = Unusable("a value on some paths only: give it one before the `if`")
    merged = {
        name: cursor.either(c, a.locals.get(name, unbound), b.locals.get(name, unbound))
        for name in dict.fromkeys((*a.locals, *b.locals))
    }
    return Store(merge_vars(c, a.vars, b.vars), merged)
