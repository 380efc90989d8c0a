"""Imports go one way, and each third-party library has one home."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

LAYERS = (
    ("poolproof.checker.core.limits",),
    ("poolproof.checker.core.ir", "poolproof.checker.core.cache"),
    ("poolproof.checker.core.system",),
    (
        "poolproof.checker.core.diagnostic",
        "poolproof.checker.core.property",
        "poolproof.checker.core.compiled",
        "poolproof.checker.core.source",
        "poolproof.checker.core.evaluate",
        "poolproof.checker.core.verdict",
    ),
    (
        "poolproof.checker.frontend.method",
        "poolproof.checker.frontend.overrides",
        "poolproof.checker.frontend.design",
        "poolproof.checker.spec",
        "poolproof.checker.passes.symmetry",
        "poolproof.checker.passes.components",
        "poolproof.checker.backends",
        "poolproof.checker.evidence.replay",
        "poolproof.checker.core",
        "poolproof.checker.driver.effect",
    ),
    ("poolproof.checker.engines",),
    (
        "poolproof.checker.evidence.trace_file",
        "poolproof.checker.evidence.explain",
        "poolproof.checker.reports.text",
        "poolproof.checker.driver.designs",
        "poolproof.checker.driver.check",
        "poolproof.checker.reports.check",
        "poolproof.checker.driver.review",
        "poolproof.checker.driver.stored",
        "poolproof.checker.reports.certificate",
        "poolproof.checker.reports.json",
        "poolproof.checker.driver.mutants",
        "poolproof.checker.driver.mutate",
        "poolproof.checker.driver.guarantee",
        "poolproof.checker.reports.html",
        "poolproof.checker.driver.scores",
        "poolproof.checker.reports.words",
    ),
    ("poolproof.checker.conform",),
    (
        "poolproof.checker.commands.main",
        "poolproof.checker.commands.conform",
        "poolproof.checker.commands.streams",
        "poolproof.__main__",
    ),
)
"""From the bottom up: a module imports from its own layer and those above it
in this list. A package stands for all its modules."""

ASIDE = {
    "poolproof.checker.kernel": (
        "poolproof.checker.kernel",
        "poolproof.checker.core.cache",
    )
}
"""The kernel's side, and what of the checker it may know. The last two layers
may know it."""

HOMES = {
    "lark": ("poolproof.checker.spec.parse",),
    "z3": (
        "poolproof.checker.backends.smt",
        "poolproof.checker.engines.bmc",
        "poolproof.checker.engines.induction",
        "poolproof.checker.engines.interruptible",
        "poolproof.checker.engines.prove",
        "poolproof.checker.engines.smtlib",
    ),
    "hypothesis": ("poolproof.checker.engines.fuzz",),
    "networkx": ("poolproof.checker.engines.liveness",),
}


def modules(package: str) -> dict[str, Path]:
    """Every module of a package by its dotted name."""
    found = {}
    for path in sorted((ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
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
            assert node.level == 0 and node.module, f"{path}: a relative import"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in CHECKER or inner in MODEL else node.module


def within(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == p or module.startswith(p + ".") for p in packages)


def layer(module: str) -> int:
    return next(k for k, names in enumerate(LAYERS) if within(module, names))


def ours(module: str) -> list[str]:
    """What of the checker a module imports; not the bare packages."""
    found = set(imports(CHECKER[module])) - {"checker"}
    return sorted(m for m in found if within(m, ("checker",)) and m != module)


@pytest.mark.parametrize("module", [m for m in CHECKER if m != "checker"])
def test_the_checker_imports_downwards(module: str) -> None:
    for package, allowed in ASIDE.items():
        if within(module, (package,)):
            assert all(within(m, allowed) for m in ours(module))
            return
    mine = layer(module)
    for other in ours(module):
        if mine >= len(LAYERS) - 2 and within(other, tuple(ASIDE)):
            continue
        assert layer(other) <= mine, f"{module} imports {other}"


def test_there_is_no_cycle() -> None:
    graph = {m: ours(m) for m in CHECKER if m != "poolproof.checker.spec"}
    tuple(TopologicalSorter(graph).static_order())


@pytest.mark.parametrize("module", MODEL)
def test_the_model_knows_nothing_but_python(module: str) -> None:
    for name in imports(MODEL[module]):
        top = name.partition(".")[0]
        assert top == "model" or top in sys.stdlib_module_names, name


@pytest.mark.parametrize("module", CHECKER)
def test_each_library_has_one_home(module: str) -> None:
    for name in imports(CHECKER[module]):
        top = name.partition(".")[0]
        if top in ("checker", "model") or top in sys.stdlib_module_names:
            continue
        assert module in HOMES[top], f"{module} imports {name}"


def test_no_engine_prints() -> None:
    for module, path in CHECKER.items():
        if module in (
            "poolproof.checker.commands.main",
            "poolproof.__main__",
        ) or within(module, tuple(ASIDE)):
            continue
        calls = (
            n.func
            for n in ast.walk(ast.parse(path.read_text()))
            if isinstance(n, ast.Call)
        )
        names = {f.id for f in calls if isinstance(f, ast.Name)}
        assert "print" not in names, module
