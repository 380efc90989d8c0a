# SPDX-License-Identifier: GPL-2.0-only
"""The methods of a design: its actions and observers, and their parameters.

Those of a design's blocks are among them. Each has a *forwarder* in the
design's class, a method that calls the block's; `resolved` leads from there to
what was written.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass, replace
from types import FunctionType, MethodType
from typing import Any

from poolproof.model.language.declarations import (
    ActionMark,
    Block,
    OwnDomain,
    as_features,
    members,
    own_classes,
)
from poolproof.model.language.domains import (
    Bool,
    Domain,
    Feature,
    Int,
    ModelError,
    _Given,
    _Int,
    _Maybe,
    _SetOf,
)
from poolproof.model.language.spelling import nearest

# --- actions and observers -----------------------------------------------


def action_methods(owner: Any) -> dict[str, tuple[FunctionType, ActionMark]]:
    """The actions of a design class (or block) by name, in order of first
    declaration, each with its features. A subclass that overrides a method of
    the same name keeps it an action; one that sets the name to None removes
    it. Raises ModelError where ``when`` names no feature."""
    return {
        name: (function, replace(mark, when=features_of(whose, name, mark), named=""))
        for name, (function, whose, mark) in _marked(owner).items()
    }


def _marked(owner: Any) -> dict[str, tuple[FunctionType, Any, ActionMark]]:
    """The actions by name: each with the design class or block that it is
    written in, and its mark. What the kernel does or chooses stays the kernel's
    where a subclass marks a method again."""
    found: dict[str, tuple[FunctionType, Any, ActionMark]] = {}
    for base in reversed(own_classes(owner)):
        for name, value in vars(base).items():
            if value is None or (isinstance(value, FunctionType) and forwarded(value)):
                found.pop(name, None)
            if not isinstance(value, FunctionType):
                continue
            if (link := forwarded(value)) is not None:
                block, _ = _followed(owner, value)
                known = _marked(block).get(link.method) if block else None
                if known is not None:
                    found[name] = (value, *known[1:])
            elif (mark := value.__dict__.get("action")) is not None:
                if name in found:
                    old = found[name][2]
                    silent, chosen = mark.silent or old.silent, mark.chosen
                    mark = replace(mark, silent=silent, chosen=chosen or old.chosen)
                found[name] = (value, owner, mark)
            elif name in found:
                found[name] = (value, *found[name][1:])
    return found


def features_of(owner: Any, name: str, mark: ActionMark) -> tuple[Feature, ...]:
    """The features without which there is no such action of the design class
    or block. Raises ModelError where ``when`` names none."""
    if not mark.named:
        return mark.when
    known = members(owner)
    try:
        if mark.named not in known:
            raise ModelError(f"no {mark.named!r} here" + nearest(mark.named, known))
        return as_features(known[mark.named])
    except ModelError as e:
        wrong = ModelError(f"when={mark.named!r}: {e}")
        wrong.where = (own_classes(owner)[0], name)
        raise wrong from None


def observer_methods(owner: Any) -> dict[str, FunctionType]:
    """Return the observers by name; they are overridden and removed as actions are."""
    found: dict[str, FunctionType] = {}
    for base in reversed(own_classes(owner)):
        for name, value in vars(base).items():
            if isinstance(value, FunctionType):
                _, function = _followed(owner, value)
                if forwarded(value) and function is None:
                    found.pop(name, None)
                elif name in found or (
                    function is not None and _is_observer(owner, value)
                ):
                    found[name] = value
            elif value is None and name in found:
                del found[name]
    return found


def _is_observer(owner: Any, function: FunctionType) -> bool:
    link = forwarded(function)
    if link is None:
        return bool(function.__dict__.get("observer"))
    block, _ = _followed(owner, function)
    return link.method in observer_methods(block)


def invariant_methods(owner: Any) -> dict[str, tuple[FunctionType, ActionMark]]:
    """The invariants of a design class or block by name, without those of its
    blocks, each with its features; overridden and removed as actions are."""
    found: dict[str, tuple[FunctionType, ActionMark]] = {}
    for base in reversed(own_classes(owner)):
        for name, value in vars(base).items():
            if isinstance(value, FunctionType):
                mark = value.__dict__.get("invariant")
                if mark is not None:
                    when = features_of(owner, name, mark)
                    found[name] = (value, ActionMark("", when))
                elif name in found:
                    found[name] = (value, found[name][1])
            elif value is None:
                found.pop(name, None)
    return found


# --- those of blocks -----------------------------------------------------


@dataclass(frozen=True)
class Forward:
    """The method ``method`` of the block at ``block`` (``mm`` or ``mm.pins``)."""

    block: str
    method: str


def forwarded(function: FunctionType) -> Forward | None:
    """Return the method that a forwarder stands for; None for a method that was
    written."""
    link: Forward | None = function.__dict__.get("forward")
    return link


def resolved(owner: Any, function: FunctionType) -> tuple[Any, FunctionType]:
    """Return the block and its method that a method of a design class stands for; the
    two themselves if it is not a forwarder."""
    block, method = _followed(owner, function)
    if method is None:
        raise ModelError(f"{function.__name__}: its block has no such method now")
    return block, method


def _followed(owner: Any, function: FunctionType) -> tuple[Any, FunctionType | None]:
    """Return `resolved`, and no method if an heir has another block without it."""
    link = forwarded(function)
    if link is None:
        return owner, function
    for part in link.block.split("."):
        owner = members(owner).get(part)
        if not isinstance(owner, Block):
            return None, None
    method = members(owner).get(link.method)
    return owner, method if isinstance(method, FunctionType) else None


def add_forwarders(cls: type) -> None:
    """Give a design class the actions and observers of its blocks."""
    known = dict(blocks(cls))
    for name, value in list(vars(cls).items()):
        if isinstance(value, MethodType):  # name = block.method
            for path, block in known.items():
                if block is value.__self__:
                    link = Forward(path, value.__func__.__name__)
                    setattr(cls, name, _forwarder(cls, name, link, block))
    for link, block, clash in _missing(cls):
        if not clash:
            setattr(cls, link.method, _forwarder(cls, link.method, link, block))


def check_forwarders(cls: type) -> None:
    """Raise ModelError, at the block, if the name of one of its actions or observers
    means something else in the design."""
    for link, _, clash in _missing(cls):
        if clash:
            other = f"{link.block.replace('.', '_')}_{link.method}"
            wrong = ModelError(
                f"{link.method} is an action or observer of {link.block}, and "
                f"{clash}: write `{other} = {link.block}.{link.method}` to give "
                f"it another name, or `{link.method} = None` to have none"
            )
            wrong.where = (cls, link.block.partition(".")[0])
            raise wrong
    for path, block in blocks(cls):
        if "design" in members(block):
            wrong = ModelError(
                f"{path}.design: in a block's methods self.design is the design; "
                "give the block's own attribute another name"
            )
            wrong.where = (type(block), "design")
            raise wrong
    for name, value in members(cls).items():
        if isinstance(value, MethodType) and isinstance(value.__self__, Block):
            wrong = ModelError(
                f"{name}: only a method of a block that the design has can "
                "become one of the design's"
            )
            wrong.where = (cls, name)
            raise wrong


def blocks(owner: Any, prefix: str = "") -> Iterator[tuple[str, Block]]:
    """Yield the blocks of a design class or block, and theirs, by path."""
    for name, value in members(owner).items():
        if isinstance(value, Block):
            yield prefix + name, value
            yield from blocks(value, f"{prefix}{name}.")


def _missing(cls: type) -> Iterator[tuple[Forward, Block, str]]:
    """The actions and observers of blocks that have no forwarder yet, and
    what else has the name, if anything."""
    there = [v for c in cls.__mro__ for v in vars(c).values()]
    links = {forwarded(v) for v in there if isinstance(v, FunctionType)}
    named = {n for c in cls.__mro__ for n in vars(c)}
    for path, block in blocks(cls):
        for name in (*_marked(block), *observer_methods(block)):
            link = Forward(path, name)
            if link in links:
                continue
            if name not in named:
                named.add(name)
                yield link, block, ""
            elif (found := getattr(cls, name)) is not None:
                other = forwarded(found) if isinstance(found, FunctionType) else None
                of = other.block if other else f"the design {cls.__name__} itself"
                yield link, block, f"of {of}"


def no_hook(design: type, name: str) -> str:
    """Return why a block cannot call ``self.design.name()``."""
    known = members(design)
    if name not in known:
        hooks = [n for n, v in known.items() if isinstance(v, FunctionType)]
        return (
            f"{design.__name__} has no method {name!r}, which its block calls: "
            f"write `def {name}(self, ...)`" + nearest(name, hooks)
        )
    return (
        f"{name} is the design's own: a block calls methods of its design, "
        f"like `self.design.get_{name}()`"
    )


def _forwarder(cls: type, name: str, link: Forward, block: Block) -> FunctionType:
    path, method = link.block.split("."), link.method

    def forwarder(self: Any, *arguments: Any, **named: Any) -> Any:
        for part in path:
            self = getattr(self, part)
        return getattr(self, method)(*arguments, **named)

    written = members(block)[method]
    forwarder.__name__, forwarder.__doc__ = name, written.__doc__
    forwarder.__qualname__ = f"{cls.__qualname__}.{name}"
    forwarder.__dict__["__signature__"] = inspect.signature(written)
    forwarder.__dict__["forward"] = link
    assert isinstance(forwarder, FunctionType)
    return forwarder


# --- parameters ----------------------------------------------------------


def yields(function: FunctionType) -> bool:
    """Return whether the method, as it was written, has a `yield`."""
    return inspect.isgeneratorfunction(function)


def chosen_parameters(function: FunctionType, mark: ActionMark) -> tuple[str, ...]:
    """Return the names of the parameters that the kernel chooses. Raise ModelError
    if the action has no parameter of a name."""
    _, *taken = inspect.signature(function).parameters
    for name in mark.chosen:
        if name not in taken:
            raise ModelError(
                f"chosen={name!r}: no such parameter" + nearest(name, taken)
            )
    return mark.chosen


def task_parameter(function: FunctionType, mark: ActionMark) -> str:
    """Return the name of the parameter that is the task: the one that `@action`
    names, else `t` or `task`; "" if there is none. Raise ModelError if the action
    has no parameter of the name."""
    _, *taken = inspect.signature(function).parameters
    if mark.task and mark.task not in taken:
        raise ModelError(
            f"task={mark.task!r}: no such parameter" + nearest(mark.task, taken)
        )
    return mark.task or next((n for n in ("t", "task") if n in taken), "")


def parameters(owner: Any, function: FunctionType) -> dict[str, Any]:
    """Return the parameters of a method of a design class (or block) with their
    domains, from its annotations; a missing annotation is taken from the method that it
    overrides. Raise ModelError if there is none."""
    owner, function = resolved(owner, function)
    _, *taken = inspect.signature(function).parameters.values()
    return {p.name: parameter_domain(owner, function, p) for p in taken}


def parameter_domain(owner: Any, function: FunctionType, p: inspect.Parameter) -> Any:
    """Return the domain of one of `parameters`."""
    if p.kind is not p.POSITIONAL_OR_KEYWORD:
        raise ModelError(f"parameter {p.name!r}: no *, ** and / among parameters")
    for whose, f in _annotated(owner, function):
        if p.name in f.__annotations__:
            return evaluated(whose, f, f.__annotations__[p.name])
    raise ModelError(
        f"parameter {p.name!r} has no domain: annotate it, like `{p.name}: DOMAIN`"
    )


def returns(owner: Any, function: FunctionType) -> Any:
    """Return the domain of a method's result by its annotation, or None. Only here are
    ``bool`` and ``int`` domains."""
    owner, function = resolved(owner, function)
    for whose, f in _annotated(owner, function):
        if "return" in f.__annotations__:
            wanted = evaluated(whose, f, f.__annotations__["return"])
            return Bool() if wanted is bool else Int() if wanted is int else wanted
    return None


def _annotated(owner: Any, function: FunctionType) -> Iterator[tuple[Any, Any]]:
    """Yield the method and its owner, then the methods of its name in the base
    classes."""
    yield owner, function
    for base in own_classes(owner):
        f = vars(base).get(function.__name__)
        if isinstance(f, FunctionType):
            whose, method = _followed(owner, f)
            if method is not None:
                yield whose, method


def closure(function: FunctionType) -> dict[str, Any]:
    """Return the names that a method takes from an enclosing function."""
    found: dict[str, Any] = {}
    names = function.__code__.co_freevars
    for name, cell in zip(names, function.__closure__ or (), strict=True):
        try:
            found[name] = cell.cell_contents
        except ValueError:  # not assigned yet
            continue
    return found


def evaluated(owner: Any, function: FunctionType, annotation: Any) -> Any:
    """Return the value of an annotation of a method of a design class or block. Raise
    ModelError for a name that does not exist."""
    if not isinstance(annotation, str):
        return _filled(owner, annotation)
    scope = members(owner)
    try:
        found = eval(annotation, {**function.__globals__, **closure(function)}, scope)
    except NameError as e:
        known = [
            k
            for k, v in {**function.__globals__, **scope}.items()
            if isinstance(v, Domain | type)
        ]
        raise ModelError(f"no {e.name!r} here" + nearest(e.name or "", known)) from None
    except Exception as e:
        shown = e.msg if isinstance(e, SyntaxError) else e
        raise ModelError(f"annotation {annotation!r}: {shown}") from None
    return _filled(owner, found)


def _filled(owner: Any, annotation: Any) -> Any:
    """Return the annotation with the domains that a block was given; the same object
    if it has none, because a domain's name is found by its identity."""
    filled = _with_given(owner, annotation)
    return annotation if filled == annotation else filled


def _with_given(owner: Any, annotation: Any) -> Any:
    match annotation:
        case OwnDomain(name=name):
            found = members(owner)[name]
            if isinstance(found, OwnDomain):
                raise ModelError(f"{name} is not given: set self.{name} in __init__")
            return found
        case _Int(lo, hi):
            return _Int(_with_given(owner, lo), _with_given(owner, hi))
        case _Maybe(inner):
            return _Maybe(_with_given(owner, inner))
        case _SetOf(inner):
            return _SetOf(_with_given(owner, inner))
        case _Given(feature, inner, off):
            return _Given(_with_given(owner, feature), _with_given(owner, inner), off)
        case _:
            return annotation
