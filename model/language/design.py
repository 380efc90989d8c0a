# SPDX-License-Identifier: GPL-2.0-only
"""A design: a class whose instances are states, under CPython."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import cache, wraps
from types import FunctionType, GeneratorType, MethodType
from typing import Any

from poolproof.model.language.bound_classes import Twins
from poolproof.model.language.cells import TableValue
from poolproof.model.language.contents import Slot, bind, slots
from poolproof.model.language.declarations import ActionMark, Block, Field, members
from poolproof.model.language.domains import (
    ANY,
    Binding,
    Feature,
    KernelWarning,
    ModelError,
    OutOfDomain,
    OutOfRange,
    Values,
    require,
)
from poolproof.model.language.failures import LEFT, NONE_FAILS, failing
from poolproof.model.language.methods import (
    action_methods,
    add_forwarders,
    no_hook,
    observer_methods,
    parameters,
)
from poolproof.model.language.spelling import nearest


class Design(Block):
    """A design: fields, blocks and actions. An instance is a state of it.

    ``bounds`` sets bounds by name, ``without`` names features to leave out,
    ``having`` features to turn on that are off by default. Raises ModelError
    for a name the design does not have, or a bound below its least value.
    """

    assumed: tuple[str, ...] = ()
    """What the design takes for granted, but its source does not show: code that
    could not be read, and parts that are sketches. Reviews print it."""

    lacks: tuple[Feature, ...] = ()
    """Features of its bases and blocks that the design lacks. They stay off, and
    nobody can select them."""

    _binding: Binding
    _source: type
    _slots: list[Slot]
    """The cells of features that are on."""
    _takes: dict[str, tuple[Values, ...]]
    """See `_taken`: it is filled by calls."""
    _domains: dict[str, dict[str, Values]]
    """See `_check_call`: it is filled by calls."""

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
        twins = Twins(binding)
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
        for slot in self._slots:
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
        for slot in self._slots:
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
        for slot in self._slots:
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
        known = self._takes
        if name not in known:
            source, binding = self._source, self._binding
            methods = _called(source)
            domains = parameters(source, methods[name]) if name in methods else {}
            known[name] = tuple(map(binding.values, domains.values()))
        return known[name]

    def _check_call(self, name: str, arguments: tuple[Any, ...]) -> None:
        """Raise ModelError if this is not a valid call of an action."""
        known = self._domains
        if name not in known:
            source, binding = self._source, self._binding
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
                    f"{name}: {parameter} = {value!r} is not a value of {values}"
                )

    def check_ranges(self) -> None:
        """Raise OutOfRange, which names the first cell outside its range."""
        for slot in self._slots:
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
"""Types of arguments that may name elements of a scalarset, or contain names."""


@cache
def _actions(cls: type[Design]) -> dict[str, tuple[FunctionType, ActionMark]]:
    """The actions of a design class whose methods are called: it is complete."""
    return action_methods(cls)


@cache
def _called(cls: type[Design]) -> dict[str, FunctionType]:
    """The actions and observers of a design class by name."""
    methods = {name: function for name, (function, _) in action_methods(cls).items()}
    return methods | observer_methods(cls)


def _take_names(twin: type, cls: type) -> None:
    """Let calls of an instance's actions and observers name elements."""
    for name in _called(cls):
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
    """The value of ``self.design`` in a block: the design's methods only."""

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
    twins: Twins,
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
