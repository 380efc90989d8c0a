# SPDX-License-Identifier: GPL-2.0-only
"""The command line: what it prints, what it returns, what it refuses."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from poolproof.checker.commands.main import VERBS, main
from poolproof.checker.driver.designs import (
    find_spec,
    shipped_interfaces,
    shipped_scenarios,
    shipped_specs,
)

ROOT = Path(__file__).parents[2]
DESIGN = "from poolproof.model.language import *\n\n\nclass D(Design):\n"
COUNTER = (
    DESIGN
    + """\
    x = var(Int(0, 3))

    @action
    def up(self):
        require(self.x < 3)
        self.x += 1

    @action
    def down(self):
        require(self.x > 0)
        self.x -= 1
"""
)
SPEC = 'spec "x"\nfor D\ninvariant low: x <= {}\n'


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory of its own with a design and some specs."""
    shutil.copy(ROOT / "tests/common/toys.py", tmp_path / "shelf.py")
    shutil.copy(ROOT / "tests/golden/cli/shelf.spec", tmp_path / "shelf.spec")
    (tmp_path / "d.py").write_text(COUNTER)
    (tmp_path / "d.spec").write_text(SPEC.format(3))
    (tmp_path / "low.spec").write_text(SPEC.format(1))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    code = main(argv)
    out, err = capsys.readouterr()
    return code, out, err


# --- what it prints -------------------------------------------------------

CHECK = """\
shelf.spec: shelf: boxes in rows
  Shelf, R=1

  quiet       no violation within R=1: 20 states, depth 4
  never_full  violated after 3 steps, as expected
  put_counts  no violation within R=1: 20 states, depth 4
  empty       reached after 1 step

  explicit
    20 states, 40 transitions, depth 4; all reachable states visited
"""

RUN = """\
low
  1. up()
       x  0 -> 1
  2. up()
       x  1 -> 2
  low is false:
    x <= 1 is false: x is 2
"""


def test_a_check(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = call(capsys, "check", "shelf.spec", "--engine", "explicit")
    assert (code, err) == (0, "")
    assert out == CHECK


def test_an_unexpected_violation_is_printed_in_full(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, out, err = call(
        capsys, "check", "low.spec", "--design", "d.py", "--engine", "explicit"
    )
    assert (code, err) == (1, "")
    assert "  low  violated after 2 steps; EXPECTED: holds\n" in out
    assert out.endswith(RUN)


def test_expected_runs_are_printed_when_asked_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    argv = ("check", "shelf.spec", "--engine", "explicit")
    assert "1. put(" not in call(capsys, *argv)[1]
    assert call(capsys, *argv, "-v")[1].count("  1. put(") == 2


@pytest.mark.parametrize("engine", ["explicit", "native", "fuzz", "auto"])
def test_every_line_fits_and_comes_again(
    engine: str, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ("check", "shelf.spec", "-v", "--engine", engine, "--depth", "9")
    first, again = call(capsys, *argv), call(capsys, *argv)
    assert first == again
    assert first[0] == (3 if engine == "fuzz" else 0)
    assert max(map(len, first[1].splitlines())) <= 75
    assert "verified" not in first[1]


@pytest.mark.parametrize("spec", ["hugetlb_mempolicy", "promise_numa", "hugetlb_hole"])
def test_shipped_runs_fit(spec: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = find_spec(spec)
    code, out, err = call(capsys, "check", path, "-v", "--engine", "explicit")
    assert (code, err) == (0, "")
    assert max(map(len, out.splitlines())) <= 75
    assert "\n  1. " in out


def test_several_specs_one_after_another(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(
        capsys,
        "check",
        "d.spec",
        "low.spec",
        "--design",
        "d.py",
        "--engine",
        "explicit",
    )
    assert code == 1
    assert out.index("d.spec: x") < out.index("low.spec: x")


def test_json(capsys: pytest.CaptureFixture[str], here: Path) -> None:
    code, out, _ = call(
        capsys,
        "check",
        "shelf.spec",
        "--engine",
        "explicit",
        "--json",
        "-o",
        "out.json",
    )
    assert (code, out) == (0, "")
    found = json.loads((here / "out.json").read_text())
    assert found["exit"] == 0
    rows = {p["name"]: p for p in found["checks"][0]["properties"]}
    assert rows["never_full"]["verdicts"] == [
        {"engine": "explicit", "verdict": "violated", "steps": 3, "shortest": True}
    ]
    assert rows["never_full"]["judgement"] == "expected"
    assert len(rows["never_full"]["trace"]["steps"]) == 3
    assert rows["quiet"]["verdicts"][0]["verdict"] == "holds"


def test_a_stored_trace_replays(capsys: pytest.CaptureFixture[str], here: Path) -> None:
    code, out, _ = call(
        capsys,
        "check",
        "low.spec",
        "--design",
        "d.py",
        "--engine",
        "explicit",
        "--store",
        "traces",
    )
    path = "traces/D/low.low.trace"
    assert f"stored in {path}" in out
    code, out, err = call(capsys, "trace", path)
    assert (code, err) == (0, "")
    assert out.endswith("x <= 1 is false: x is 2\n\n  violated after 2 steps\n")
    for form in ("--json", "--itf"):
        code, out, _ = call(capsys, "trace", path, form)
        assert code == 0
        assert json.loads(out)
    (here / "d.py").write_text(COUNTER.replace("self.x < 3", "self.x < 1"))
    running = process("trace", path)
    out, err = running.communicate(timeout=60)
    assert (running.returncode, err) == (1, "")
    assert out.startswith(
        f"{path}: the design no longer takes this run\nstep 2, up(): a"
    )


def test_defects_are_shown_stored_and_replayed(
    capsys: pytest.CaptureFixture[str], here: Path
) -> None:
    (here / "d.py").write_text(COUNTER.replace("self.x < 3", "self.x < 9"))
    code, out, err = call(
        capsys,
        "check",
        "d.spec",
        "--design",
        "d.py",
        "--engine",
        "explicit",
        "--store",
        ".",
    )
    assert (code, err) == (2, "")
    assert "THE MODEL IS WRONG\n  1. up()\n" in out
    assert "OutOfRange: x becomes 4, outside integers 0..3" in out
    assert call(capsys, "trace", "D/d.defect1.trace")[0] == 0


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = call(capsys, "list")
    assert (code, err) == (0, "")
    assert "  Hugetlb " in out
    assert "specs/hugetlb" in out
    code, out, _ = call(capsys, "list", "--design", "shelf.py:Shelf")
    assert (code, out) == (
        0,
        """\
shelf.py:Shelf
  Boxes in rows.

bounds, their defaults
  R  2  rows

features, their defaults
  broken  off  actions that break the model
  force   off  put into a full row

actions
  put(row, owner, force)  mm/shelf.c:shelf_put
  close(rows)
  overdraw()
  demand()
  pick(row, at)
""",
    )
    out = call(capsys, "list", "--design", "Hugetlb")[1]
    assert max(map(len, out.splitlines())) <= 75


def test_list_has_specs_and_scenarios_by_folder(
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = call(capsys, "list")[1]
    assert max(map(len, out.splitlines())) <= 75
    paths = (*shipped_specs(), *shipped_scenarios(), *shipped_interfaces())
    folders = {str(Path(path).parent) for path in paths}
    blocks = dict(block.split("\n", 1) for block in out.split("\n\n"))
    assert folders <= set(blocks)
    for path in paths:
        assert f"\n  {Path(path).stem}  " in "\n" + blocks[str(Path(path).parent)]


@pytest.mark.slow
def test_shipped_specs_have_names(capsys: pytest.CaptureFixture[str]) -> None:
    argv = ("--design", "Thp", "--engine", "explicit")
    by_name = call(capsys, "check", "promise_plain", *argv)
    by_path = call(capsys, "check", find_spec("promise_plain"), *argv)
    assert by_name == by_path
    assert "promise_plain.spec: promises" in by_name[1].replace("\n    ", "")
    argv = ("--scenario", "shmem", "--table")
    assert call(capsys, "size", "hot_upgrade_4", *argv)[0] == 0


def test_a_file_goes_before_a_shipped_spec(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "promise_plain").write_text(SPEC.format(3))
    argv = ("check", "promise_plain", "--design", "d.py", "--engine", "explicit")
    assert call(capsys, *argv)[1].startswith("promise_plain: x\n")


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(capsys, "--version") == (0, f"poolproof {version('poolproof')}\n", "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_completion(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = call(capsys, "--print-completion", shell)
    assert (code, err) == (0, "")
    for word in (*VERBS, "--certificate", "--scenario", "--sample"):
        assert word.lstrip("-") in out


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("che", "check"),
        ("check low", "low.spec"),
        ("check --en", "--engine"),
        ("help s", "spec"),
        ("trace d.p", "d.py"),
    ],
)
def test_bash_completes(
    words: str, found: str, capsys: pytest.CaptureFixture[str]
) -> None:
    script = call(capsys, "--print-completion", "bash")[1]
    script += f"""
        COMP_WORDS=(poolproof {words})
        COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
        _shtab_poolproof
        echo "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(["bash"], input=script, text=True, capture_output=True)
    assert (done.stdout, done.stderr) == (f"{found}\n", "")


def test_help_loads_no_verb() -> None:
    loaded = "sorted(m for m in sys.modules if m.startswith('poolproof.checker.'))"
    text = "import sys; from poolproof.checker.commands.main import main\n"
    text += f"main(['--help']); print({loaded}, file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", text], text=True, capture_output=True, check=True
    )
    assert "commands.main" in done.stderr
    for room in ("driver", "engines", "frontend", "reports", "spec"):
        assert f"poolproof.checker.{room}" not in done.stderr


@pytest.mark.parametrize("command", ["", *VERBS])
def test_help_is_there(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = call(capsys, *command.split(), "--help")
    assert (code, err) == (0, "")
    assert out.startswith("usage: poolproof")
    assert max(map(len, out.splitlines())) <= 75


# --- bounds and expectations ----------------------------------------------


def test_bounds_of_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    argv = ("check", "shelf.spec", "--engine", "explicit")
    out = call(capsys, *argv, "--bounds", "two")[1]
    assert "  Shelf, R=2, with force\n" in out
    assert "  Shelf, R=3\n" in call(capsys, *argv, "--bounds", "R=3")[1]
    out = call(capsys, *argv, "--bounds", "two,R=1", "--without", "force")[1]
    assert "  Shelf, R=1, without force\n" in out


def test_expectations(capsys: pytest.CaptureFixture[str], here: Path) -> None:
    def code(expect: str, *more: str, engine: str = "explicit") -> int:
        (here / "e.spec").write_text(SPEC.format(1) + f"    expect {expect}\n")
        return call(
            capsys, "check", "e.spec", "--design", "d.py", "--engine", engine, *more
        )[0]

    assert code("violated at 2") == 0
    assert code("violated at 3") == 1
    assert code("violated") == 0
    assert code("holds") == 1
    assert code("violated at 2", "--depth", "4", engine="fuzz") == 0
    assert code("violated at 9", "--depth", "4", engine="fuzz") == 1
    assert code("violated at 2", "--depth", "1") == 3


@pytest.mark.parametrize(
    ("kind", "formula", "expect", "code"),
    [
        ("reachable", "x == 3", "", 0),
        ("reachable", "x == 3", "expect reachable at 3", 0),
        ("reachable", "x == 3", "expect reachable at 2", 1),
        ("reachable", "x == 3", "expect unreachable", 1),
        ("reachable", "x > 3", "", 1),
        ("reachable", "x > 3", "expect unreachable", 0),
        ("invariant", "x <= 3", "expect violated", 1),
        ("step", "x' != x", "", 0),
        ("step", "x' > x", "", 1),
        ("step", "x' > x", "expect violated at 2", 0),
    ],
)
def test_exit_codes(
    kind: str,
    formula: str,
    expect: str,
    code: int,
    here: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (here / "e.spec").write_text(f'spec "x"\nfor D\n{kind} p: {formula}\n{expect}\n')
    argv = ("check", "e.spec", "--design", "d.py", "--engine", "explicit")
    assert call(capsys, *argv)[0] == code


def test_a_budget_that_is_spent_is_inconclusive(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, out, err = call(
        capsys,
        "check",
        "d.spec",
        "--design",
        "d.py",
        "--engine",
        "explicit",
        "--depth",
        "1",
    )
    assert (code, err) == (3, "")
    assert "low  unknown: the depth budget of 1 step" in out


# --- wrong input ----------------------------------------------------------

FILES = {
    "empty.spec": b"",
    "empty.py": b"",
    "empty.trace": b"",
    "junk.spec": b"spec \xff\xfe\x00\x01",
    "junk.py": b"x = 1\ny = \xff\xfe\x00",
    "junk.trace": b"\x7fELF\x02\x01\xff",
    "nul.py": b"x = 1\n\0\n",
    "syntax.py": b"class D:\n    def f(self:\n        pass\n",
    "raises.py": b"x = 1\n\n1 / 0\n",
    "exits.py": b"import sys\nsys.exit(3)\n",
    "missing.py": b"import no_such_module\n",
    "none.py": b"x = 1\n",
    "table.py": (DESIGN + "    t = table(Int(0, 1))\n").encode(),
    "local.py": (
        COUNTER + "        if self.x > 1:\n            y = 1\n        self.x += y\n"
    ).encode(),
    "and.py": (COUNTER + "        self.x = self.x & 1\n").encode(),
    "index.py": (
        COUNTER.replace(
            "    @action", "    t = table(Int(0, 1), Bool())\n\n    @action", 1
        )
        + "        self.t[5] = True\n"
    ).encode(),
    "name.spec": b'spec "x"\nfor D\ninvariant low: y <= 3\n',
    "action.spec": b'spec "x"\nfor D\nstep s on pu: x\' == x\n',
    "sort.spec": b'spec "x"\nfor D\ninvariant i: x and true\n',
    "zero.spec": b'spec "x"\nfor Shelf\nbounds R = 0\ninvariant i: left <= 3\n',
    "nobody.spec": b'spec "x"\nfor Nobody\ninvariant i: true\n',
    "no.trace": b"design: no.py:D\nverdict: deadlock after 0 steps\n",
    "gone.trace": b"design: d.py:E\nverdict: deadlock after 0 steps\n",
    "spec.trace": b"design: d.py:D\nspec: no.spec\nproperty: p\n"
    b"verdict: violated after 0 steps\n",
    "prop.trace": b"design: d.py:D\nspec: d.spec\nproperty: lwo\n"
    b"verdict: violated after 0 steps\n",
    "bound.trace": b"design: shelf.py:Shelf\nbounds: R=0\n"
    b"verdict: deadlock after 0 steps\n",
    "unknown.trace": b"design: d.py:D\nbounds: Q=1\nverdict: deadlock after 0 steps\n",
    "feature.trace": b"design: shelf.py:Shelf\nwith:   forse\n"
    b"verdict: deadlock after 0 steps\n",
}

D = ("--design", "d.py")
WRONG = [
    (("check", "no.spec"), "no.spec:1:1: there is no such file"),
    (
        ("check", "promise_plane"),
        "poolproof: there is no spec 'promise_plane' (did you mean 'promise_plain'?)",
    ),
    (("mutate", "Thp", "--spec", "no"), "poolproof: there is no spec 'no'"),
    (("guarantee", "--spec", "no"), "poolproof: there is no spec 'no'"),
    (("guarantee", "--states", "0"), "poolproof: --states 0: a whole number of"),
    (("size", "no"), "poolproof: there is no spec 'no'"),
    (("help", "no"), "poolproof: there is no topic 'no': write design or spec"),
    (("check", "."), "empty.spec:1:1: the file is empty"),
    (("check", "d.py"), "poolproof: d.py: this is a design: poolproof check SPEC"),
    (("check", "d.spec::lo"), "poolproof: d.spec::lo: there is no such property (did"),
    (("check", "d.spec", "-k", "and"), "poolproof: -k and: `and` is not expected"),
    (("check", "empty.spec"), "empty.spec:1:1: the file is empty"),
    (("check", "junk.spec"), "junk.spec:1:6: "),
    (("check", "name.spec", *D), "name.spec:3:16: "),
    (("check", "action.spec", *D), "action.spec:3:11: "),
    (("check", "sort.spec", *D), "sort.spec:3:14: "),
    (("check", "zero.spec", "--design", "shelf.py"), "zero.spec:3:8: "),
    (("check", "nobody.spec"), "nobody.spec:2:5: there is no design 'Nobody'"),
    (("check", "d.spec", "--design", "no.py"), "no.py:1:1: there is no such file"),
    (("check", "d.spec", "--design", "./"), "./:1:1: this is a directory"),
    (("check", "d.spec", "--design", "empty.py"), "empty.py:1:1: the file is empty"),
    (("check", "d.spec", "--design", "junk.py"), "junk.py:2:5: this is not UTF-8"),
    (("check", "d.spec", "--design", "nul.py"), "nul.py:2:1: this is a binary file"),
    (("check", "d.spec", "--design", "syntax.py"), "syntax.py:2:"),
    (
        ("check", "d.spec", "--design", "raises.py"),
        "raises.py:3:1: importing this raises ZeroDivisionError: division by zero",
    ),
    (
        ("check", "d.spec", "--design", "exits.py"),
        "exits.py:2:1: importing this raises SystemExit: 3",
    ),
    (
        ("check", "d.spec", "--design", "missing.py"),
        "missing.py:1:1: importing this raises ModuleNotFoundError",
    ),
    (("check", "d.spec", "--design", "none.py"), "poolproof: none.py has no design"),
    (("check", "d.spec", "--design", "table.py"), "table.py:5:9: table(INDEX"),
    (("check", "d.spec", "--design", "local.py"), "local.py:18:19: "),
    (("check", "d.spec", "--design", "and.py"), "and.py:16:18: "),
    (("check", "d.spec", "--design", "index.py"), "index.py:"),
    (("check", "d.spec", "--design", "d.py:E"), "poolproof: d.py has no design 'E'"),
    (
        ("check", "d.spec", "--design", "Hugtlb"),
        "poolproof: model/designs has no design 'Hugtlb' (did you mean 'Hugetlb'?)",
    ),
    (("check", "d.spec", "--design", "no.such:X"), "poolproof: there is no module"),
    (("check", "d.spec", *D, "--bounds", "V=2"), "poolproof: D: no bound 'V'"),
    (("check", "d.spec", *D, "--bounds", "V"), "poolproof: --bounds V: write NAME="),
    (("check", "d.spec", *D, "--bounds", "V=x"), "poolproof: 'V=x' is not a bound"),
    (
        ("check", "shelf.spec", "--bounds", "R=0"),
        "poolproof: --bounds R=0: R is at least 1",
    ),
    (("check", "shelf.spec", "--bounds", "R=-1"), "poolproof: --bounds R=-1: R is at"),
    (("check", "shelf.spec", "--bounds", "R=1,R=2"), "poolproof: --bounds sets R tw"),
    (
        ("check", "shelf.spec", "--bounds", "tow"),
        "poolproof: --bounds tow: write NAME=NUMBER, like tow=2, or one of this spec's "
        "labels: two (did you mean 'two'?)",
    ),
    (
        ("check", "shelf.spec", "--with", "forse"),
        "poolproof: Shelf: no feature 'forse' (did you mean 'force'?); there are broken",
    ),
    (("check", "shelf.spec", "--without", "x"), "poolproof: Shelf: no feature 'x'"),
    (
        ("check", "shelf.spec", "--with", "force", "--without", "force"),
        "poolproof: force is in --without and in --with",
    ),
    (
        ("check", "d.spec", *D, "--engine", "prov"),
        "poolproof: --engine prov: no such engine (did you mean 'prove'?)",
    ),
    (("check", "d.spec", *D, "--budget", "0"), "poolproof: --budget 0: a number of"),
    (("check", "d.spec", *D, "--budget", "nan"), "poolproof: --budget nan: a number"),
    (("check", "d.spec", *D, "--depth", "-1"), "poolproof: --depth -1: a whole number"),
    (("check", "d.spec", *D, "--threads", "0"), "poolproof: --threads 0: a whole num"),
    (("check", "d.spec", *D, "--memory", "lots"), "poolproof: --memory lots: write b"),
    (("check", "d.spec", *D, "--store", "d.py"), "poolproof: --store d.py: "),
    (("check", "d.spec", *D, "-o", "no/such/x"), "poolproof: no/such/x: cannot be wr"),
    (("check",), "poolproof: which spec? Write a file, a folder, or --since REV"),
    (("check", "--any"), "poolproof: --any needs a value: write `--any all|BOUND[,B"),
    (("check", "-k"), "poolproof: -k needs a value: write `-k WORDS`"),
    (
        ("check", "d.spec", "--budgett=3"),
        "poolproof: --budgett: no such option (did you mean '--budget'?): see `poolp",
    ),
    ((), "usage: poolproof"),
    (("chek",), "poolproof: there is no command 'chek' (did you mean 'check'?): see"),
    (("trace", "no.x"), "no.x:1:1: there is no such file"),
    (("trace", "."), ".:1:1: this is a directory"),
    (("trace", "empty.trace"), "empty.trace:1:1: the file is empty"),
    (("trace", "junk.trace"), "junk.trace:1:7: this is not UTF-8 text"),
    (("trace", "d.spec"), "d.spec:1:1: a trace starts with a line `design: "),
    (("trace", "no.trace"), "no.py:1:1: there is no such file"),
    (("trace", "gone.trace"), "gone.trace:1:9: d.py has no design 'E'; it has D"),
    (("trace", "spec.trace"), "spec.trace:2:7: there is no file no.spec"),
    (("trace", "prop.trace"), "prop.trace:3:11: d.spec has no property 'lwo' (did y"),
    (("trace", "bound.trace"), "bound.trace:2:9: R=0: R is at least 1"),
    (("trace", "unknown.trace"), "unknown.trace:2:9: D has no bound 'Q'"),
    (("trace", "feature.trace"), "feature.trace:2:9: Shelf has no feature 'forse'"),
    (("list", "--design", "Hugtlb"), "poolproof: model/designs has no design"),
]


@pytest.mark.parametrize(("argv", "message"), WRONG, ids=lambda x: " ".join(x)[:50])
def test_wrong_input_is_told_with_its_place(
    argv: tuple[str, ...], message: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, data in FILES.items():
        (here / name).write_bytes(data)
    code, out, err = call(capsys, *argv)
    assert (code, out) == (2, "")
    assert err.startswith(message), err
    assert "Traceback" not in err


# --- a process of its own -------------------------------------------------


def process(*argv: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-m", "poolproof", *argv],
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_python_m_checker() -> None:
    running = process("check", "low.spec", "--design", "d.py", "--engine", "explicit")
    out, err = running.communicate(timeout=60)
    assert (running.returncode, err) == (1, "")
    assert out.endswith(RUN)


def test_a_closed_pipe_is_no_error() -> None:
    running = process("list", "--design", "d.py")
    assert running.stdout is not None
    assert running.stderr is not None
    running.stdout.close()
    assert running.stderr.read() == ""
    assert running.wait(timeout=60) == 0


def test_ctrl_c_tells_what_is_known(here: Path) -> None:
    big = (
        DESIGN + "    t = table(Int(0, 20), Int(0, 99))\n\n    @action\n"
        "    def up(self, at: Int(0, 20)):\n        self.t[at] += 1\n"
    )
    (here / "big.py").write_text(big)
    (here / "big.spec").write_text(
        'spec "x"\nfor D\ninvariant a: t[0] < 2\ninvariant b: t[1] <= 99\n'
    )
    running = process("check", "big.spec", "--design", "big.py", "--engine", "explicit")
    used = Path(f"/proc/{running.pid}/stat")
    for _ in range(600):  # until it has had two seconds of processor time
        time.sleep(0.1)
        if int(used.read_text().rpartition(")")[2].split()[11]) > 200:
            break
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=60)
    assert err == ""
    assert "a  violated after 2 steps; EXPECTED: holds" in out
    assert "b  unknown: interrupted; no violation within" in out
    assert running.returncode == 1
