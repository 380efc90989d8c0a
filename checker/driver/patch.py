# SPDX-License-Identifier: GPL-2.0-only
"""The designs that model the functions which a patch touches, and the specs that
exercise them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from poolproof.checker.core.call_graph import called_by
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.driver.citations import Citation, citations
from poolproof.checker.driver.designs import (
    DesignRef,
    designs_for,
    shipped_specs,
    specs_for,
)
from poolproof.checker.linux.touched import Touched
from poolproof.checker.spec import Spec, parse, sizes
from poolproof.model.language import Design, action_methods, bind

AREA = ("mm/", "fs/hugetlbfs/", "mm.h", "hugetlb")
"""Parts of the paths whose functions are listed even if no design cites them."""


@dataclass(frozen=True)
class CitingMethod:
    """A method of a design that cites a touched function, and the actions that may call
    it. ``method`` is "" if only a docstring cites it."""

    touched: Touched
    citation: Citation
    actions: tuple[str, ...]

    @property
    def method(self) -> str:
        return self.citation.method.__name__ if self.citation.method else ""


@dataclass(frozen=True)
class Modelled:
    """A design that models touched functions. ``heirs`` are those to which the
    same applies; ``base`` is the nearest base that models some, too, and
    ``other`` are the places that this one does not have."""

    known: DesignRef
    places: tuple[CitingMethod, ...]
    heirs: tuple[str, ...] = ()
    base: str = ""
    other: tuple[CitingMethod, ...] = ()

    @property
    def actions(self) -> tuple[str, ...]:
        """The actions that may call a citing method, in the design's order."""
        found = {name for place in self.places for name in place.actions}
        return tuple(n for n in action_methods(self.known.cls) if n in found)


@dataclass(frozen=True)
class Exercised:
    """A spec on a design, with those of the actions that its features enable."""

    spec: Spec
    known: DesignRef
    actions: tuple[str, ...]


def modelled(
    found: Sequence[Touched], designs: Sequence[DesignRef]
) -> tuple[Modelled, ...]:
    """Return the designs that model something of what is touched, those first
    that model more functions, or lead there by more actions. An heir that changes
    none of it is named with its base."""
    places = {k.cls: tuple(_places(k.cls, found)) for k in designs}
    some = [k for k in designs if places[k.cls]]
    heirs: dict[type, list[str]] = {k.cls: [] for k in some}
    own: list[Modelled] = []
    for known in sorted(some, key=lambda k: (len(k.cls.__mro__), k.name)):
        bases = [b for b in known.cls.__mro__[1:] if b in heirs]
        above = {_key(p) for b in bases for p in places[b]}
        alike = [
            b
            for b in bases
            if set(map(_key, places[b])) == set(map(_key, places[known.cls]))
        ]
        if alike:
            heirs[alike[-1]].append(known.name)
            continue
        mine = places[known.cls]
        own.append(
            Modelled(
                known,
                mine,
                base=bases[0].__name__ if bases else "",
                other=tuple(p for p in mine if _key(p) not in above),
            )
        )
    own = [replace(m, heirs=tuple(sorted(heirs[m.known.cls]))) for m in own]
    return tuple(sorted(own, key=lambda m: (-len(_functions(m)), -len(m.actions))))


def _functions(m: Modelled) -> set[str]:
    return {p.touched.name for p in m.places if p.actions}


def _key(place: CitingMethod) -> tuple[str, object]:
    return (place.touched.name, place.citation.method)


def _places(design: type[Design], found: Sequence[Touched]) -> Iterator[CitingMethod]:
    by_name: dict[str, list[Citation]] = {}
    for c in citations(design):
        by_name.setdefault(c.function, []).append(c)
    for one in found:
        names = dict.fromkeys((one.function, one.function.removesuffix("_noprof")))
        some = (c for name in names if name for c in by_name.get(name, ()))
        mine = [c for c in some if cites(c, one)]
        for citation in mine:
            actions = _actions(design, citation)
            if actions or (citation.method is None and len(mine) == 1):
                yield CitingMethod(one, citation, actions)


def cites(citation: Citation, one: Touched) -> bool:
    """Return whether a citation of the function's name means this function. One that
    has moved to another file since is recognised by its name, unless that is a common
    one."""
    if citation.file in (one.file, one.renamed):
        return True
    return citation.written and "_" in citation.function.strip("_")


def _actions(design: type[Design], citation: Citation) -> tuple[str, ...]:
    """Return the actions that may call the citing method."""
    if citation.method is None:
        return ()
    return tuple(
        name
        for name in action_methods(design)
        if any(m.function is citation.method for m in called_by(design, name))
    )


def exercising(which: Sequence[Modelled]) -> tuple[Exercised, ...]:
    """Return the shipped specs whose features enable an action that may call a citing
    method; those with most such actions first."""
    every = [parse(p) for p in shipped_specs()]
    found = [
        Exercised(spec, m.known, actions)
        for m in which
        for spec in specs_for(every, m.known)
        if (actions := _exercised(m, spec))
    ]
    return tuple(sorted(found, key=lambda e: (-len(e.actions), e.spec.file)))


def _exercised(m: Modelled, spec: Spec) -> tuple[str, ...]:
    """Return the actions of a spec that reach a citing method."""
    cls, wanted = m.known.cls, {p.citation.method for p in m.places}
    on = _features(cls, spec)
    return tuple(
        name
        for name, (_, mark) in action_methods(cls).items()
        if name in m.actions
        and all(on.get(f.name, f.default) for f in mark.when)
        and any(c.function in wanted for c in called_by(cls, name, on))
    )


def _features(cls: type[Design], spec: Spec) -> Mapping[str, bool]:
    """Return the features of the spec's first bounds, on or off."""
    try:
        classes = [cls, *(k.cls for k in designs_for(spec, ()) if k.cls is not cls)]
    except UserError:
        classes = [cls]
    own = sizes(spec, classes)[0]
    return bind(cls, own.bounds, own.without, own.having).features


def unmodelled(
    found: Sequence[Touched], which: Sequence[Modelled]
) -> tuple[Touched, ...]:
    """Return the touched functions that no design models, among those of mm and of code
    for huge pages."""
    known = {p.touched.name for m in which for p in m.places}
    return tuple(
        t
        for t in found
        if t.function and t.name not in known and any(a in t.file for a in AREA)
    )
