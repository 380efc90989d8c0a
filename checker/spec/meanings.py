# SPDX-License-Identifier: GPL-2.0-only
"""What the names in a formula mean: fields, labels, definitions, functions.

Definitions are macros: their bodies are read again wherever they are used, so
an argument may be anything, `none` and labels included.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from poolproof.checker.core import ir
from poolproof.checker.core.compiled import Observer
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.ir import Domain, EnumSort, Expr, Sort, TableSort
from poolproof.checker.elaborate import operators
from poolproof.checker.elaborate.values import Label, Operand, Pending, sort_text
from poolproof.checker.spec.functions import Functions
from poolproof.checker.spec.names import MissingName
from poolproof.checker.spec.reading import Closure, Env, Local, Reading
from poolproof.checker.spec.syntax import CallExpr, Expression, Index, Name

_MOST_USES = 5000
"""Upper limit on the uses of definitions in one property: they are macros."""

Read = Callable[[Expression, Env, bool], Operand]
Value = Expr | Pending | Operand


class Meanings:
    """Looks names up and reads what they stand for."""

    def __init__(self, reading: Reading, read: Read) -> None:
        self.reading, self.read = reading, read
        self.spec, self.claim, self.names = reading.spec, reading.claim, reading.names
        self.functions = Functions(reading, self).by_name

    def mistake(self, e: Name | CallExpr | Index, message: str) -> UserError:
        return self.reading.mistake(e.span, message)

    def value(self, e: Name | Index | CallExpr, env: Env, strong: bool) -> Value:
        """Return what something that begins with a name stands for."""
        match e:
            case Name():
                return self.name(e, env, strong)
            case Index():
                return self.index(e, env)
            case CallExpr():
                return self.call(e, env, strong)

    # -- names --

    def domain(self, e: Expression, env: Env) -> Domain | None:
        """Return the domain that an expression names, None if it is none."""
        if isinstance(e, Name) and e.text not in env.scope and not e.primed:
            return self.names.domains.get(e.text)
        return None

    def collection(self, e: Expression, env: Env) -> Operand:
        """Return the domain that an expression names, or else its value."""
        domain = self.domain(e, env)
        if domain is None:
            return self.read(e, env, False)
        return Operand(domain, self.reading.at(e))

    def known(self, name: str, env: Env) -> bool:
        """Return whether the name means anything here."""
        return bool(
            name in env.scope or self.reading.let(name, env) or self.names.kind_of(name)
        )

    def after(self, e: Name, env: Env) -> bool:
        """Return whether a state name means the state after the step."""
        if e.primed and env.primed:
            raise self.mistake(
                e,
                f"`{e}` is inside something of the state after already: "
                "leave out the prime",
            )
        if e.primed and not self.claim.kind.of_steps:
            raise self.mistake(
                e,
                f"`{e}` is about the state after a step, which "
                f"`{self.claim.kind.value}` does not have: write a step property",
            )
        return e.primed or env.primed

    def rigid(self, e: Name, what: str) -> None:
        """Raise UserError for a prime on something that is not part of the state."""
        if e.primed:
            raise self.mistake(
                e, f"`{e.text}` is {what}, not a part of the state: it has no prime"
            )

    def name(self, e: Name, env: Env, strong: bool) -> Value:
        """Return what a name stands for: the innermost meaning counts."""
        match env.scope.get(e.text):
            case Local(expr=expr, what=what):
                self.rigid(e, what)
                return expr
            case Closure() as argument:
                return self.argument(e, argument, env, strong)
        if self.reading.let(e.text, env) is not None:
            return self.expand(e, (), env, strong)
        if e.text == "result" and self.claim.kind.of_steps:
            self.rigid(e, "what the action returned")
            return self.result(e)
        return self.own(e, env)

    def argument(self, e: Name, argument: Closure, env: Env, strong: bool) -> Operand:
        outer = argument.env
        if e.primed:
            self.after(e, env)
            self.after(e, outer)
        primed = e.primed or env.deep
        inner = replace(outer, primed=outer.primed or primed, deep=outer.deep or primed)
        return self.read(argument.text, inner, strong)

    def own(self, e: Name, env: Env) -> Value:
        """Return what the design means by a name."""
        text, names = e.text, self.names
        variable = names.variable(text)
        if variable is not None:
            return variable.next if self.after(e, env) else variable.now
        if text in names.constants:
            self.after(e, env)
            return names.constants[text]
        if names.observer(text) is not None:
            return self.call(CallExpr(e, (), e.span), env, False)
        if text in names.vocabulary.bounds:
            self.rigid(e, "a bound")
            return names.vocabulary.bounds[text]
        if text in names.domains:
            raise self.mistake(
                e,
                f"`{text}` is a domain: write `all(x in {text}: ...)` or `len({text})`",
            )
        if text in names.labels:
            self.rigid(e, "a label")
            return self.label(text, names.labels[text])
        if text in names.elements:
            self.rigid(e, "an element")
            return names.elements[text]
        if text in names.labels_elsewhere:
            self.rigid(e, "a label")
            return self.label(text, names.labels_elsewhere[text])
        raise self.unknown(e, env)

    def label(self, text: str, sorts: tuple[EnumSort, ...]) -> Value:
        if len(sorts) > 1:
            return Label(text, sorts)
        labels = sorts[0].labels
        short = text if text in labels else text.rpartition(".")[2]
        return ir.const(sorts[0], labels.index(short))

    def unknown(self, e: Name, env: Env) -> MissingName | UserError:
        """Return what to raise for a name that means nothing here."""
        later = next((t for t in self.spec.lets if t.name.text == e.text), None)
        if later is not None:
            return self.mistake(
                e,
                f"`{e.text}` is defined in line {later.name.span.line}: "
                "move it above its use",
            )
        if e.text == "result":
            return self.mistake(
                e,
                "`result` is what an action returned: it is for `step ... on ACTION`",
            )
        names = self.names
        known = (
            *env.scope,
            *(t.name.text for t in self.spec.lets[: env.lets]),
            *names.system.by_name,
            *names.constants,
            *names.vocabulary.observers,
            *names.vocabulary.bounds,
        )
        also = (*names.labels, *names.domains)
        return names.unknown(e.text, e.span, "name", known, also)

    def result(self, e: Name) -> Expr:
        action = self.reading.action
        if action is None:
            raise self.mistake(
                e,
                "`result` is what one action returned: write "
                f"`step {self.claim.name.text} on ACTION: ...`",
            )
        value = action.result
        if value is None:
            raise MissingName(
                f"no result of {action.name}",
                e.span,
                f"`{action.name}` returns nothing: there is no `result`",
            )
        if isinstance(value.sort, EnumSort) or value.sort is ir.BOOL:
            return action.returned
        raise self.mistake(
            e,
            f"`{action.name}` returns {sort_text(value.sort)}: a spec can use only "
            "enums and booleans",
        )

    # -- calls and definitions --

    def expand(
        self, e: Name, arguments: Sequence[Expression], env: Env, strong: bool
    ) -> Operand:
        """Return the body of a definition, read with these arguments."""
        reading = self.reading
        found = reading.let(e.text, env)
        assert found is not None
        position, let = found
        self.arity(e, [p.text for p in let.parameters], arguments)
        reading.uses += 1
        if reading.uses > _MOST_USES:
            raise UserError(self.claim.span, "this property uses too many definitions")
        scope: dict[str, Local | Closure] = {
            p.text: Closure(a, env)
            for p, a in zip(let.parameters, arguments, strict=True)
        }
        inner = Env(scope, position, self.after(e, env), env.deep)
        using, reading.using = reading.using, (*reading.using, (e.text, e.span))
        value = self.read(let.body, inner, strong)
        reading.using = using
        return value

    def arity(
        self, e: Name, names: Sequence[str], arguments: Sequence[Expression]
    ) -> None:
        """Raise UserError unless there is an argument for each name."""
        wanted = len(names)
        if len(arguments) != wanted:
            shape = f"`{e.text}({', '.join(names)})`" if names else f"`{e.text}`"
            raise self.mistake(
                e,
                f"`{e.text}` takes {wanted or 'no'} argument{'s'[: wanted != 1]}, "
                f"not {len(arguments)}: write {shape}",
            )

    def call(self, e: CallExpr, env: Env, strong: bool) -> Value:
        """Return the value of a call."""
        name = e.function
        if name.text in self.functions:
            self.rigid(name, "a function")
            return self.functions[name.text](e, env)
        if name.text in env.scope:
            what = env.scope[name.text].what
            raise self.mistake(e, f"`{name.text}` is {what} here, not a function")
        if self.reading.let(name.text, env) is not None:
            return self.expand(name, e.arguments, env, strong)
        observer = self.names.observer(name.text)
        if observer is not None:
            return self.observe(e, observer, env)
        raise self.no_function(e, env)

    def no_function(self, e: CallExpr, env: Env) -> MissingName | UserError:
        """Return what to raise for a call of something that is no function."""
        name, names = e.function, self.names
        what = names.kind_of(name.text)
        if what:
            table = isinstance(self.table_sort(name.text), TableSort)
            return self.mistake(
                e,
                f"`{name.text}` is {what}, not a function"
                + (": a table is read with `[...]`" if table else ""),
            )
        if name.text in names.system.action_by_name:
            return self.mistake(
                e,
                f"`{name.text}` is an action: write `step NAME on "
                f"{name.text}(...): ...`",
            )
        if any(t.name.text == name.text for t in self.spec.lets):
            return self.unknown(name, env)
        known = (
            *names.vocabulary.observers,
            *self.functions,
            *(t.name.text for t in self.spec.lets[: env.lets]),
        )
        return names.unknown(name.text, e.span, "function", known)

    def observe(self, e: CallExpr, observer: Observer, env: Env) -> Expr:
        """Return an observer's body for these arguments."""
        name, at = e.function, self.reading.at(e)
        after = self.after(name, env)
        parameters = observer.parameters
        self.arity(name, [p.name for p in parameters], e.arguments)
        values: dict[Expr, Expr] = {}
        for p, argument in zip(parameters, e.arguments, strict=True):
            x = self.read(argument, env, False)
            place = self.reading.at(argument)
            values[p.local] = operators.index(name.text, p.domain, x, place)
        following = {v.now: v.next for v in self.names.system.variables}

        def here(formula: Expr) -> Expr:
            if after:
                formula = ir.substitute(formula, following)
            return ir.substitute(formula, values)

        for due in observer.obligations:
            message = f"`{name.text}`: {due.message}"
            self.reading.need(here(due.formula), at, message)
        return here(observer.body)

    # -- tables --

    def index(self, e: Index, env: Env) -> Expr:
        """Return a cell of a table."""
        name = e.table
        table = self.table(name, env)
        assert isinstance(table.sort, TableSort)
        declared = self.names.system.by_name.get(name.text)
        domains = table.sort.index if declared is None else declared.index
        at = self.reading.at(e.span)
        operators.count_indices(name.text, domains, len(e.at), at)
        found = (
            operators.index(
                name.text,
                domain,
                self.read(argument, env, False),
                self.reading.at(argument),
            )
            for argument, domain in zip(e.at, domains, strict=True)
        )
        return ir.select(table, *found)

    def table(self, name: Name, env: Env) -> Expr:
        meaning = env.scope.get(name.text)
        if meaning is None and self.names.observer(name.text) is not None:
            raise self.mistake(
                name, f"`{name.text}` is a function: write `{name.text}(...)`"
            )
        if isinstance(meaning, Local) and isinstance(
            self.table_sort(name.text), TableSort
        ):
            raise self.mistake(
                name,
                f"`{name.text}` is {meaning.what} here, not a table: give it "
                f"another name{self.renamed(name.text, meaning)}",
            )
        value = self.read(name, env, False).value
        if isinstance(value, Expr) and isinstance(value.sort, TableSort):
            return value
        at = self.reading.at(name)
        raise at.mistake(f"`{name.text}` is {at.described(value)}, not a table")

    def table_sort(self, name: str) -> Sort | None:
        """Return the sort of a field of the design, None if it is none."""
        variable = self.names.variable(name)
        if variable is not None:
            return variable.sort
        constant = self.names.constants.get(name)
        return None if constant is None else constant.sort

    def renamed(self, name: str, meaning: Local) -> str:
        if meaning.what == "a parameter" and self.claim.on is not None:
            action = self.claim.on.action.text
            return f", as in `on {action}({name} = {name[0]})`"
        return ""
