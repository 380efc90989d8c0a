# SPDX-License-Identifier: GPL-2.0-only
"""The designs and specs by name: the shipped ones, and the user's files."""

from __future__ import annotations

import importlib
import importlib.util
import os
import pkgutil
import signal
import sys
import threading
import traceback
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from types import FrameType, ModuleType

from poolproof.checker.core.diagnostic import UserError, has_no
from poolproof.checker.core.source import shown_path
from poolproof.checker.core.system import Span
from poolproof.checker.core.user_file import read_text
from poolproof.checker.spec.heirs import nearest_named
from poolproof.checker.spec.syntax import Spec, Word
from poolproof.model import designs
from poolproof.model.language import Design, ModelError, action_methods, did_you_mean

ROOT = Path(__file__).resolve().parents[2]
"""The checkout, or the installed package, with specs/ and counterexamples/ in it."""


@dataclass(frozen=True)
class DesignRef:
    """A design class, and what to write after --design to mean it."""

    cls: type[Design]
    reference: str

    @property
    def name(self) -> str:
        return self.cls.__name__

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        """A process that reads it imports the user's file again."""
        return _again, (self.reference, self.name)


def _again(reference: str, name: str) -> DesignRef:
    return next(k for k in designs_named(reference) if k.name == name)


@cache
def design_modules() -> tuple[ModuleType, ...]:
    """Return the modules of model/designs."""
    infos = pkgutil.walk_packages(designs.__path__, f"{designs.__name__}.")
    return tuple(importlib.import_module(info.name) for info in infos)


def is_of_bugs(module: ModuleType) -> bool:
    """Return whether the module is in a package ``bugs``: its designs are no
    proposals, but have one bug that a kernel once had."""
    return "bugs" in module.__name__.split(".")


@cache
def shipped_designs() -> tuple[DesignRef, ...]:
    """Return the designs of model/designs without those of `shipped_bugs`, sorted
    by name."""
    return _sorted(m for m in design_modules() if not is_of_bugs(m))


@cache
def shipped_bugs() -> tuple[DesignRef, ...]:
    """Return the designs with a bug that a kernel once had, sorted by name."""
    return _sorted(m for m in design_modules() if is_of_bugs(m))


def _sorted(modules: Iterable[ModuleType]) -> tuple[DesignRef, ...]:
    found = [DesignRef(c, c.__name__) for m in modules for c in _designs_in(m)]
    return tuple(sorted(found, key=lambda k: k.name))


def shipped_scenarios() -> tuple[str, ...]:
    """The files of specs/scenarios/, as a user would type them, sorted."""
    return _shipped("scenario")


def shipped_interfaces() -> tuple[str, ...]:
    """Return the shipped `.interface` files, as a user would type them, sorted."""
    return _shipped("interface")


def find_spec(name: str) -> str:
    """Return the path of a spec, scenario or interface. ``name`` is a path, or the
    name of a shipped one without folder and ending. Raise UserError if no shipped one
    has that name."""
    if _is_path(name) or Path(name).suffix:
        return name
    paths = (*shipped_specs(), *shipped_scenarios(), *shipped_interfaces())
    known = {Path(path).stem: path for path in paths}
    if name not in known:
        raise UserError(
            None,
            f"there is no spec {name!r}{did_you_mean(name, tuple(known))}; write the "
            "path of a file, or a name of `poolproof list`",
        )
    return known[name]


def shipped_specs() -> tuple[str, ...]:
    """Return the files of specs/, as a user would type them, sorted."""
    return _shipped("spec")


def _shipped(ending: str) -> tuple[str, ...]:
    return tuple(sorted(shown_path(str(p)) for p in ROOT.glob(f"specs/**/*.{ending}")))


def _designs_in(module: ModuleType) -> list[type[Design]]:
    """The designs that a module itself defines, in its order."""
    return [
        value
        for name, value in vars(module).items()
        if isinstance(value, type)
        and issubclass(value, Design)
        and value.__module__ == module.__name__
        and not name.startswith("_")
        and action_methods(value)
    ]


# --- by name --------------------------------------------------------------


def designs_named(reference: str | DesignRef) -> tuple[DesignRef, ...]:
    """The designs that --design means: `Hugetlb`, `package.module:Class`,
    `file.py:Class`, or every design of `file.py` or `package.module`. Raises
    UserError where there is none."""
    if isinstance(reference, DesignRef):
        return (reference,)
    place, colon, name = reference.rpartition(":")
    if not colon or name.endswith(".py") or "/" in name:
        place, name = reference, ""
    if not name and not _is_path(place) and "." not in place:
        return (_one_of(_every_design(), place, "model/designs"),)
    found = from_file(place) if _is_path(place) else _from_module(place)
    if not found:
        raise UserError(
            None,
            f"{place} has no design: a class that inherits Design "
            "and has methods under @action",
        )
    return (_one_of(found, name, place),) if name else found


def one_design(reference: str) -> DesignRef:
    """Return the only design that is meant. Raises UserError."""
    found = designs_named(reference)
    if len(found) != 1:
        names = ", ".join(k.name for k in found)
        raise UserError(None, f"which of {names}? Write file.py:Class")
    return found[0]


def _every_design() -> tuple[DesignRef, ...]:
    return (*shipped_designs(), *shipped_bugs())


def _is_path(place: str) -> bool:
    return place.endswith(".py") or "/" in place or Path(place).exists()


def _one_of(known: Sequence[DesignRef], name: str, place: str) -> DesignRef:
    for design in known:
        if design.name == name:
            return design
    bugs = {k.cls for k in shipped_bugs()}
    names = tuple(k.name for k in known if k.cls not in bugs)
    raise UserError(None, has_no(place, "design", name, names))


def _from_module(name: str) -> tuple[DesignRef, ...]:
    try:
        with _interrupts_apart():
            module = importlib.import_module(name)
    except ModuleNotFoundError as e:
        if e.name is not None and (name == e.name or name.startswith(e.name + ".")):
            raise UserError(
                None, f"there is no module {name!r}; for a file write path/to/file.py"
            ) from None
        raise _raised(e, name) from None
    except (Exception, _Raised) as e:
        raise _raised(e, name) from None
    return tuple(DesignRef(c, f"{name}:{c.__name__}") for c in _designs_in(module))


_loaded: dict[Path, tuple[DesignRef, ...]] = {}


def from_file(path: str) -> tuple[DesignRef, ...]:
    """Return the designs that a user's file defines. Raise UserError if the file is
    no Python, or cannot be imported."""
    text = read_text(path, "a design (a Python file)")
    where = Path(path).resolve()
    if where not in _loaded:
        try:
            compile(text, path, "exec", dont_inherit=True)
        except SyntaxError as e:
            raise UserError(
                Span(path, e.lineno or 1, e.offset or 1),
                f"{e.msg} (Python cannot read this)",
            ) from None
        except (ValueError, RecursionError, MemoryError) as e:
            raise UserError(Span(path, 1, 1), str(e) or type(e).__name__) from None
        designs = _designs_in(_imported(where, path))
        _loaded[where] = tuple(DesignRef(c, f"{path}:{c.__name__}") for c in designs)
    return _loaded[where]


def _imported(where: Path, path: str) -> ModuleType:
    name = f"design_file_{sha256(os.fsencode(where)).hexdigest()[:8]}_{where.stem}"
    spec = importlib.util.spec_from_file_location(name, where)
    if spec is None or spec.loader is None:
        raise UserError(None, f"{path}: name a file that ends in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    beside, silent = str(where.parent), sys.dont_write_bytecode
    sys.path.insert(0, beside)
    sys.dont_write_bytecode = True
    try:
        with _interrupts_apart():
            spec.loader.exec_module(module)
    except (Exception, _Raised) as e:
        del sys.modules[name]
        raise _raised(e, path, where) from None
    finally:
        sys.path.remove(beside)
        sys.dont_write_bytecode = silent
    return module


class _Raised(BaseException):
    """A module raised something that is no Exception: the cause."""


@contextmanager
def _interrupts_apart() -> Iterator[None]:
    """Within, a user's module is imported. Whatever it raises that is no
    Exception (SystemExit, KeyboardInterrupt) comes out as `_Raised`, and
    Ctrl-C does as KeyboardInterrupt."""
    came: list[int] = []
    handler = signal.getsignal(signal.SIGINT)

    def note(number: int, frame: FrameType | None) -> None:
        came.append(number)
        if callable(handler):
            handler(number, frame)

    ours = callable(handler) and threading.current_thread() is threading.main_thread()
    if ours:
        signal.signal(signal.SIGINT, note)
    try:
        yield
    except Exception:
        raise
    except BaseException as e:
        if came:
            raise
        raise _Raised from e
    finally:
        if ours:
            signal.signal(signal.SIGINT, handler)


def _raised(error: BaseException, place: str, file: Path | None = None) -> UserError:
    """Return the error for an exception that a module raised while it was imported, at
    its own line."""
    if isinstance(error, _Raised) and error.__cause__ is not None:
        error = error.__cause__
    said = str(error)
    if isinstance(error, SyntaxError):
        where = shown_path(error.filename or place)
        return UserError(Span(where, error.lineno or 1, error.offset or 1), error.msg)
    if not isinstance(error, ModelError):
        said = f"importing this raises {type(error).__name__}" + (
            f": {said}" if said else ""
        )
    span: Span | None = None if file is None else Span(place, 1, 1)
    for frame in traceback.extract_tb(error.__traceback__):
        if file is not None and Path(frame.filename) == file:
            span = Span(place, frame.lineno or 1, (frame.colno or 0) + 1)
    return UserError(span, said)


# --- for a spec -----------------------------------------------------------


def designs_for(spec: Spec, given: Sequence[str | DesignRef]) -> tuple[DesignRef, ...]:
    """The designs to check a spec with. ``given`` (--design) narrows them: a
    design named there is taken as it is, a file serves as a place to look
    the spec's `for` names up. Without it they are looked up in a Python file
    of the spec's own name beside it, and among the shipped ones."""
    chosen: dict[type[Design], DesignRef] = {}
    for reference in given:
        found = designs_named(reference)
        if len(found) > 1:
            found = tuple(k for k in found if is_for(spec, k)) or found
        chosen.update((k.cls, k) for k in found)
    if given:
        return tuple(chosen.values())
    for word in spec.designs:
        known = _for_name(spec, word)
        chosen[known.cls] = known
    if not chosen:
        raise UserError(
            Span(spec.file, 1, 1),
            "which design? Write `for Hugetlb` below the title, or use --design",
        )
    return tuple(chosen.values())


def is_for(spec: Spec, known: DesignRef) -> bool:
    """Return whether the spec names the design, or one that it inherits."""
    return nearest_named(known.cls, (w.text for w in spec.designs)) is not None


def specs_for(specs: Sequence[Spec], known: DesignRef) -> tuple[Spec, ...]:
    """Return those of the specs that are asked of a design: those that name
    it. Where none does, those that name the nearest base that any names."""
    words = [w.text for spec in specs for w in spec.designs]
    name = nearest_named(known.cls, words)
    return tuple(s for s in specs if name in {w.text for w in s.designs})


def designs_of(
    words: Sequence[Word], wanted: Sequence[DesignRef]
) -> tuple[DesignRef, ...]:
    """Return those of the wanted designs that a `for` line names, or a base
    of theirs, in the order of the line."""
    order = {w.text: k for k, w in enumerate(words)}
    found = [(nearest_named(k.cls, order), k) for k in wanted]
    mine = [(order[name], k) for name, k in found if name is not None]
    return tuple(k for _, k in sorted(mine, key=lambda pair: pair[0]))


def _for_name(spec: Spec, word: Word) -> DesignRef:
    for known in _places(spec):
        if word.text in (known.name, known.reference.replace(":", ".")):
            return known
    names = tuple(dict.fromkeys(k.name for k in _places(spec)))
    raise UserError(
        word.span,
        f"there is no design {word.text!r}{did_you_mean(word.text, names)}; "
        f"there are {', '.join(names)}; for one of your own, use --design file.py",
    )


def _places(spec: Spec) -> Iterator[DesignRef]:
    beside = Path(spec.file).with_suffix(".py")
    if beside.is_file():
        yield from from_file(str(beside))
    yield from _every_design()
