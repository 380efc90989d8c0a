# SPDX-License-Identifier: GPL-2.0-only
"""How many mutants of the checker its tests kill: `make mutants`.

mutmut (https://mutmut.readthedocs.io) writes a copy of a module in which each
function has a variant for every small change: a mutant. mutant_runner.py runs
the tests that call the function, cheap ones first, until one fails. The copy is
build/mutants/MODULE; results stay there, so a run that was stopped goes on
where it was. Only functions are changed, and no line that begins with a string:
these are messages.

    python -m tests.common.mutation                 each module in turn
    python -m tests.common.mutation --stale         modules to score, and why
    SAMPLE=80 SEED=1 python -m tests.common.mutation symmetry prove

SAMPLE bounds the mutants of a module: a fixed choice for each SEED, spread over
its functions. SECONDS bounds the time for a module. The report of a module is
tests/scores/MODULE.txt. Mutants that no test can detect are listed in
tests/scores/equivalent.toml, each with the reason; they do not count.
"""

from __future__ import annotations

import ast
import difflib
import hashlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import TypeAlias

ROOT = Path(__file__).parents[2]
WORK = ROOT / "build" / "mutants"
SCORES = ROOT / "tests" / "scores"
EQUIVALENT = SCORES / "equivalent.toml"

LEAST = 90
"""Per cent of a module's mutants that its tests are to kill."""

_C = (
    "tests/agreement/test_backends.py",
    "tests/agreement/test_native_symmetry.py",
)

_IR = (
    "aggregates",
    "arithmetic",
    "logic",
    "nodes",
    "readings",
    "sets",
    "substitution",
    "tables",
)
"""The modules of core/ir/."""

DEAR = 3.0
"""CPU seconds of a test that no mutant is tried with. (The copy is slower.)"""

TESTS: Mapping[str, tuple[str, ...]] = {
    "fold": ("tests/unit/test_ir.py", "tests/unit/test_algebras.py"),
    "interval": ("tests/unit/test_ir.py", "tests/unit/test_ir_open.py"),
    **dict.fromkeys(
        _IR,
        (
            "tests/unit/test_ir.py",
            "tests/unit/test_ir_open.py",
            "tests/unit/test_ir_show.py",
        ),
    ),
    "vacuity": ("tests/unit/test_judged.py",),
    "symmetry": ("tests/agreement/test_symmetry.py",),
    "equivariance": ("tests/agreement/test_symmetry.py",),
    "doubts": ("tests/agreement/test_equivariant.py",),
    "components": ("tests/unit/test_components.py",),
    "replay": ("tests/unit/test_replay.py",),
    "lasso": ("tests/unit/test_liveness.py", "tests/agreement/test_lasso.py"),
    "canonical": ("tests/agreement/test_native_symmetry.py",),
    "expressions": ("tests/agreement/test_backends.py",),
    "program": _C,
    **dict.fromkeys(
        ("copies", "effects", "instances", "loops", "lowered", "steps", "successor"),
        ("tests/unit/test_native_engine.py", "tests/agreement/test_backends.py"),
    ),
    "python": ("tests/agreement/test_backends.py", "tests/unit/test_space.py"),
    "explicit": ("tests/unit/test_space.py", "tests/agreement/test_explicit.py"),
    "space": ("tests/unit/test_space.py",),
    "native": (
        "tests/unit/test_native_engine.py",
        "tests/agreement/test_native_symmetry.py",
    ),
    "inclusion": (
        "tests/agreement/test_inclusion.py",
        "tests/unit/test_compare.py",
    ),
    "visible": ("tests/agreement/test_inclusion.py", "tests/unit/test_compare.py"),
    "joint": ("tests/agreement/test_inclusion.py",),
    "watch": ("tests/agreement/test_vacuity.py", "tests/unit/test_space.py"),
    "unrolling": ("tests/agreement/test_bmc.py",),
    "candidates": ("tests/agreement/test_prove.py",),
    "induction": ("tests/unit/test_induction.py",),
    "symbolic": ("tests/unit/test_induction.py",),
    "prove": ("tests/unit/test_prover.py",),
    "smtlib": ("tests/agreement/test_certificate_files.py",),
    "size": ("tests/unit/test_size.py", "tests/unit/test_scenario.py"),
}
"""By module: the direct, quick tests that are meant for it; otherwise those of its
name in tests/unit and tests/agreement, or all in the latter."""

FOLDERS: Mapping[str, tuple[str, ...]] = {
    "checker/backends/promela": ("tests/agreement/test_promela.py",),
    "checker/backends/tla": ("tests/agreement/test_tla.py",),
    "checker/engines/anysize": ("tests/agreement/test_any_size.py",),
    "checker/passes/indices": (
        "tests/unit/test_index_sets.py",
        "tests/agreement/test_index_traps.py",
        "tests/agreement/test_indices.py",
    ),
}
"""The same for all modules of a folder that have no tests of their own."""

_DECIDE = (
    "core/fold.py",
    "core/interval.py",
    "core/ir/*.py",
    "core/vacuity.py",
    "passes/**/*.py",
    "backends/**/*.py",
    "engines/**/*.py",
    "evidence/replay.py",
    "driver/size.py",
)


def modules() -> dict[str, str]:
    """Return the files that decide a verdict, by name: those that are changed. The
    name of a file in one of `FOLDERS` begins with its folder."""
    checker = ROOT / "checker"
    named: dict[str, str] = {}
    for file in (f for pattern in _DECIDE for f in sorted(checker.glob(pattern))):
        if file.stem != "__init__":
            path = str(file.relative_to(ROOT))
            named[name_of(path)] = path
    return named


def name_of(module: str) -> str:
    """Return the name of checker/.../NAME.py: NAME, or FOLDER.NAME."""
    path = Path(module)
    return f"{path.parent.name}.{path.stem}" if _folder(module) else path.stem


def _folder(module: str) -> str:
    """Return the one of `FOLDERS` that a module is in, or ''."""
    folder = str(Path(module).parent)
    return folder if folder in FOLDERS else ""


def killers(module: str) -> tuple[str, ...]:
    """Return the tests that are to kill the mutants of checker/.../NAME.py."""
    if folder := _folder(module):
        return TESTS.get(name_of(module)) or FOLDERS[folder]
    name = name_of(module)
    own = (f"tests/{folder}/test_{name}.py" for folder in ("unit", "agreement"))
    found = TESTS.get(name) or tuple(t for t in own if (ROOT / t).exists())
    return found or ("tests/agreement",)


def digest(text: str) -> str:
    """Return 16 hexadecimal digits that stand for what a Python text does. Comments,
    docstrings and layout make no difference."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        for statements in ("body", "orelse", "finalbody"):
            found = getattr(node, statements, None)
            if isinstance(found, list):
                setattr(node, statements, [s for s in found if not _says_only(s)])
    return _hash(_shape(tree).encode())


def _says_only(statement: ast.AST) -> bool:
    """Return whether a statement is a docstring, of an attribute too, or `...`."""
    value = statement.value if isinstance(statement, ast.Expr) else None
    return isinstance(value, ast.Constant)


def _shape(node: object) -> str:
    """Return a text for a syntax tree: the same for each version of Python, since it
    leaves out empty fields, which later versions have more of."""
    if isinstance(node, list):
        return f"[{','.join(map(_shape, node))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    parts = [
        f"{name}={_shape(value)}"
        for name, value in ast.iter_fields(node)
        if value is not None and value != []
    ]
    return f"{type(node).__name__}({','.join(parts)})"


def _hash(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()[:16]


def _tests_digest(module: str, root: Path) -> str:
    """Of the tests' text: what lived is tried again where a test has changed."""
    files = [p for t in killers(module) for p in sorted((root / t).rglob("*.py"))]
    files += [root / t for t in killers(module) if t.endswith(".py")]
    return _hash(b"".join(p.read_bytes() for p in files))


# --- mutants ------------------------------------------------------------------


def function_of(mutant: str) -> str:
    """Return the mangled name of the function that a mutant changes."""
    return mutant.rpartition("__mutmut_")[0]


def readable(mutant: str) -> str:
    """Return the changed function as its author calls it: Class.method."""
    return function_of(mutant).replace("xǁ", "").replace("ǁ", ".").removeprefix("x_")


def sample(mutants: Sequence[str], size: int, seed: int) -> list[str]:
    """Return `size` of the mutants, all if there are fewer or `size` is 0. A function
    gets its share: each n-th is taken, after a shuffle within the functions."""
    if not 0 < size < len(mutants):
        return list(mutants)
    chance = random.Random(seed)
    spread: list[str] = []
    for _, group in groupby(mutants, function_of):
        members = list(group)
        chance.shuffle(members)
        spread += members
    begin = chance.random()
    return [spread[int((n + begin) * len(spread) / size)] for n in range(size)]


def order(
    function: str, calls: Mapping[str, Sequence[str]], cost: Mapping[str, float]
) -> list[str]:
    """Return the tests for a function, cheap ones first: those that call it. If they
    are few, others of their files follow: what they share may have called it for
    them. Tests that cost more than `DEAR` seconds are left out."""
    calls = {test: names for test, names in calls.items() if cost[test] <= DEAR}
    direct = {test for test, names in calls.items() if function in names}
    files = {test.partition("::")[0] for test in direct}
    near = {test for test in calls if test.partition("::")[0] in files} - direct
    if len(direct) > 2:
        near = set()
    return [*sorted(direct, key=cost.__getitem__), *sorted(near, key=cost.__getitem__)]


@dataclass(frozen=True)
class Mutated:
    """A module's text with all its mutants. ``digest`` is of the text without them;
    ``functions`` has a digest for each mangled name, ``lines`` the text of each
    mutant and of each original."""

    module: str
    digest: str
    text: str
    mutants: tuple[str, ...]
    functions: Mapping[str, str]
    lines: Mapping[str, tuple[str, ...]]

    def change(self, mutant: str) -> tuple[str, ...]:
        """Return the lines that differ, without indentation, marked - and +."""
        before = self.lines[f"{function_of(mutant)}__mutmut_orig"]
        own = [line.replace(mutant, "", 1) for line in self.lines[mutant]]
        first = [
            line.replace(f"{function_of(mutant)}__mutmut_orig", "", 1)
            for line in before
        ]
        return tuple(
            f"{line[0]} {line[1:].strip()}"
            for line in difflib.unified_diff(first, own, lineterm="", n=0)
            if re.match(r"[-+](?![-+]{2} )", line)
        )


def mutate(module: str, text: str) -> Mutated:
    """Return the text of a module with mutmut's mutants."""
    # a process that only reads scores need not have it, nor a folder with settings
    from mutmut.mutation.file_mutation import mutate_file_contents

    made = mutate_file_contents(module, text)
    lines = made.code.splitlines()
    spans = made.line_span_by_function_name.items()
    parts = {name: tuple(lines[s.start - 1 : s.end]) for name, s in spans}
    hashes = dict(made.hash_by_function_name)
    names = tuple(made.mutant_names)
    return Mutated(module, digest(text), made.code, names, hashes, parts)


@cache
def equivalent() -> Mapping[tuple[str, str, tuple[str, ...]], str]:
    """Return why no test can detect a mutant, by module, function and change."""
    if not EQUIVALENT.exists():
        return {}
    found = tomllib.loads(EQUIVALENT.read_text(encoding="utf-8"))
    return {
        (module, entry["function"], tuple(entry["change"])): entry["why"]
        for module, entries in found.items()
        for entry in entries
    }


def no_difference(mutated: Mutated, mutant: str) -> bool:
    """Return whether a mutant is known to be equivalent: it is listed, or another
    `strict` is all that differs, which no right program can notice."""
    change = mutated.change(mutant)
    if (mutated.module, readable(mutant), change) in equivalent():
        return True
    lines = {re.sub(r",? *\bstrict=\w+|, *(?=\))", "", x[2:]) for x in change}
    return any("strict=" in line for line in change) and len(lines) == 1


# --- a run --------------------------------------------------------------------

_COPIED = ("bench", "counterexamples", "poolproof", "specs", "tests")

KILLED = frozenset({1, 2, 3, 36})
"""Exit codes for a test that failed, an error in pytest, no end."""

Codes: TypeAlias = Mapping[str, int]


@dataclass(frozen=True)
class Copy:
    """The copy of the tree for one module. ``tests`` is the digest of its tests."""

    folder: Path
    mutated: Mutated
    tests: str

    @property
    def results(self) -> Path:
        """The file with a line for each mutant that was tried."""
        return self.folder / "results.jsonl"

    def known(self) -> Codes:
        """Return the exit codes of earlier runs that still hold: the function is
        the same, and so are the tests if they let the mutant live."""
        codes: dict[str, int] = {}
        lines = self.results.read_text().splitlines() if self.results.exists() else ()
        for line in map(json.loads, lines):
            mutant, code = line["mutant"], line["code"]
            if self.mutated.functions.get(function_of(mutant)) != line["function"]:
                continue
            if code in KILLED or line["tests"] == self.tests:
                codes[mutant] = code
        return codes


def prepare(module: str) -> Copy:
    """Return the module's copy of the tree, brought up to date."""
    folder = WORK / name_of(module)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pyproject.toml").write_text(_SETTINGS, encoding="utf-8")
    for name in _COPIED:  # poolproof has links to checker and model
        shutil.rmtree(folder / name, ignore_errors=True)
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    shutil.copy(ROOT / "README.md", folder)  # tests compare it with tables
    os.chdir(folder)  # where mutmut looks for its settings
    path = folder / "poolproof" / module
    mutated = mutate(module, path.read_text(encoding="utf-8"))
    path.write_text(mutated.text, encoding="utf-8")
    return Copy(folder, mutated, _tests_digest(module, folder))


_SETTINGS = """\
[tool.mutmut]
source_paths = ["poolproof"]
do_not_mutate_patterns = ['^\\s*[rf]*"']
[tool.pytest.ini_options]
pythonpath = ["."]
markers = ["slow: takes minutes"]
"""


def run(copy: Copy, chosen: Sequence[str], seconds: float) -> None:
    """Try those of the chosen mutants whose fate is not known, until the time is up."""
    codes, mutated = copy.known(), copy.mutated
    dotted = "poolproof." + mutated.module.removesuffix(".py").replace("/", ".")
    measured, now = copy.folder / "measured.of", f"{mutated.digest} {copy.tests}"
    job = {
        "tests": killers(mutated.module),
        "digest": copy.tests,
        "measure": not measured.exists() or measured.read_text() != now,
        "mutants": [
            (f"{dotted}.{m}", mutated.functions[function_of(m)])
            for m in chosen
            if m not in codes and not no_difference(mutated, m)
        ],
    }
    if not job["mutants"]:
        return
    measured.write_text(now)
    cache_folder = copy.folder / "cache"
    cache_folder.mkdir(exist_ok=True)
    settings = {"PYTHONPATH": str(copy.folder), "XDG_CACHE_HOME": str(cache_folder)}
    with (
        (copy.folder / "run.log").open("w") as log,
        subprocess.Popen(
            [sys.executable, "-m", "tests.common.mutant_runner"],
            cwd=copy.folder,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            env={**os.environ, **settings},
        ) as process,
    ):
        try:
            process.communicate(json.dumps(job).encode(), timeout=seconds)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            process.terminate()
            process.wait(20)
    if process.returncode not in (0, STOPPED) or not copy.results.exists():
        last = (copy.folder / "run.log").read_text().splitlines()[-5:]
        raise SystemExit("\n".join([f"{mutated.module}: no mutant was tried", *last]))


STOPPED = -15
"""The exit code of a runner whose time is up."""


# --- a report -----------------------------------------------------------------


@dataclass(frozen=True)
class Score:
    """``alive`` and ``same`` (equivalent) are mutants; ``left`` have not been tried;
    ``all`` is how many the module has."""

    killed: int
    alive: tuple[str, ...]
    same: tuple[str, ...]
    left: int
    all: int
    seed: int

    @property
    def percent(self) -> int:
        """Of those that are not equivalent, rounded down; 0 where none was tried."""
        tried = self.killed + len(self.alive)
        return 100 * self.killed // tried if tried else 0

    def __str__(self) -> str:
        tried = self.killed + len(self.alive)
        text = f"{self.percent} % ({self.killed} of {tried} killed"
        if self.same:
            text += f"; {len(self.same)} more equivalent"
        chosen = tried + len(self.same) + self.left
        if chosen < self.all:
            text += f"; a sample of {chosen} of {self.all:,}, seed {self.seed}"
        if self.left:
            text += f"; {self.left} not tried"
        return text + ")"


def score(mutated: Mutated, chosen: Sequence[str], codes: Codes, seed: int) -> Score:
    """From the exit codes by mutant. One that no test reaches lives."""
    alive: list[str] = []
    same: list[str] = []
    for mutant in chosen:
        if codes.get(mutant) not in KILLED and no_difference(mutated, mutant):
            same.append(mutant)
        elif mutant in codes and codes[mutant] not in KILLED:
            alive.append(mutant)
    killed = sum(codes.get(m) in KILLED for m in chosen)
    left = len(chosen) - killed - len(alive) - len(same)
    total = len(mutated.mutants)
    return Score(killed, tuple(alive), tuple(same), left, total, seed)


def _survivors(mutated: Mutated, mutants: Sequence[str]) -> Iterator[str]:
    where = Counter[str]()
    for mutant in sorted(mutants):
        name = readable(mutant)
        where[name] += 1
        yield ""
        yield f"{name} {where[name]}"
        yield from (f"  {line}" for line in mutated.change(mutant))


def report(mutated: Mutated, found: Score) -> list[str]:
    """Return the lines of tests/scores/MODULE.txt."""
    return [
        f"module: {mutated.module}",
        f"digest: {mutated.digest}",
        f"tests: {' '.join(killers(mutated.module))}",
        f"score: {found}",
        *_survivors(mutated, found.alive),
    ]


def stale() -> Iterator[str]:
    """Yield the name of each module without a score of its present text."""
    for name, path in modules().items():
        stored = SCORES / f"{name}.txt"
        if not stored.exists():
            yield f"{name}: no score"
        elif f"digest: {digest((ROOT / path).read_text())}" not in stored.read_text():
            yield f"{name}: the score is of an earlier text"


def main(wanted: Sequence[str]) -> None:
    if "--stale" in wanted:
        print("\n".join(stale()))
        return
    seconds = float(os.environ.get("SECONDS") or 1800)
    size, seed = (int(os.environ.get(n) or d) for n, d in (("SAMPLE", 0), ("SEED", 1)))
    all_modules = modules()
    for name in [given.removesuffix(".py") for given in wanted] or all_modules:
        if name not in all_modules:
            raise SystemExit(f"{name}: there are {', '.join(all_modules)}")
        copy = prepare(all_modules[name])
        chosen = sample(copy.mutated.mutants, size, seed)
        run(copy, chosen, seconds)
        found = score(copy.mutated, chosen, copy.known(), seed)
        text = "\n".join(report(copy.mutated, found)) + "\n"
        (SCORES / f"{name}.txt").write_text(text, encoding="utf-8")
        print(f"{copy.mutated.module}: {found}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
