# SPDX-License-Identifier: GPL-2.0-only
"""Calls: of methods, which are executed in place, and of built-in functions."""

from __future__ import annotations

import ast
import builtins
import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from types import FunctionType
from typing import Any

from poolproof.checker.core import ir
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.ir import Expr
from poolproof.checker.core.source import method_tree, span_of
from poolproof.checker.core.system import Assumption
from poolproof.checker.elaborate import operators
from poolproof.checker.elaborate.values import Display, Operand, is_set
from poolproof.checker.frontend.closed_forms import NotClosed
from poolproof.checker.frontend.cursor import (
    NOTHING,
    Cursor,
    Flow,
    Frame,
    KernelAssertion,
    Ref,
    Store,
    Unusable,
    Value,
    Written,
    forwarded_to,
    merge_vars,
)
from poolproof.checker.frontend.expressions import Expressions
from poolproof.checker.frontend.names import visible
from poolproof.checker.frontend.refusals import (
    CALLED,
    instead_of_call,
    instead_of_method,
)
from poolproof.model.language import (
    NONE_FAILS,
    Design,
    assume,
    bug_on,
    may_fail,
    nearest,
    own_classes,
    require,
    warn_on,
    yields,
)

_CALL = re.compile(r"[A-Za-z][\w .:/-]*")
"""What may_fail() can name."""


@dataclass
class CallEvaluator:
    """Evaluates calls. ``block`` executes a method's statements."""

    expressions: Expressions
    block: Callable[[Cursor, list[ast.stmt]], Flow]
    stack: list[tuple[FunctionType, str]] = field(default_factory=list)
    """The methods being executed, each with the prefix of its block."""

    def __post_init__(self) -> None:
        names = self.expressions.names
        self.names, self.effects = names, names.effects
        self.builtin: dict[str, Callable[[Cursor, ast.Call, str], Value]] = {
            "min": self.extremum,
            "max": self.extremum,
            "len": self.length,
            "set": self.set_of,
            "frozenset": self.set_of,
        }
        """Functions by name, where the module does not hide them."""
        self.expressions.kinds[ast.Call] = self.call

    # -- methods --

    def run(self, cursor: Cursor, frame: Frame, arguments: Mapping[str, Value]) -> Flow:
        """Execute a method's text with these locals. ``cursor`` gives the variables'
        values before."""
        if not frame.tree.args.args:
            place = span_of(frame.file, frame.tree)
            raise UserError(place, "a method takes self first")
        store = Store(dict(cursor.store.vars), dict(arguments))
        self.stack.append((frame.function, frame.this.prefix))
        flow = self.block(
            Cursor(self.effects, frame, store, cursor.pc), frame.tree.body
        )
        self.stack.pop()
        return flow

    def call(self, cursor: Cursor, node: ast.Call) -> Value:
        """Return the value of any call."""
        match node.func:
            case ast.Name(name) if name not in cursor.store.locals:
                return self.named(cursor, node, name)
        frame, arguments = self.frame(cursor, node)
        after, value = outcome(frame, self.run(cursor, frame, arguments))
        cursor.store.vars = after
        return value

    def frame(
        self, cursor: Cursor, node: ast.Call, delegated: bool = False
    ) -> tuple[Frame, dict[str, Value]]:
        """Return the method that is called, and its arguments. ``delegated``: by
        `yield from`."""
        at = cursor.at(node)
        match node.func:
            case ast.Attribute(ast.Call(ast.Name("super"), [], []), name):
                owner = cursor.frame.this
                function = _inherited(owner.cls, cursor.frame.function, name)
            case ast.Attribute(target, name):
                owner = self.expressions.expr(cursor, target)
                if not isinstance(owner, Ref):
                    raise at.mistake(
                        f"{at.described(owner)} has no method {name!r}"
                        + instead_of_method(name)
                    )
                function = self.names.part(at, owner, name)
                owner = replace(owner, hooks=False) if owner.hooks else owner
            case _:
                raise at.mistake("only methods of self and of its blocks")
        if not isinstance(function, FunctionType):
            whose = owner.cls.__name__
            if ast.unparse(node.func).startswith("super()"):
                whose = f"a base class of {whose}"
            raise at.mistake(f"{name!r} is not a method of {whose}")
        arguments = self.arguments(cursor, node, owner, function)
        owner, function = forwarded_to(owner, function)
        if (function, owner.prefix) in self.stack:
            raise at.mistake(
                f"{function.__name__} calls itself: loop over a domain instead"
            )
        if yields(function) is not delegated:
            name = ast.unparse(node.func)
            raise at.mistake(
                f"{function.__name__} has no `yield`: write `{name}(...)`"
                if delegated
                else f"{function.__name__} yields: write `yield from {name}(...)` "
                "in a statement of its own"
            )
        return Frame(owner, function, *method_tree(function)), arguments

    def arguments(
        self, cursor: Cursor, node: ast.Call, owner: Ref, function: FunctionType
    ) -> dict[str, Value]:
        """Return the arguments by parameter, defaults included."""
        at = cursor.at(node)
        for value in (*node.args, *(k.value for k in node.keywords)):
            if isinstance(value, ast.Starred):
                raise at.mistake("name each argument: * is not accepted")
        given = [self.expressions.expr(cursor, a) for a in node.args]
        named = {}
        for keyword in node.keywords:
            if keyword.arg is None:
                raise at.mistake("name each argument: ** is not accepted")
            named[keyword.arg] = self.expressions.expr(cursor, keyword.value)
        parameters = _parameters(function)
        if not named and len(given) == len(parameters):
            values = {p.name: v for p, v in zip(parameters, given, strict=True)}
        else:
            try:
                bound = _signature(function).bind(owner, *given, **named)
            except TypeError as e:
                raise at.mistake(f"{function.__name__}: {e}") from None
            values = dict(list(bound.arguments.items())[1:])
        for name, value in values.items():
            if value is None:
                raise at.mistake(
                    f"{name!r} gets no value: its argument calls a helper that "
                    "returns none"
                )
        for p in parameters:
            if p.kind is not p.POSITIONAL_OR_KEYWORD:
                raise at.mistake(
                    f"{function.__name__}: no *, ** and / among parameters"
                )
            if p.name not in values:
                values[p.name] = self.names.static(at, p.default)
        return values

    # -- functions --

    def named(self, cursor: Cursor, node: ast.Call, name: str) -> Value:
        """Return the value of a call of something that is no method."""
        at = cursor.at(node)
        target = cursor.frame.outer(name)
        if target is require:
            return self.requirement(cursor, node)
        if target is assume:
            return self.assumption(cursor, node)
        if target is may_fail:
            return self.fallible(cursor, node)
        if target is bug_on or target is warn_on:
            return self.assertion(cursor, node, name)
        if target is NOTHING or target is None:
            if name in self.builtin:
                return self.builtin[name](cursor, node, name)
            if not hasattr(builtins, name):
                known = (*visible(cursor), *CALLED)
                raise at.mistake(f"no {name!r} here" + nearest(name, known))
        raise at.mistake(
            f"{name}() cannot be called in an action" + instead_of_call(name)
        )

    def requirement(self, cursor: Cursor, node: ast.Call) -> None:
        at = cursor.at(node)
        if not self.effects.may_require:
            raise at.mistake("require() is allowed only in actions")
        if len(node.args) != 1 or node.keywords:
            raise at.mistake("require(condition) takes one condition")
        truth = self.expressions.condition(cursor, node.args[0])
        reached = ir.and_(self.effects.running, cursor.pc)
        self.effects.guards.append(ir.implies(reached, truth))

    def assumption(self, cursor: Cursor, node: ast.Call) -> None:
        """assume(condition, "why")."""
        at, effects = cursor.at(node), self.effects
        if not effects.may_require:
            raise at.mistake("assume() is allowed only in actions")
        match node.args:
            case [condition, ast.Constant(str(why))] if not node.keywords:
                pass
            case _:
                raise at.mistake(
                    'write assume(condition, "why"): a text that completes '
                    '"assuming ..."'
                )
        if not why.strip():
            raise at.mistake('an assumption needs a reason: write one, like "no fork"')
        truth = self.expressions.condition(cursor, condition)
        reached = ir.and_(effects.running, cursor.pc)
        cut = ir.and_(*effects.guards, reached, ir.not_(truth))
        if effects.choices is not None:
            cut = ir.and_(cut, effects.choices.possible)
        if cut is not ir.FALSE:
            span = span_of(cursor.frame.file, node)
            effects.assumptions.append(Assumption(" ".join(why.split()), cut, span))
        effects.guards.append(ir.implies(reached, truth))

    def fallible(self, cursor: Cursor, node: ast.Call) -> Expr:
        """may_fail("call"): return whether it fails."""
        at, effects = cursor.at(node), self.effects
        if not effects.may_require:
            raise at.mistake("may_fail() is allowed only in actions")
        if effects.skippable:
            raise at.mistake(
                "Python may skip may_fail() here: write `if may_fail(...):` within "
                "the other condition, or assign it first"
            )
        match node.args:
            case [ast.Constant(str(text))] if not node.keywords:
                call = " ".join(text.split())
            case _:
                raise at.mistake('write may_fail("the call that fails")')
        if not _CALL.fullmatch(call) or call == NONE_FAILS:
            raise at.mistake(
                'the call\'s name is words, like may_fail("kmalloc of a file_region"): '
                "no commas, brackets or quotes"
            )
        if effects.choices is None:
            return ir.FALSE
        reached = ir.and_(effects.running, cursor.pc)
        return effects.choices.call(call, cursor.store.vars, reached)

    def assertion(self, cursor: Cursor, node: ast.Call, name: str) -> None:
        """bug_on(condition, "text"), warn_on(condition, "text")."""
        at, frame = cursor.at(node), cursor.frame
        if not self.effects.may_require:
            raise at.mistake(f"{name}() is allowed only in actions")
        text = ""
        match node.args:
            case [condition] if not node.keywords:
                pass
            case [condition, ast.Constant(str(text))] if not node.keywords:
                pass
            case _:
                raise at.mistake(f'write {name}(condition, "what is wrong then")')
        kind = "bug_on" if frame.outer(name) is bug_on else "warn_on"
        truth = self.expressions.condition(cursor, condition)
        reached = ir.and_(self.effects.running, cursor.pc)
        held = ir.implies(reached, ir.not_(truth))
        where = f"{frame.this.prefix}{frame.function.__name__}"
        text = text or f"{kind}({ast.unparse(condition)})"
        if held is not ir.TRUE:
            span = span_of(frame.file, node)
            self.effects.assertions.append(
                KernelAssertion(kind, where, text, held, span)
            )
        if kind == "bug_on":
            self.effects.running = ir.and_(self.effects.running, held)

    def extremum(self, cursor: Cursor, node: ast.Call, name: str) -> Expr:
        given = [] if node.keywords else node.args
        operands = (self.expressions.operand(cursor, a)[0] for a in given)
        return operators.extremum(name, len(given), operands, cursor.at(node))

    def length(self, cursor: Cursor, node: ast.Call, name: str) -> Expr:
        x, at = self.collection(cursor, node, name)
        return operators.size(x, at)

    def set_of(self, cursor: Cursor, node: ast.Call, name: str) -> Value:
        """set(), set(set) and set(DOMAIN)."""
        if not node.args:
            return Display(())
        x, at = self.collection(cursor, node, name)
        if isinstance(x.value, ir.OpenDomain):
            raise NotClosed(at.span, x.value, "a set of its elements")
        if isinstance(x.value, ir.Domain):
            return ir.const(ir.set_sort(x.value), (1 << len(x.value)) - 1)
        return x.value if is_set(x.value) else operators.a_set(x, at)

    def collection(
        self, cursor: Cursor, node: ast.Call, name: str
    ) -> tuple[Operand, Written]:
        """Return the one argument, which should be a set or a domain."""
        at = cursor.at(node)
        if len(node.args) != 1 or node.keywords:
            raise at.mistake(f"{name}() takes one set")
        if isinstance(node.args[0], ast.GeneratorExp):
            raise at.mistake("write {x for x in DOMAIN if condition}")
        value = self.expressions.expr(cursor, node.args[0])
        domain = self.names.domain(at, value)
        target = cursor.at(node, shows=node.args[0])
        return Operand(value if domain is None else domain), target


def outcome(frame: Frame, flow: Flow) -> tuple[dict[str, Expr], Value]:
    """Return the variables' values where a method returned, and what it returned
    (None: nothing)."""
    name, place = frame.function.__name__, span_of(frame.file, frame.tree)
    if isinstance(flow.value, Unusable):
        raise UserError(place, f"{name} returns {flow.value.why}")
    if flow.returned is ir.FALSE:
        return flow.store.vars, None
    if flow.live is ir.FALSE:
        return flow.at_return, flow.value
    if flow.value is not None:
        raise UserError(
            place,
            f"{name} returns a value on some paths only: return one at the end, too",
        )
    return merge_vars(flow.returned, flow.at_return, flow.store.vars), None


def _inherited(cls: type, function: FunctionType, name: str) -> Any:
    """Return what `super().name` means in a method."""
    classes = own_classes(cls)
    here = next((k for k, c in enumerate(classes) if function in vars(c).values()), 0)
    rest = (*classes[here + 1 :], Design)
    found = next((vars(c)[name] for c in rest if name in vars(c)), None)
    is_own = getattr(found, "__module__", "") != Design.__module__
    return found if is_own or name == "initial" else None


@cache
def _signature(function: FunctionType) -> inspect.Signature:
    return inspect.signature(function)


@cache
def _parameters(function: FunctionType) -> tuple[inspect.Parameter, ...]:
    """Return the parameters after self."""
    return tuple(_signature(function).parameters.values())[1:]
