# SPDX-License-Identifier: GPL-2.0-only
"""How many mutants of the checker its tests kill: `make mutants`.

mutmut (https://mutmut.readthedocs.io) changes one function of a copy at a time
and runs the tests that reach it. The copy is build/mutants/MODULE; what is done
there is kept, so a run that was stopped goes on where it was. Only functions
are changed, and no line that begins with a string: these are messages.

    python -m tests.common.mutation         each module in turn
    python -m tests.common.mutation replay  one; SECONDS bounds each

The report of a module is tests/scores/MODULE.txt: the score, the digest of the
text that it is of, and what lives.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
WORK = ROOT / "build" / "mutants"
SCORES = ROOT / "tests" / "scores"

LEAST = 90
"""Per cent of a module's mutants that its tests are to kill."""

TESTS: Mapping[str, tuple[str, ...]] = {
    "ir": (
        "tests/agreement/test_ir_simplify.py",
        "tests/agreement/test_ir_tables.py",
        "tests/unit/test_ir_show.py",
        "tests/agreement/test_constructs.py",
    ),
    "vacuity": ("tests/agreement/test_vacuity.py",),
    "symmetry": ("tests/agreement/test_symmetry.py",),
    "components": ("tests/unit/test_components.py",),
    "replay": ("tests/unit/test_replay.py", "tests/unit/test_assertions.py"),
    "program": ("tests/agreement/test_native.py",),
    "python": (
        "tests/agreement/test_symmetry.py",
        "tests/unit/test_liveness.py",
        "tests/unit/test_replay.py",
    ),
    "smt": ("tests/agreement/test_smt.py", "tests/agreement/test_bmc.py"),
    "explicit": (
        "tests/agreement/test_symmetry.py",
        "tests/unit/test_liveness.py",
        "tests/unit/test_replay.py",
        "tests/unit/test_spec_resolve.py",
    ),
    "candidates": ("tests/agreement/test_prove.py",),
    "induction": ("tests/agreement/test_prove.py",),
    "smtlib": ("tests/agreement/test_certificate_files.py",),
    "size": ("tests/unit/test_size.py", "tests/unit/test_scenario.py"),
}
"""By module: the quick tests that are meant for it; otherwise those of its name in
tests/agreement, or all in that folder."""

_DECIDE = (
    "core/ir.py",
    "core/vacuity.py",
    "passes/*.py",
    "backends/**/*.py",
    "engines/*.py",
    "evidence/replay.py",
    "driver/size.py",
)


def modules() -> dict[str, str]:
    """What decides a verdict: all that is changed, by name."""
    checker = ROOT / "checker"
    files = [f for pattern in _DECIDE for f in sorted(checker.glob(pattern))]
    return {f.stem: str(f.relative_to(ROOT)) for f in files if f.stem != "__init__"}


def killers(module: str) -> tuple[str, ...]:
    """The tests that are to kill the mutants of checker/.../NAME.py."""
    name = Path(module).stem
    own = f"tests/agreement/test_{name}.py"
    found = TESTS.get(name)
    return found or ((own,) if (ROOT / own).exists() else ("tests/agreement",))


KILLED = frozenset({1, 3, 36, 24, -24, 152, 255})
"""mutmut's exit codes for a test that failed, an error in pytest, no end."""

_COPIED = ("bench", "counterexamples", "poolproof", "specs", "tests")


@dataclass(frozen=True)
class Score:
    """``alive`` are mutmut's names; ``left`` have not been tried."""

    killed: int
    alive: tuple[str, ...]
    left: int

    @property
    def percent(self) -> int:
        """Rounded down; 0 where nothing was tried."""
        tried = self.killed + len(self.alive)
        return 100 * self.killed // tried if tried else 0

    def __str__(self) -> str:
        tried = self.killed + len(self.alive)
        told = f"{self.percent} % ({self.killed} of {tried} killed"
        return f"{told}; {self.left} not tried)" if self.left else f"{told})"


def score(codes: Mapping[str, int | None]) -> Score:
    """From mutmut's exit codes by mutant. One that no test reaches lives."""
    alive = [m for m, code in codes.items() if code not in (None, 2, *KILLED)]
    killed = sum(code in KILLED for code in codes.values())
    return Score(killed, tuple(alive), len(codes) - killed - len(alive))


def digest(module: str, root: Path = ROOT) -> str:
    """Of the module's text, in the checkout or in another folder."""
    return hashlib.sha256((root / module).read_bytes()).hexdigest()[:16]


# --- a run --------------------------------------------------------------------


def prepare(module: str) -> Path:
    """The module's copy of the tree, brought up to date."""
    folder = WORK / Path(module).stem
    folder.mkdir(parents=True, exist_ok=True)
    for name in _COPIED:  # poolproof has links to checker and model
        shutil.copytree(
            ROOT / name,
            folder / name,
            dirs_exist_ok=True,
            ignore=shutil.ignore_patterns("__pycache__"),
        )
    _refresh(folder)
    settings = {
        "source_paths": ["poolproof"],
        "only_mutate": [f"poolproof/{module}"],
        "also_copy": [name for name in _COPIED if name not in ("poolproof", "tests")],
        "pytest_add_cli_args_test_selection": list(killers(module)),
        "pytest_add_cli_args": ["-m", "not slow", "-p", "no:cacheprovider"],
        "do_not_mutate_patterns": [r'^\s*[rf]*"'],
    }
    lines = [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
    text = "\n".join(("[tool.mutmut]", "use_git_change_detection = false", *lines, ""))
    markers = '[tool.pytest.ini_options]\nmarkers = ["slow: takes minutes"]\n'
    (folder / "pyproject.toml").write_text(text + markers, encoding="utf-8")
    _try_again(folder, module)
    return folder


def _refresh(folder: Path) -> None:
    """mutmut looks at Python text only for what has changed."""
    copy = folder / "mutants"
    for path in (folder / "poolproof").rglob("*") if copy.exists() else ():
        if path.is_file() and path.suffix != ".py":
            target = copy / path.relative_to(folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, target)


def _try_again(folder: Path, module: str) -> None:
    """What lived is tried again where a test has changed since."""
    files = [p for t in killers(module) for p in sorted((ROOT / t).rglob("*.py"))]
    files += [ROOT / t for t in killers(module) if t.endswith(".py")]
    now = hashlib.sha256(b"".join(p.read_bytes() for p in files)).hexdigest()
    then, path = (
        folder / "tests.sha256",
        folder / "mutants/poolproof" / f"{module}.meta",
    )
    if path.exists() and (not then.exists() or then.read_text() != now):
        meta = json.loads(path.read_text(encoding="utf-8"))
        known = meta["exit_code_by_key"]
        meta["exit_code_by_key"] = {
            mutant: code if code in KILLED else None for mutant, code in known.items()
        }
        path.write_text(json.dumps(meta), encoding="utf-8")
    then.write_text(now)


def mutate(folder: Path, seconds: float, children: int) -> None:
    """mutmut, stopped when the time is up; what it found is in the folder."""
    command = [sys.executable, "-m", "mutmut", "run", "--max-children", str(children)]
    with (
        (folder / "mutmut.log").open("w") as log,
        subprocess.Popen(
            command, cwd=folder, stdout=log, stderr=log, start_new_session=True
        ) as process,
    ):
        try:
            process.wait(seconds)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            for how in (signal.SIGINT, signal.SIGKILL):
                with suppress(ProcessLookupError, subprocess.TimeoutExpired):
                    os.killpg(process.pid, how)
                    process.wait(20)


def codes(folder: Path, module: str) -> dict[str, int | None]:
    """mutmut's exit code for each mutant of the module; None: not tried. Ends the
    program where none was, as where a test fails without any change."""
    path = folder / "mutants/poolproof" / f"{module}.meta"
    found: dict[str, int | None] = {}
    if path.exists():
        found = json.loads(path.read_text(encoding="utf-8"))["exit_code_by_key"]
    if all(code is None for code in found.values()):
        last = (folder / "mutmut.log").read_text().splitlines()[-5:]
        raise SystemExit("\n".join([f"{module}: mutmut tried no mutant", *last]))
    return found


def change(folder: Path, mutant: str) -> Iterator[str]:
    """The lines that differ in a mutant."""
    shown = subprocess.run(
        [sys.executable, "-m", "mutmut", "show", mutant],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    for line in shown.stdout.splitlines():
        if re.match(r"[-+](?![-+]{2} )", line):
            yield f"  {line[0]} {line[1:].strip()}"


def report(module: str, folder: Path, found: Score) -> list[str]:
    lines = [
        f"module: {module}",
        f"digest: {digest(module, folder / 'poolproof')}",
        f"tests: {' '.join(killers(module))}",
        f"score: {found}",
    ]
    where = Counter[str]()
    for mutant in sorted(found.alive):
        function = re.sub(r"__mutmut_\d+$", "", mutant.rpartition(".")[2])
        name = function.replace("xǁ", "").replace("ǁ", ".").removeprefix("x_")
        where[name] += 1
        lines += ["", f"{name} {where[name]}", *change(folder, mutant)]
    return lines


def main(wanted: Sequence[str]) -> None:
    seconds = float(os.environ.get("SECONDS", "1800"))
    children = len(os.sched_getaffinity(0))
    known = modules()
    for name in [Path(given).stem for given in wanted] or known:
        if name not in known:
            raise SystemExit(f"{name}: there are {', '.join(known)}")
        module = known[name]
        folder = prepare(module)
        mutate(folder, seconds, children)
        found = score(codes(folder, module))
        path = SCORES / f"{Path(module).stem}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join(report(module, folder, found)) + "\n")
        print(f"{module}: {found}")


if __name__ == "__main__":
    main(sys.argv[1:])
