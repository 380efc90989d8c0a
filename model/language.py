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

An instance (`Pool(bounds={"V": 3})`) runs under CPython as it stands: pdb,
coverage, hypothesis and the replay of traces work on it. checker.frontend
compiles the same text. Names of bounds, domains and features that a method
mentions mean, inside an instance, that instance's values: its methods are
rebound to a namespace where `V` is 3 and `VMAS` can be iterated.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import product
from types import CellType, FunctionType
from typing import Any, TypeVar

# --- errors --------------------------------------------------------------


class ModelError(Exception):
    """A mistake in a design: a wrong sort, a name that does not exist."""


class OutOfRange(ModelError):
    """A field was left outside its declared range at the end of an action."""


class OutOfDomain(ModelError, IndexError):
    """A table was read or written outside its index domain."""


class Disabled(Exception):
    """A `require` was false: the action cannot happen here."""


def require(condition: bool) -> None:
    """The action is possible only where ``condition`` holds. Where it does
    not, nothing happened, whatever was assigned before."""
    if not condition:
        raise Disabled


# --- bounds and features -------------------------------------------------

Size = "int | Bound | Sum"


class _Arithmetic:
    """+, - and * over bounds and ints, kept as a tree until a spec binds it."""

    def __add__(self, other: Any) -> Arithmetic:
        return Arithmetic("+", self, other)

    def __radd__(self, other: Any) -> Arithmetic:
        return Arithmetic("+", other, self)

    def __sub__(self, other: Any) -> Arithmetic:
        return Arithmetic("-", self, other)

    def __rsub__(self, other: Any) -> Arithmetic:
        return Arithmetic("-", other, self)

    def __mul__(self, other: Any) -> Arithmetic:
        return Arithmetic("*", self, other)

    def __rmul__(self, other: Any) -> Arithmetic:
        return Arithmetic("*", other, self)


@dataclass(frozen=True)
class Bound(_Arithmetic):
    """A size that a spec sets (``bounds V = 3``); at least ``least``."""

    name: str
    default: int
    least: int = 1
    doc: str = ""


@dataclass(frozen=True)
class Arithmetic(_Arithmetic):
    """An operation over bounds."""

    op: str
    left: Any
    right: Any


@dataclass(frozen=True)
class Feature:
    """A part of a design that a spec can leave out (``without fork``). In a
    method, ``if FORK:`` is decided when the design is bound."""

    name: str
    default: bool = True
    doc: str = ""


# --- domains -------------------------------------------------------------


class Domain:
    """What values a field, a parameter or an index has."""


@dataclass(frozen=True)
class _Int(Domain):
    lo: Any
    hi: Any


@dataclass(frozen=True)
class _Wrapping(Domain):
    bits: int


@dataclass(frozen=True)
class _Bool(Domain):
    pass


@dataclass(frozen=True)
class _Enum(Domain):
    members: type[Enum]


@dataclass(frozen=True)
class _Scalarset(Domain):
    name: str
    size: Any
    prefix: str
    ordered: bool


@dataclass(frozen=True)
class _Maybe(Domain):
    inner: Any


@dataclass(frozen=True)
class _SetOf(Domain):
    inner: Any


@dataclass(frozen=True)
class _Given(Domain):
    feature: Feature
    inner: Any
    off: Any


# The functions return Any: a domain stands in annotations and is iterated.


def Int(lo: Any = None, hi: Any = None) -> Any:
    """The integers lo..hi; a missing end is open. Leaving the range is an
    error of the model, found by every engine."""
    return _Int(lo, hi)


def Natural() -> Any:
    """A counter without upper bound."""
    return _Int(0, None)


def Wrapping(bits: int) -> Any:
    """An unsigned machine integer: every assignment wraps modulo 2**bits."""
    return _Wrapping(bits)


def Bool() -> Any:
    """False, True."""
    return _Bool()


def Scalarset(name: str, size: Any, prefix: str = "", ordered: bool = False) -> Any:
    """``size`` elements that can be compared for equality only. Engines use
    that they are interchangeable, after checking that no action tells them
    apart. ``ordered`` ones may be told apart by position (a fallback order
    of nodes): they are never permuted."""
    return _Scalarset(name, size, prefix or name.lower().removesuffix("s"), ordered)


def Maybe(domain: Any) -> Any:
    """A value of a Scalarset, or None."""
    return _Maybe(domain)


def SetOf(domain: Any) -> Any:
    """The subsets of a small domain: node masks."""
    return _SetOf(domain)


def Given(feature: Feature, domain: Any, off: Any) -> Any:
    """``domain`` where the feature is on; where it is off, only ``off``."""
    return _Given(feature, domain, off)


class Element:
    """One element of a Scalarset. It has a name and equality, no order."""

    __slots__ = ("index", "prefix", "scalarset")

    def __init__(self, scalarset: str, prefix: str, index: int) -> None:
        self.scalarset, self.prefix, self.index = scalarset, prefix, index

    def __eq__(self, other: object) -> bool:
        if other is None:
            return False
        if not isinstance(other, Element) or other.scalarset != self.scalarset:
            raise ModelError(f"{self} is compared with {other!r}: not the same sort")
        return self.index == other.index

    def __hash__(self) -> int:
        return hash((self.scalarset, self.index))

    def __repr__(self) -> str:
        return f"{self.prefix}{self.index}"


class Any_:
    """The initial value ANY: every value of the field's range is a start."""

    def __repr__(self) -> str:
        return "ANY"


ANY = Any_()


@dataclass(frozen=True)
class Values:
    """A domain bound to sizes: raw values lo..hi and what they mean.

    ``kind`` is int, bool, enum, element or set. ``lo``/``hi`` are ints, None
    (open), or arithmetic over bounds that were left symbolic.
    """

    kind: str
    name: str
    lo: Any
    hi: Any
    bits: int | None = None
    members: type[Enum] | None = None
    size: int = 0
    prefix: str = ""
    ordered: bool = False
    inner: Values | None = None

    def python(self, raw: int) -> Any:
        """The Python value of a raw one."""
        match self.kind:
            case "bool":
                return bool(raw)
            case "enum":
                assert self.members is not None
                return list(self.members)[raw]
            case "element":
                if raw == self.size:
                    return None
                return Element(self.name, self.prefix, raw)
            case "set":
                assert self.inner is not None
                return frozenset(v for k, v in enumerate(self.inner) if raw >> k & 1)
            case _:
                return raw

    def raw(self, value: Any) -> int:
        """The raw value of a Python one. Raises ModelError for a value of
        another sort (True is no int here); a range is not checked."""
        match self.kind:
            case "bool" if isinstance(value, bool):
                return int(value)
            case "enum" if self.members is not None and isinstance(
                value, self.members
            ):
                return list(self.members).index(value)
            case "element" if value is None:
                return self.size
            case "element" if (
                isinstance(value, Element) and value.scalarset == self.name
            ):
                return value.index
            case "set" if isinstance(value, frozenset | set):
                assert self.inner is not None
                return sum(1 << self.inner.raw(v) - self.inner.lo for v in value)
            case "int" if isinstance(value, int) and not isinstance(
                value, bool | Enum
            ):
                return value if self.bits is None else value % (1 << self.bits)
        raise ModelError(f"{value!r} is no value of {self}")

    def __iter__(self) -> Iterator[Any]:
        return (self.python(raw) for raw in range(self.lo, self.hi + 1))

    def __len__(self) -> int:
        return int(self.hi - self.lo + 1)

    def __contains__(self, value: object) -> bool:
        return bool(self.lo <= self.raw(value) <= self.hi)

    def __str__(self) -> str:
        match self.kind:
            case "int" if self.bits is not None:
                return f"unsigned {self.bits}-bit integers"
            case "int":
                return f"integers {_show(self.lo, '-inf')}..{_show(self.hi, 'inf')}"
            case "set":
                return f"sets of {self.inner}"
            case _:
                return self.name


def _show(end: Any, missing: str) -> str:
    return missing if end is None else str(end)


@dataclass(frozen=True)
class Binding:
    """Values for bounds and features. A bound in ``symbolic`` stays a name:
    only the frontend, proving for any size, asks for that."""

    bounds: Mapping[str, int]
    features: Mapping[str, bool]
    symbolic: frozenset[str] = frozenset()

    def size(self, value: Any) -> Any:
        """The int that ``value`` means here, or arithmetic over symbolic
        bounds, or None."""
        if isinstance(value, Bound):
            if value.name in self.symbolic:
                return value
            return self.bounds.get(value.name, value.default)
        if isinstance(value, Arithmetic):
            left, right = self.size(value.left), self.size(value.right)
            if isinstance(left, int) and isinstance(right, int):
                return _ARITHMETIC[value.op](left, right)
            return Arithmetic(value.op, left, right)
        return value

    def on(self, feature: Feature) -> bool:
        return self.features.get(feature.name, feature.default)

    def values(self, domain: Any) -> Values:
        """The domain with its sizes filled in. Raises ModelError where a
        scalarset or index would need a symbolic bound."""
        match domain:
            case Values():
                return domain
            case _Int(lo, hi):
                return Values("int", "int", self.size(lo), self.size(hi))
            case _Wrapping(bits):
                return Values("int", "int", 0, (1 << bits) - 1, bits=bits)
            case _Bool():
                return Values("bool", "bool", 0, 1)
            case _Enum(members):
                return Values("enum", members.__name__, 0, len(members) - 1,
                              members=members)  # fmt: skip
            case type() if issubclass(domain, Enum):
                return self.values(_Enum(domain))
            case _Scalarset(name, size, prefix, ordered):
                n = self.size(size)
                if not isinstance(n, int):
                    raise ModelError(f"the size of {name} cannot stay symbolic")
                return Values("element", name, 0, n - 1, size=n, prefix=prefix,
                              ordered=ordered)  # fmt: skip
            case _Maybe(inner):
                v = self.values(inner)
                if v.kind != "element":
                    raise ModelError(f"Maybe({v}): only a Scalarset can be absent")
                return Values("element", v.name, 0, v.size, size=v.size,
                              prefix=v.prefix, ordered=v.ordered)  # fmt: skip
            case _SetOf(inner):
                v = self.values(inner)
                return Values("set", v.name, 0, (1 << len(v)) - 1, inner=v)
            case _Given(feature, inner, off):
                v = self.values(inner)
                if self.on(feature):
                    return v
                raw = v.raw(off)
                return Values(v.kind, v.name, raw, raw, v.bits, v.members, v.size,
                              v.prefix, v.ordered, v.inner)  # fmt: skip
        raise ModelError(
            f"{domain!r} is no domain: write Int(lo, hi), Bool(), an Enum class, "
            "Scalarset(...), Maybe(...), SetOf(...), Wrapping(bits)"
        )


_ARITHMETIC: dict[str, Callable[[int, int], int]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
}

# --- fields --------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Field:
    """A declared state variable; use `var` and `table` to make one."""

    index: tuple[Any, ...]
    domain: Any
    init: Any
    when: tuple[Feature, ...]
    doc: str

    def default(self, values: Values) -> Any:
        """The initial Python value of each cell (ANY stays ANY)."""
        if self.init is not None:
            return self.init
        match values.kind:
            case "int" if values.lo is None or values.lo == 0:
                return 0
            case "set":
                return frozenset()
            case "element" if values.hi != values.size:
                raise ModelError(
                    f"a field over {values} needs an initial value: "
                    f"make it Maybe({values.name}), or init=ANY"
                )
            case "element":
                return None
            case _:
                return values.python(values.lo) if isinstance(values.lo, int) else 0


def _features(when: Feature | Sequence[Feature] | None) -> tuple[Feature, ...]:
    if when is None:
        return ()
    return (when,) if isinstance(when, Feature) else tuple(when)


def var(domain: Any, init: Any = None, when: Any = None, doc: str = "") -> Any:
    """A state variable. ``init``: a value, a bound, or ANY; by default 0,
    False, the first label, None or the empty set. ``when``: features without
    which it is no state, and reads as its initial value."""
    return Field((), domain, init, _features(when), doc)


def table(*index_and_domain: Any, init: Any = None, when: Any = None,
          doc: str = "") -> Any:  # fmt: skip
    """A state variable for each value of one or two index domains:
    ``table(NODES, Int(0, B), init=B)``."""
    *index, domain = index_and_domain
    if not 1 <= len(index) <= 2:
        raise ModelError("table(INDEX, DOMAIN) or table(INDEX, INDEX, DOMAIN)")
    return Field(tuple(index), domain, init, _features(when), doc)


class TableValue:
    """A table's cells while a design runs under CPython."""

    __slots__ = ("cells", "frozen", "index", "name", "values")

    def __init__(
        self, name: str, index: tuple[Values, ...], values: Values, init: Any,
        frozen: bool,
    ) -> None:  # fmt: skip
        self.name, self.index, self.values, self.frozen = name, index, values, frozen
        raw = values.raw(init)
        spaces = (range(v.lo, v.hi + 1) for v in index)
        self.cells = dict.fromkeys(product(*spaces), raw)

    def _at(self, key: Any) -> tuple[int, ...]:
        keys = key if isinstance(key, tuple) else (key,)
        if len(keys) != len(self.index):
            raise ModelError(f"{self.name} takes {len(self.index)} indices")
        raw = tuple(v.raw(k) for v, k in zip(self.index, keys, strict=True))
        if raw not in self.cells:
            raise OutOfDomain(f"{self.name}[{key}]: no such index")
        return raw

    def __getitem__(self, key: Any) -> Any:
        return self.values.python(self.cells[self._at(key)])

    def __setitem__(self, key: Any, value: Any) -> None:
        at, raw = self._at(key), self.values.raw(value)
        if self.frozen and raw != self.cells[at]:
            raise OutOfRange(f"{self.name} is off and cannot change")
        self.cells[at] = raw


# --- blocks and designs --------------------------------------------------

Method = TypeVar("Method", bound=Callable[..., Any])


@dataclass(frozen=True)
class ActionMark:
    """What `@action` remembers: the kernel function and the features."""

    kernel: str
    when: tuple[Feature, ...]


def action(
    function: Method | None = None, *, kernel: str = "", when: Any = None
) -> Any:
    """Marks a method as an action: one critical section that may happen for
    any arguments its `require`s allow. ``kernel`` cites file:function."""

    def mark(method: Method) -> Method:
        method.__dict__["action"] = ActionMark(kernel, _features(when))
        return method

    return mark if function is None else mark(function)


def observer(function: Method) -> Method:
    """Marks a pure method that specs may call by its name."""
    function.__dict__["observer"] = True
    return function


class Block:
    """A part of a design with fields and helper methods of its own. Declare
    fields in the class body, or in __init__ from the domains it is given."""

    def __setattr__(self, name: str, value: Any) -> None:
        fields: dict[str, tuple[Values, bool]] | None = self.__dict__.get("_scalars")
        if fields is None:  # still being declared
            object.__setattr__(self, name, value)
            return
        if name not in fields:
            raise ModelError(
                f"{type(self).__name__} has no field {name!r}: declare it with "
                f"var(...); its fields are {', '.join(sorted(fields)) or 'none'}"
            )
        values, frozen = fields[name]
        python = values.python(values.raw(value))
        if frozen and python != getattr(self, name):
            raise OutOfRange(f"{name} is off and cannot change")
        object.__setattr__(self, name, python)


def members(thing: Any) -> dict[str, Any]:
    """All attributes of a design class, or of a block as declared: base
    classes first, then the class, then what __init__ set."""
    cls = thing if isinstance(thing, type) else type(thing)
    found: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        if base in (object, Block, Design):
            continue
        found.update(vars(base))
    if not isinstance(thing, type):
        found.update(vars(thing))
    return found


@dataclass(frozen=True)
class Slot:
    """One state variable of a bound design: where it lives and its values."""

    name: str
    field: Field
    index: tuple[Values, ...]
    values: Values
    off: bool


def slots(owner: Any, binding: Binding, prefix: str = "") -> Iterator[Slot]:
    """Every state variable of a design class (or block), in declaration
    order, blocks' fields as ``block.field``. Fields of features that are off
    come with ``off`` set."""
    for name, value in members(owner).items():
        match value:
            case Field():
                off = not all(binding.on(f) for f in value.when)
                yield Slot(
                    prefix + name,
                    value,
                    tuple(binding.values(d) for d in value.index),
                    binding.values(value.domain),
                    off,
                )
            case Block():
                yield from slots(value, binding, f"{prefix}{name}.")


def action_methods(cls: type[Design]) -> dict[str, tuple[FunctionType, ActionMark]]:
    """The actions by name, in order of first declaration. A subclass that
    overrides a method of the same name keeps it an action; one that sets the
    name to None removes it."""
    found: dict[str, tuple[FunctionType, ActionMark]] = {}
    for base in reversed(cls.__mro__):
        for name, value in vars(base).items():
            if isinstance(value, FunctionType):
                mark = value.__dict__.get("action") or (
                    found[name][1] if name in found else None
                )
                if mark is not None:
                    found[name] = (value, mark)
            elif value is None and name in found:
                del found[name]
    return found


def observer_methods(cls: type[Design]) -> dict[str, FunctionType]:
    """The observers by name."""
    found: dict[str, FunctionType] = {}
    for base in reversed(cls.__mro__):
        for name, value in vars(base).items():
            if isinstance(value, FunctionType) and (
                value.__dict__.get("observer") or name in found
            ):
                found[name] = value
    return found


def parameters(cls: type, function: FunctionType) -> dict[str, Any]:
    """A method's parameters and their domains, from its annotations; a
    missing annotation is taken from the method it overrides. Raises
    ModelError where there is none."""
    names = list(inspect.signature(function).parameters)[1:]
    overridden = [
        vars(base)[function.__name__]
        for base in cls.__mro__
        if isinstance(vars(base).get(function.__name__), FunctionType)
    ]
    domains: dict[str, Any] = {}
    for name in names:
        for f in (function, *overridden):
            if name in f.__annotations__:
                domains[name] = _evaluated(cls, f, f.__annotations__[name])
                break
        else:
            raise ModelError(
                f"{cls.__name__}.{function.__name__}: parameter {name!r} has no "
                "domain: annotate it, like `vma: VMAS`"
            )
    return domains


def returns(cls: type, function: FunctionType) -> Any:
    """The Enum class that a method's return annotation names, or None."""
    for base in cls.__mro__:
        f = vars(base).get(function.__name__)
        if isinstance(f, FunctionType) and "return" in f.__annotations__:
            return _evaluated(cls, f, f.__annotations__["return"])
    return None


def _evaluated(cls: type, function: FunctionType, annotation: Any) -> Any:
    if not isinstance(annotation, str):
        return annotation
    scope = {k: v for base in reversed(cls.__mro__) for k, v in vars(base).items()}
    try:
        return eval(annotation, function.__globals__, scope)
    except NameError as e:
        raise ModelError(f"{function.__qualname__}: {e}") from None


def _mentioned(function: FunctionType) -> Iterator[Any]:
    """The global values a function's code names, nested code included."""
    codes = [function.__code__]
    while codes:
        code = codes.pop()
        codes.extend(c for c in code.co_consts if inspect.iscode(c))
        for name in code.co_names:
            if name in function.__globals__:
                yield function.__globals__[name]


def declared(cls: type[Design]) -> tuple[dict[str, Bound], dict[str, Feature]]:
    """Every bound and feature that a design depends on, by name."""
    bounds: dict[str, Bound] = {}
    features: dict[str, Feature] = {}

    def visit(value: Any) -> None:
        match value:
            case Bound():
                bounds.setdefault(value.name, value)
            case Feature():
                features.setdefault(value.name, value)
            case Arithmetic(_, left, right):
                visit(left)
                visit(right)
            case _Int(lo, hi):
                visit(lo)
                visit(hi)
            case _Scalarset(_, size, _, _):
                visit(size)
            case _Maybe(inner) | _SetOf(inner):
                visit(inner)
            case _Given(feature, inner, _):
                visit(feature)
                visit(inner)
            case Field(index, domain, init, when, _):
                for part in (*index, domain, init, *when):
                    visit(part)
            case FunctionType():
                for part in value.__annotations__.values():
                    visit(part)
                for part in _mentioned(value):
                    if isinstance(part, Domain | Bound | Feature | Arithmetic):
                        visit(part)
                mark = value.__dict__.get("action")
                if mark is not None:
                    for feature in mark.when:
                        visit(feature)
            case Block():
                for part in members(value).values():
                    visit(part)

    for value in members(cls).values():
        visit(value)
    return bounds, features


def structural(cls: type[Design]) -> frozenset[str]:
    """The bounds that decide how many variables, actions or loop rounds
    there are; the others can stay symbolic in a proof for any size."""
    needed: set[str] = set()

    def sizes(value: Any) -> None:
        match value:
            case Bound():
                needed.add(value.name)
            case Arithmetic(_, left, right):
                sizes(left)
                sizes(right)
            case _Int(lo, hi):
                sizes(lo)
                sizes(hi)
            case _Scalarset(_, size, _, _):
                sizes(size)
            case _Maybe(inner) | _SetOf(inner) | _Given(_, inner, _):
                sizes(inner)

    def visit(value: Any) -> None:
        match value:
            case Field(index, domain, _, _, _):
                for part in index:
                    sizes(part)
                if not isinstance(domain, _Int):
                    sizes(domain)
            case FunctionType():
                for name, part in value.__annotations__.items():
                    if name != "return":
                        sizes(part)
                for part in _mentioned(value):
                    if isinstance(part, Domain):
                        sizes(part)
            case Block():
                for part in members(value).values():
                    visit(part)
            case Domain():
                sizes(value)

    for value in members(cls).values():
        visit(value)
    return frozenset(needed)


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
        if cls in (object, Block, Design):
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

    def function(self, f: FunctionType, new: type) -> FunctionType:
        key = id(f.__globals__)
        if key not in self.namespaces:
            self.namespaces[key] = {k: self.bound(v) for k, v in f.__globals__.items()}
        cells = f.__closure__
        if cells is not None:
            names = f.__code__.co_freevars
            cells = tuple(
                CellType(new) if n == "__class__" else c
                for n, c in zip(names, cells, strict=True)
            )
        copy = FunctionType(
            f.__code__, self.namespaces[key], f.__name__, f.__defaults__, cells
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

    def __new__(
        cls,
        bounds: Mapping[str, int] | None = None,
        without: Sequence[str] = (),
        having: Sequence[str] = (),
    ) -> Any:
        binding = bind(cls, bounds or {}, without, having)
        twins = _Twins(binding)
        design = object.__new__(twins.twin(cls))
        _fill(design, members(cls), binding, twins, "")
        object.__setattr__(design, "_binding", binding)
        object.__setattr__(design, "_source", cls)
        object.__setattr__(
            design, "_slots", [s for s in slots(cls, binding) if not s.off]
        )
        return design

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def initial(self) -> bool:
        """Which of the possible starts (fields with init=ANY) are meant."""
        return True

    # -- what replay and fuzzing use --

    def load(self, state: Sequence[int]) -> None:
        """Sets every cell from raw values, in the order of `dump`."""
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
        """The raw values of all cells: fields in declaration order, tables
        row by row. Equal to the checker's State."""
        state: list[int] = []
        for slot in self._slots:  # type: ignore[attr-defined]
            owner, name = _owner(self, slot.name)
            value = getattr(owner, name)
            if slot.index:
                state.extend(value.cells.values())
            else:
                state.append(slot.values.raw(value))
        return tuple(state)

    def step(self, name: str, *arguments: Any) -> Any:
        """Takes an action with Python arguments and returns its result.
        Raises Disabled where a `require` is false, OutOfRange/OutOfDomain/
        AssertionError where the model is wrong; the state is then as before.
        """
        before = self.dump()
        try:
            result = getattr(self, name)(*arguments)
            self.check_ranges()
        except BaseException:
            self.load(before)
            raise
        return result

    def check_ranges(self) -> None:
        """Raises OutOfRange, naming the first cell outside its range."""
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


def _owner(design: Any, dotted: str) -> tuple[Any, str]:
    *path, name = dotted.split(".")
    for part in path:
        design = getattr(design, part)
    return design, name


def _fill(
    target: Any, parts: Mapping[str, Any], binding: Binding, twins: _Twins, prefix: str
) -> None:
    scalars: dict[str, tuple[Values, bool]] = {}
    for name, value in parts.items():
        if isinstance(value, Field):
            values = binding.values(value.domain)
            init = value.default(values)
            start = values.python(values.lo) if init is ANY else binding.size(init)
            off = not all(binding.on(f) for f in value.when)
            if value.index:
                index = tuple(binding.values(d) for d in value.index)
                stored = TableValue(prefix + name, index, values, start, off)
                object.__setattr__(target, name, stored)
            else:
                scalars[name] = (values, off)
                object.__setattr__(target, name, values.python(values.raw(start)))
        elif isinstance(value, Block):
            inner = object.__new__(twins.twin(type(value)))
            _fill(inner, members(value), binding, twins, f"{prefix}{name}.")
            object.__setattr__(target, name, inner)
        elif isinstance(value, Domain | Bound | Arithmetic | Feature):
            object.__setattr__(target, name, twins.bound(value))
        elif name in vars(target) or not isinstance(
            value, FunctionType | property | classmethod | staticmethod
        ):
            if not (name.startswith("__") and name.endswith("__")):
                object.__setattr__(target, name, value)
    object.__setattr__(target, "_scalars", scalars)


def bind(
    cls: type[Design],
    bounds: Mapping[str, int],
    without: Sequence[str] = (),
    having: Sequence[str] = (),
    symbolic: frozenset[str] = frozenset(),
) -> Binding:
    """All bounds and features of the design with the given ones set."""
    known, features = declared(cls)
    for name, value in bounds.items():
        if name not in known:
            raise ModelError(
                f"{cls.__name__} has no bound {name!r}; "
                f"it has {', '.join(sorted(known)) or 'none'}"
            )
        if value < known[name].least:
            raise ModelError(f"{name} = {value}: at least {known[name].least}")
    for name in (*without, *having):
        if name not in features:
            raise ModelError(
                f"{cls.__name__} has no feature {name!r}; "
                f"it has {', '.join(sorted(features)) or 'none'}"
            )
    return Binding(
        {n: bounds.get(n, b.default) for n, b in known.items()},
        {
            n: (f.default or n in having) and n not in without
            for n, f in features.items()
        },
        symbolic,
    )
