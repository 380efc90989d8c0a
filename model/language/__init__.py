# SPDX-License-Identifier: GPL-2.0-only
"""The modelling language: a design is a plain Python class.

    VMAS = Scalarset("VMAS", Bound("V", 2), prefix="v")

    class Pool(Design):
        "A pool of pages that mappings reserve from."
        resv = var(Int(0, Bound("B", 3)))
        live = table(VMAS, Bool())

        @action(kernel="mm/hugetlb.c:hugetlb_reserve_pages")
        def mmap(self, vma: VMAS) -> Errno:
            require(not self.live[vma])
            ...
            return OK

An instance (`Pool(bounds={"V": 3})`) runs under CPython unchanged: pdb,
coverage, hypothesis and the replay of traces work on it. checker.frontend.design
compiles the same text. In the methods of an instance, names of bounds, domains
and features mean that instance's values: the methods are rebound to a namespace
where `V` is 3 and `VMAS` can be iterated. There, `any` and `all` evaluate every
element, because an aggregate has no order.

The kernel's own assertions are fields over `Counter`, `warn_on(condition)` and
`bug_on(condition)`. Each is an implicit property of the design, and every check
asks it beside the spec's own; a violation is a finding with a trace. `assert`
and the range of an `Int` are about the model: a violation means that the design
is not what its author meant, and ends the check.

Import what a design needs from here; model.language.domains has the domains and
their values, model.language.declarations fields, actions and blocks,
model.language.methods and contents the lists of all that a design has,
model.language.failures the calls that may fail.
"""

from __future__ import annotations

import builtins
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, wraps
from itertools import product
from types import CellType, FunctionType, GeneratorType, MethodType
from typing import Any

from poolproof.model.language.contents import (
    Slot,
    bind,
    declared,
    outside,
    slots,
    structural,
    with_needs,
)
from poolproof.model.language.declarations import (
    LANGUAGE,
    ActionMark,
    Block,
    Field,
    action,
    domain,
    invariant,
    members,
    observer,
    own_classes,
    table,
    var,
)
from poolproof.model.language.domains import (
    ANY,
    Arithmetic,
    Assumed,
    Binding,
    Bool,
    Bound,
    Counter,
    Disabled,
    Domain,
    Either,
    Element,
    Feature,
    Given,
    Int,
    KernelBug,
    KernelWarning,
    Maybe,
    ModelError,
    Natural,
    OutOfDomain,
    OutOfRange,
    Scalarset,
    SetOf,
    Values,
    Wrapping,
    assume,
    bug_on,
    require,
    warn_on,
)
from poolproof.model.language.failures import (
    FAILS,
    FAILURES,
    LEFT,
    NONE_FAILS,
    choice,
    failing,
    may_fail,
)
from poolproof.model.language.methods import (
    Forward,
    action_methods,
    add_forwarders,
    blocks,
    chosen_parameters,
    closure,
    evaluated,
    forwarded,
    invariant_methods,
    no_hook,
    observer_methods,
    parameter_domain,
    parameters,
    resolved,
    returns,
    task_parameter,
    yields,
)
from poolproof.model.language.spelling import did_you_mean, nearest, nearest_name

__all__ = [
    "ANY",
    "FAILS",
    "FAILURES",
    "LEFT",
    "NONE_FAILS",
    "ActionMark",
    "Arithmetic",
    "Assumed",
    "Binding",
    "Block",
    "Bool",
    "Bound",
    "Counter",
    "Design",
    "Disabled",
    "Domain",
    "Either",
    "Element",
    "Feature",
    "Field",
    "Forward",
    "Given",
    "Int",
    "KernelBug",
    "KernelWarning",
    "Maybe",
    "ModelError",
    "Natural",
    "OutOfDomain",
    "OutOfRange",
    "Scalarset",
    "SetOf",
    "Slot",
    "TableValue",
    "Values",
    "Wrapping",
    "action",
    "action_methods",
    "assume",
    "bind",
    "blocks",
    "bug_on",
    "choice",
    "chosen_parameters",
    "closure",
    "declared",
    "did_you_mean",
    "domain",
    "evaluated",
    "forwarded",
    "invariant",
    "invariant_methods",
    "may_fail",
    "members",
    "nearest",
    "nearest_name",
    "no_hook",
    "observer",
    "observer_methods",
    "outside",
    "own_classes",
    "parameter_domain",
    "parameters",
    "require",
    "resolved",
    "returns",
    "slots",
    "structural",
    "table",
    "task_parameter",
    "var",
    "warn_on",
    "with_needs",
    "yields",
]


class TableValue:
    """A table's cells while a design runs under CPython."""

    __slots__ = ("cells", "frozen", "index", "name", "values")

    def __init__(
        self,
        name: str,
        index: tuple[Values, ...],
        values: Values,
        init: Any,
        frozen: bool,
    ) -> None:
        self.name, self.index, self.values, self.frozen = name, index, values, frozen
        raw = values.raw(init)
        spaces = (range(v.lo, v.hi + 1) for v in index)
        self.cells = dict.fromkeys(product(*spaces), raw)

    def _at(self, key: Any) -> tuple[int, ...]:
        keys = key if isinstance(key, tuple) else (key,)
        if len(keys) != len(self.index):
            n = len(self.index)
            few = "index" if n == 1 else "indices"
            raise ModelError(f"{self.name} takes {n} {few}, not {len(keys)}")
        pairs = zip(self.index, keys, strict=True)
        raw = tuple(v.raw(v.meant(k) if type(k) is str else k) for v, k in pairs)
        if raw not in self.cells:
            shown = ", ".join(str(k) for k in keys)
            raise OutOfDomain(f"{self.name}[{shown}]: no such index")
        return raw

    def __getitem__(self, key: Any) -> Any:
        return self.values.python(self.cells[self._at(key)])

    def __setitem__(self, key: Any, value: Any) -> None:
        at, raw = self._at(key), self.values.raw(value)
        if self.frozen and raw != self.cells[at]:
            raise OutOfRange(f"{self.name} is off and cannot change")
        self.cells[at] = raw

    def __iter__(self) -> Any:
        raise ModelError(f"{self.name} is a table: loop over its index domain")


# --- classes bound to sizes ----------------------------------------------


def _any(conditions: Iterable[object]) -> bool:
    return builtins.any([bool(c) for c in conditions])


def _all(conditions: Iterable[object]) -> bool:
    return builtins.all([bool(c) for c in conditions])


class _Twins:
    """Copies of classes whose methods see bound domains, bounds, features."""

    def __init__(self, binding: Binding) -> None:
        self.binding = binding
        self.classes: dict[type, type] = {}
        self.namespaces: dict[int, dict[str, Any]] = {}

    def bound(self, value: Any) -> Any:
        match value:
            case Domain():
                return self.binding.values(value)
            case Bound() | Arithmetic():
                return self.binding.size(value)
            case Feature():
                return self.binding.on(value)
            case _:
                return value

    def twin(self, cls: type) -> type:
        if cls.__module__ in LANGUAGE:
            return cls
        if cls not in self.classes:
            bases = tuple(self.twin(b) for b in cls.__bases__)
            body = {
                k: self.bound(v)
                for k, v in vars(cls).items()
                if k not in ("__dict__", "__weakref__")
            }
            new = type(cls.__name__, bases, body)
            self.classes[cls] = new
            for name, value in vars(cls).items():
                if isinstance(value, FunctionType):
                    setattr(new, name, self.function(value, new))
        return self.classes[cls]

    def namespace(self, scope: dict[str, Any]) -> dict[str, Any]:
        known = self.namespaces.get(id(scope))
        if known is None:
            known = {"any": _any, "all": _all}
            known |= {k: self.bound(v) for k, v in scope.items()}
            self.namespaces[id(scope)] = known
        return known

    def function(self, f: FunctionType, new: type) -> FunctionType:
        around = closure(f)
        cells = tuple(
            CellType(new)
            if n == "__class__"
            else CellType(self.bound(around[n]))
            if n in around
            else CellType()
            for n in f.__code__.co_freevars
        )
        copy = FunctionType(
            f.__code__,
            self.namespace(f.__globals__),
            f.__name__,
            tuple(self.bound(d) for d in f.__defaults__ or ()),
            cells,
        )
        copy.__kwdefaults__ = f.__kwdefaults__
        copy.__annotations__ = f.__annotations__
        copy.__dict__.update(f.__dict__)
        copy.__qualname__ = f.__qualname__
        return copy


class Design(Block):
    """A design: fields, blocks and actions. An instance is a state of it.

    ``bounds`` sets bounds by name, ``without`` names features to leave out,
    ``having`` features to turn on that are off by default. Raises ModelError
    for a name the design does not have, or a bound below its least value.
    """

    assumed: tuple[str, ...] = ()
    """What the design takes for granted and its source does not show: code that
    could not be read, and parts that are sketches. Reviews print it."""

    def __init_subclass__(cls, **given: Any) -> None:
        super().__init_subclass__(**given)
        add_forwarders(cls)

    def __new__(
        cls,
        bounds: Mapping[str, int] | None = None,
        without: Sequence[str] = (),
        having: Sequence[str] = (),
    ) -> Any:
        binding = bind(cls, bounds or {}, without, having)
        declared_slots = {s.name: s for s in slots(cls, binding)}
        twins = _Twins(binding)
        design: Any = object.__new__(twins.twin(cls))
        _take_names(type(design), cls)
        _fill(design, members(cls), declared_slots, twins, "", _Hooks(design))
        hidden = {
            "_binding": binding,
            "_source": cls,
            "_slots": [s for s in declared_slots.values() if not s.off],
            "_domains": {},
            "_takes": {},
            "warned": (),
        }
        for name, value in hidden.items():
            object.__setattr__(design, name, value)
        if LEFT in declared_slots:
            object.__setattr__(design, LEFT, declared_slots[LEFT].start)
        return design

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def initial(self) -> bool:
        """Return whether a start (of fields with init=ANY) is an initial state."""
        return True

    # -- what replay and fuzzing use --

    def load(self, state: Sequence[int]) -> None:
        """Set every cell from raw values, in the order of `dump`."""
        rest = list(reversed(state))
        for slot in self._slots:  # type: ignore[attr-defined]
            owner, name = _owner(self, slot.name)
            if slot.index:
                cells = getattr(owner, name).cells
                for at in cells:
                    cells[at] = rest.pop()
            else:
                object.__setattr__(owner, name, slot.values.python(rest.pop()))

    def dump(self) -> tuple[int, ...]:
        """Return the raw values of all cells: fields in declaration order, tables row
        by row. This is the checker's State."""
        state: list[int] = []
        for slot in self._slots:  # type: ignore[attr-defined]
            owner, name = _owner(self, slot.name)
            value = getattr(owner, name)
            if slot.index:
                state.extend(value.cells.values())
            else:
                state.append(slot.values.raw(value))
        return tuple(state)

    def step(self, name: str, *arguments: Any, fails: str = NONE_FAILS) -> Any:
        """Take an action with Python arguments and return its result. ``fails``
        is the call that fails in it, as `choice` names it. Raise Disabled if a
        `require` is false or the action does not come to that call, Assumed if
        an `assume` is, KernelBug at a `bug_on`, and OutOfRange, OutOfDomain or
        AssertionError if the model is wrong; the state is then as before.
        ``warned`` has the step's KernelWarnings. An action that yields is
        refused: it is a generator, `next(design.fault(t0))`.
        """
        arguments = self._meant(name, arguments)
        self._check_call(name, arguments)

        def run() -> Any:
            result = self.call(name, *arguments, fails=fails)
            if isinstance(result, GeneratorType):
                raise ModelError(f"{name} yields: call it, and use next() on it")
            return result

        return self.atomic(run)

    def atomic(self, run: Callable[[], Any]) -> Any:
        """Return what ``run`` returns, a part of an action up to a `yield` or the
        end. Raise what `step` raises; the state is then as before."""
        before = self.dump()
        try:
            with warnings.catch_warnings(record=True) as warned:
                warnings.simplefilter("always", KernelWarning)
                object.__setattr__(self, "warned", warned)
                result = run()
            self._saturate()
            self.check_ranges()
        except BaseException:
            self.load(before)
            raise
        return result

    def call(self, name: str, *arguments: Any, fails: str = NONE_FAILS) -> Any:
        """Call an action's method, in which ``fails`` fails, and return what it
        returns. Unlike `step` this checks no argument and undoes nothing."""
        return self.with_failure(fails, getattr(self, name), *arguments)

    def with_failure(self, fails: str, run: Callable[..., Any], *arguments: Any) -> Any:
        """Return what ``run`` returns, a part of an action in which ``fails``
        fails."""
        if fails != NONE_FAILS:
            left = getattr(self, LEFT, 0)
            require(left > 0)
            object.__setattr__(self, LEFT, left - 1)
        with failing(fails):
            return run(*arguments)

    def _saturate(self) -> None:
        """Saturate counters at the end of an action, see `Counter`."""
        for slot in self._slots:  # type: ignore[attr-defined]
            values = slot.values
            if not values.counter:
                continue
            owner, name = _owner(self, slot.name)
            if slot.index:
                cells = getattr(owner, name).cells
                for at, raw in cells.items():
                    cells[at] = values.saturated(raw)
            else:
                raw = values.saturated(getattr(owner, name))
                object.__setattr__(owner, name, raw)

    def _meant(self, name: str, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return the arguments of an action or observer, with elements and labels in
        place of their names and positions."""
        domains = self._taken(name)
        meant = [d.meant(a) for d, a in zip(domains, arguments, strict=False)]
        return (*meant, *arguments[len(meant) :])

    def _taken(self, name: str) -> tuple[Values, ...]:
        """Return what an action or observer takes; nothing if there is none."""
        known: dict[str, tuple[Values, ...]] = self._takes  # type: ignore[attr-defined]
        if name not in known:
            source, binding = self._source, self._binding  # type: ignore[attr-defined]
            methods = _called(source)
            domains = parameters(source, methods[name]) if name in methods else {}
            known[name] = tuple(map(binding.values, domains.values()))
        return known[name]

    def _check_call(self, name: str, arguments: tuple[Any, ...]) -> None:
        """Raise ModelError if this is no call of an action."""
        known: dict[str, dict[str, Values]] = self._domains  # type: ignore[attr-defined]
        if name not in known:
            source, binding = self._source, self._binding  # type: ignore[attr-defined]
            actions = {
                n: f
                for n, (f, mark) in _actions(source).items()
                if all(binding.on(feature) for feature in mark.when)
            }
            if name not in actions:
                raise ModelError(
                    f"{source.__name__} has no action {name!r}" + nearest(name, actions)
                )
            known[name] = {
                n: binding.values(d)
                for n, d in parameters(source, actions[name]).items()
            }
        domains = known[name]
        if len(arguments) != len(domains):
            raise ModelError(
                f"{name}({', '.join(domains)}) takes {len(domains)} arguments, "
                f"not {len(arguments)}"
            )
        for (parameter, values), value in zip(domains.items(), arguments, strict=True):
            if value not in values:
                raise OutOfDomain(
                    f"{name}: {parameter} = {value!r} is no value of {values}"
                )

    def check_ranges(self) -> None:
        """Raise OutOfRange, which names the first cell outside its range."""
        for slot in self._slots:  # type: ignore[attr-defined]
            owner, name = _owner(self, slot.name)
            value, values = getattr(owner, name), slot.values
            cells = value.cells if slot.index else {(): values.raw(value)}
            for at, raw in cells.items():
                low = values.lo is not None and raw < values.lo
                if low or (values.hi is not None and raw > values.hi):
                    index = [
                        str(v.python(r)) for v, r in zip(slot.index, at, strict=True)
                    ]
                    where = slot.name + (f"[{', '.join(index)}]" if index else "")
                    raise OutOfRange(
                        f"{where} becomes {values.python(raw)}, outside {values}"
                    )


_NAMES = (str, int, set, list, tuple)
"""What may name elements of a scalarset in a call from outside, or hold names."""


@cache
def _actions(cls: type[Design]) -> dict[str, tuple[FunctionType, ActionMark]]:
    """The actions of a design class whose methods are called: it is complete."""
    return action_methods(cls)


@cache
def _called(cls: type[Design]) -> dict[str, FunctionType]:
    """The actions and observers of a design class by name."""
    methods = {name: function for name, (function, _) in action_methods(cls).items()}
    return methods | observer_methods(cls)


def _take_names(twin: type, cls: type[Design]) -> None:
    """Let calls of an instance's actions and observers name elements."""
    for name in _called(cls):  # type: ignore[arg-type]
        method = getattr(twin, name)
        if isinstance(method, FunctionType):
            setattr(twin, name, _by_name(name, method))


def _by_name(name: str, method: FunctionType) -> Callable[..., Any]:
    @wraps(method)
    def call(self: Any, *arguments: Any, **named: Any) -> Any:
        for value in arguments:
            if type(value) in _NAMES:
                arguments = self._meant(name, arguments)
                break
        return method(self, *arguments, **named)

    return call


def _owner(design: Any, dotted: str) -> tuple[Any, str]:
    *path, name = dotted.split(".")
    for part in path:
        design = getattr(design, part)
    return design, name


class _Hooks:
    """What ``self.design`` is in a block: the design's methods only."""

    __slots__ = ("_design",)

    def __init__(self, design: Any) -> None:
        object.__setattr__(self, "_design", design)

    def __setattr__(self, name: str, value: Any) -> None:
        raise ModelError(no_hook(type(self._design), name))

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._design, name, None)
        if isinstance(found, MethodType):
            return found
        raise ModelError(no_hook(type(self._design), name))


_METHODS = (FunctionType, property, classmethod, staticmethod)


def _fill(
    target: Any,
    parts: Mapping[str, Any],
    declared_slots: Mapping[str, Slot],
    twins: _Twins,
    prefix: str,
    hooks: _Hooks,
) -> None:
    scalars: dict[str, tuple[Values, bool]] = {}
    for name, value in parts.items():
        if isinstance(value, Field):
            slot = declared_slots[prefix + name]
            values = slot.values
            start = values.python(values.lo) if slot.start is ANY else slot.start
            if slot.index:
                stored = TableValue(slot.name, slot.index, values, start, slot.off)
                object.__setattr__(target, name, stored)
            else:
                scalars[name] = (values, slot.off)
                object.__setattr__(target, name, values.python(values.raw(start)))
        elif isinstance(value, Block):
            inner: Any = object.__new__(twins.twin(type(value)))
            within = f"{prefix}{name}."
            _fill(inner, members(value), declared_slots, twins, within, hooks)
            object.__setattr__(inner, "design", hooks)
            object.__setattr__(target, name, inner)
        elif not isinstance(value, _METHODS) and not name.startswith("__"):
            object.__setattr__(target, name, twins.bound(value))
    object.__setattr__(target, "_scalars", scalars)
