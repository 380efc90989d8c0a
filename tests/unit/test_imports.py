# SPDX-License-Identifier: GPL-2.0-only
"""Imports go one way, and each third-party library has one home."""

from __future__ import annotations

import ast
import sys
from collections import Counter
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

ROOMS = (
    ("core",),
    ("elaborate", "linux"),
    ("evidence", "frontend", "passes", "backends", "spec"),
    ("engines",),
    ("driver",),
    ("reports",),
    ("conform",),
    ("commands",),
)
"""The rooms of the checker from the bottom up: a module imports from its own
row and from those above it in this list."""

ASIDE = {
    "poolproof.checker.kernel": (
        "poolproof.checker.kernel",
        "poolproof.checker.core.cache",
    )
}
"""The kernel's side, and what it may know of the checker. Rooms of the last two
rows may know it."""

HOMES = {
    "lark": ("spec.grammar", "spec.tree"),
    "z3": (
        "backends.smt",
        "engines.anysize.building",
        "engines.anysize.questions",
        "engines.anysize.regions",
        "engines.anysize.sums",
        "engines.anysize.terms",
        "engines.bmc",
        "engines.induction",
        "engines.effort",
        "engines.any_state",
        "engines.interruptible",
        "engines.prove",
        "engines.smtlib",
        "engines.symbolic",
        "engines.unrolling",
    ),
    "distributed": ("driver.cluster",),
    "hypothesis": ("engines.fuzz",),
    "shtab": ("commands.main",),
    "unidiff": ("linux.patch",),
    "networkx": ("engines.liveness",),
    "matplotlib": ("reports.plot",),
}
"""The modules of the checker that may import a library."""


def modules(package: str) -> dict[str, Path]:
    """Every module of a package by its dotted name."""
    found = {}
    for path in sorted((ROOT / package).rglob("*.py")):
        parts = ("poolproof", *path.relative_to(ROOT).with_suffix("").parts)
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = path
    return found


CHECKER, MODEL = modules("checker"), modules("model")


def imports(path: Path) -> Iterator[str]:
    """The modules that a file names, wherever it imports them."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            assert node.module
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in CHECKER or inner in MODEL else node.module


def within(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == p or module.startswith(p + ".") for p in packages)


def layer(module: str) -> int:
    room = module.removeprefix("poolproof.checker.").partition(".")[0]
    return next(k for k, rooms in enumerate(ROOMS) if room in rooms)


def ours(module: str) -> list[str]:
    """What of the checker a module imports; not the bare packages."""
    found = set(imports(CHECKER[module])) - {"poolproof.checker"}
    inside = ("poolproof.checker",)
    return sorted(m for m in found if within(m, inside) and m != module)


@pytest.mark.parametrize("module", [m for m in CHECKER if m != "poolproof.checker"])
def test_the_checker_imports_downwards(module: str) -> None:
    for package, allowed in ASIDE.items():
        if within(module, (package,)):
            assert all(within(m, allowed) for m in ours(module))
            return
    mine = layer(module)
    for other in ours(module):
        if mine >= len(ROOMS) - 2 and within(other, tuple(ASIDE)):
            continue
        assert layer(other) <= mine, f"{module} imports {other}"


def test_there_is_no_cycle() -> None:
    aside = ("poolproof.checker", "poolproof.checker.spec")
    graph = {m: ours(m) for m in CHECKER if m not in aside}
    tuple(TopologicalSorter(graph).static_order())


@pytest.mark.parametrize("module", MODEL)
def test_the_model_knows_nothing_but_python(module: str) -> None:
    for name in imports(MODEL[module]):
        top = name.partition(".")[0]
        assert within(name, ("poolproof.model",)) or top in sys.stdlib_module_names


@pytest.mark.parametrize("module", CHECKER)
def test_each_library_has_one_home(module: str) -> None:
    for name in imports(CHECKER[module]):
        top = name.partition(".")[0]
        if top == "poolproof" or top in sys.stdlib_module_names:
            continue
        homes = [f"poolproof.checker.{home}" for home in HOMES[top]]
        assert module in homes, f"{module} imports {name}"


def test_no_engine_prints() -> None:
    for module, path in CHECKER.items():
        if within(module, ("poolproof.checker.commands", *ASIDE)):
            continue
        calls = (
            n.func
            for n in ast.walk(ast.parse(path.read_text()))
            if isinstance(n, ast.Call)
        )
        names = {f.id for f in calls if isinstance(f, ast.Name)}
        assert "print" not in names, module


def test_no_file_waives_what_mypy_asks() -> None:
    """What designs need otherwise stands once, in pyproject.toml."""
    waiver = "# " + "mypy:"
    for path in (*CHECKER.values(), *MODEL.values()):
        assert waiver not in path.read_text(), path


def test_test_files_have_names_of_their_own() -> None:
    """Without packages, pytest takes two files of one name for one module."""
    names = Counter(path.name for path in (ROOT / "tests").rglob("test_*.py"))
    assert [name for name, times in names.items() if times > 1] == []
