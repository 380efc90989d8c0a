# SPDX-License-Identifier: GPL-2.0-only
"""What the names and attributes in a method mean."""

from __future__ import annotations

import ast
import builtins
from dataclasses import dataclass, field
from enum import Enum
from types import FunctionType
from typing import Any

from poolproof.checker.core import ir
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.ir import Expr
from poolproof.checker.core.source import assigned
from poolproof.checker.elaborate.domains import (
    domain_of,
    size_expr,
    sort_of,
    start_of,
)
from poolproof.checker.elaborate.values import Display, Missing, Operand, Pending
from poolproof.checker.frontend.cursor import (
    NOTHING,
    Cursor,
    Effects,
    Ref,
    Tuple,
    Unusable,
    Value,
    Written,
)
from poolproof.checker.frontend.refusals import no_value
from poolproof.model.language import (
    Arithmetic,
    Block,
    Bound,
    Design,
    Domain,
    Feature,
    Field,
    ModelError,
    Slot,
    Values,
    did_you_mean,
    members,
    nearest,
    no_hook,
)


@dataclass
class Names:
    """The meanings of names; they depend on no path."""

    effects: Effects
    parts: dict[Any, dict[str, Any]] = field(default_factory=dict)
    """The members of each design class or block that was asked for them."""

    def name(self, cursor: Cursor, node: ast.AST, name: str) -> Value:
        """Return what a name stands for: a local, self, or a module's."""
        frame = cursor.frame
        if name in cursor.store.locals:
            value = cursor.store.locals[name]
            if isinstance(value, Unusable):
                raise cursor.at(node).mistake(f"{name!r} has {value.why}")
            return value
        if name == frame.tree.args.args[0].arg:
            return frame.this
        at = cursor.at(node)
        if name in assigned(frame.tree):
            raise at.mistake(f"{name!r} has no value yet")
        value = frame.outer(name)
        if value is not NOTHING:
            return self.static(at, value)
        if hasattr(builtins, name):
            raise at.mistake(f"{name!r} is not a value here")
        own = did_you_mean(name, members(frame.this.owner))
        if own:
            raise at.mistake(f"no {name!r} here" + own.replace("'", "'self.", 1))
        raise at.mistake(f"no {name!r} here" + nearest(name, visible(cursor)))

    def static(self, at: Written, value: Any) -> Value:
        """Return a Python object that a method names as a value of ours."""
        binding = self.effects.binding
        match value:
            case None | bool() | Enum() | int():
                return self.constant(value)
            case Domain():
                try:
                    return binding.values(value)
                except ModelError as e:
                    raise at.mistake(str(e)) from None
            case Bound() | Arithmetic():
                return size_expr(binding.size(value))
            case Feature():
                return ir.boolean(binding.on(value))
            case frozenset() | set() | tuple() if all(
                isinstance(v, Enum | int) or v is None for v in value
            ):
                items = tuple(self.constant(v) for v in value)
                if isinstance(value, tuple):
                    return Tuple(items)
                return Display(tuple(Operand(i) for i in items))
            case Ref() | Values() | Expr() | Pending():
                return value
        if isinstance(value, type) and issubclass(value, Enum):
            return value
        raise at.mistake(no_value(value))

    def constant(self, value: Enum | int | None) -> Value:
        """Return a value that a text can name or write out."""
        match value:
            case None:
                return Missing()
            case bool():
                return ir.boolean(value)
            case Enum():
                values = self.effects.binding.values(type(value))
                return ir.const(sort_of(values), values.raw(value))
        return ir.num(value)

    def attribute(
        self, cursor: Cursor, node: ast.AST, owner: Value, name: str
    ) -> Value:
        """Return what ``owner.name`` means."""
        at = cursor.at(node)
        if isinstance(owner, type) and issubclass(owner, Enum):
            labels = owner.__members__
            if name in labels:
                return self.static(at, labels[name])
            raise at.mistake(f"{owner.__name__} has no {name!r}{nearest(name, labels)}")
        if not isinstance(owner, Ref):
            raise at.mistake(f"{at.described(owner)} has no attribute {name!r}")
        if name == "design" and owner.prefix:
            return self.effects.design
        part = self.part(at, owner, name)
        if isinstance(part, Field):
            slot = self.effects.slots[owner.prefix + name]
            if slot.index:
                raise at.mistake(f"{slot.name} is a table: read {name}[...]")
            return read(cursor, slot, ())
        if isinstance(part, Block):
            return Ref(part, type(part), f"{owner.prefix}{name}.")
        if isinstance(part, FunctionType):
            raise at.mistake(f"{name} is a method: call it")
        return self.static(at, part)

    def part(self, at: Written, ref: Ref, name: str) -> Any:
        """Return the member of that name of the design or block."""
        parts = self.parts.get(ref.owner)
        if parts is None:
            parts = self.parts[ref.owner] = members(ref.owner)
        if ref.hooks and not isinstance(parts.get(name), FunctionType):
            raise at.mistake(no_hook(ref.cls, name))
        if name not in parts:
            message = f"{ref.cls.__name__} has no {name!r}" + nearest(name, parts)
            if issubclass(ref.cls, Design) and "__init__" in vars(ref.cls):
                message += (
                    ". A design's __init__ is not read: write "
                    f"{name} = var(DOMAIN) in the class body"
                )
            raise at.mistake(message)
        return parts[name]

    def slot(self, at: Written, ref: Value, name: str) -> Slot:
        """Return the state variable that an attribute names."""
        if not isinstance(ref, Ref):
            raise at.mistake(f"{at.described(ref)} has no field {name!r}")
        part = self.part(at, ref, name)
        if isinstance(part, Block):
            raise at.mistake(f"{name} is a block: assign to its fields")
        if not isinstance(part, Field):
            raise at.mistake(
                f"{name} is not a field of {ref.cls.__name__}: declare it with var() "
                "or table()"
            )
        return self.effects.slots[ref.prefix + name]

    def index_domains(self, at: Written, slot: Slot) -> tuple[ir.Domain, ...]:
        """Return the index domains of a table."""
        if not slot.index:
            raise at.mistake(f"{slot.name} is not a table: it has no index")
        if slot.off:
            return tuple(domain_of(v) for v in slot.index)
        return self.effects.variables[slot.name].index

    def domain(self, at: Written, value: Value, name: str = "") -> ir.Domain | None:
        """Return the finite domain that a value is, None if it is not a domain."""
        if isinstance(value, type) and issubclass(value, Enum):
            return domain_of(self.effects.binding.values(value))
        if not isinstance(value, Values):
            return None
        try:
            return domain_of(value, name)
        except UserError as e:
            raise at.mistake(e.message) from None


def read(cursor: Cursor, slot: Slot, index: tuple[Expr, ...]) -> Expr:
    """Return the value of a field, or of a table's cell."""
    if slot.off:
        return start_of(slot)
    now = cursor.store.vars[slot.name]
    return ir.select(now, *index) if index else now


def visible(cursor: Cursor) -> list[str]:
    """Return what a method can name: locals, and what has a meaning around."""
    meant = (Domain, Bound, Arithmetic, Feature, Enum, int, tuple, frozenset)
    around = (
        n
        for n, v in cursor.frame.scope.items()
        if isinstance(v, meant) or (isinstance(v, type) and issubclass(v, Enum))
    )
    return [*cursor.store.locals, *around]
