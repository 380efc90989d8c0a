# SPDX-License-Identifier: GPL-2.0-only
"""The wheel, installed beside modules of a user that have the same names."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from tests.golden.test_documents import (
    README,
    abridged_blocks,
    console_blocks,
    written_files,
)

ROOT = Path(__file__).resolve().parents[2]
SOURCES = (
    "pyproject.toml",
    "README.md",
    "LICENSE",
    "LANGUAGE.md",
    "poolproof",
    "checker",
    "model",
    "specs",
    "counterexamples",
)

pytestmark = pytest.mark.slow


def run(*argv: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, cwd=cwd, text=True, capture_output=True, check=False)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of a copy, because building leaves files behind."""
    copy = tmp_path_factory.mktemp("copy")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            skip = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, copy / name, symlinks=True, ignore=skip)
        else:
            shutil.copy(ROOT / name, copy / name)
    argv = [
        "-m",
        "pip",
        "wheel",
        "--no-deps",
        "--no-index",
        "--no-build-isolation",
        "-w",
        "dist",
        ".",
    ]
    built = run(sys.executable, *argv, cwd=copy)
    assert built.returncode == 0, built.stdout + built.stderr
    [found] = (copy / "dist").glob("*.whl")
    return found


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheel, and with this one's libraries."""
    place = tmp_path_factory.mktemp("venv")
    run(sys.executable, "-m", "venv", "--without-pip", place, cwd=place)
    made = place / "bin" / "python"
    argv = f"-m pip --python {made} install --no-deps --no-index {wheel}"
    installed = run(sys.executable, *argv.split(), cwd=place)
    assert installed.returncode == 0, installed.stderr
    [packages] = place.glob("lib/python*/site-packages")
    libraries = sysconfig.get_paths()["purelib"]
    (packages / "libraries.pth").write_text(libraries + "\n")
    return made


@pytest.fixture
def user(tmp_path: Path) -> Path:
    """A user's folder: its modules have the names of the package's folders."""
    for name in ("model", "checker"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('the wrong one')\n")
    return tmp_path


def test_the_wheel_has_one_package(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {t for t in tops if not t.endswith(".dist-info")} == {"poolproof"}
    for name in ("specs/**/*", "counterexamples/**/*", "LANGUAGE.md", "**/*.lark"):
        for path in (ROOT / "poolproof").glob(name):
            if path.is_file():
                assert str(path.relative_to(ROOT)) in names


def test_a_check_is_a_function_and_a_test_outside_a_checkout(
    python: Path, user: Path
) -> None:
    code = (
        "import poolproof\n"
        "found = poolproof.check('Thp', 'promise_plain', engine='explicit', depth=1)\n"
        "print(len(found) > 0, {v.verdict for v in found.values()})"
    )
    done = run(python, "-c", code, cwd=user)
    assert (done.stdout, done.stderr) == ("True {'unknown'}\n", "")
    [package] = python.parents[1].glob("lib/python*/site-packages/poolproof")
    assert (package / "py.typed").is_file()
    (user / "my.spec").write_text('spec "x"\nfor Thp\ninvariant all: true\n')
    (user / "pytest.ini").write_text("[pytest]\npoolproof_engine = explicit\n")
    done = run(python, "-m", "pytest", "-q", "my.spec", cwd=user)
    assert "2 passed" in done.stdout, done.stdout + done.stderr


TRACE = "Hugetlb/hugetlb_mempolicy.promise_is_kept.trace"


@pytest.mark.parametrize(
    ("call", "code", "printed"),
    [
        ("--version", 0, "poolproof "),
        ("list", 0, "  Hugetlb "),
        ("check promise_plain --design Thp", 0, "violated after 6 steps, as expected"),
        (f"trace counterexamples/{TRACE}", 0, "violated after 5 steps"),
        ("review --help", 0, "usage: poolproof review"),
        ("review --design Thp --engine explicit --depth 1", 3, "unknown"),
        ("guarantee --design GlobalPool --single --states 50", 0, "nothing on"),
        ("mutate Thp --spec promise_plain --sample 1 --states 50", 0, "mutant"),
        ("size hot_upgrade_4 --scenario shmem --table", 0, "7 fails early"),
        ("help design", 0, "# Designs"),
    ],
)
def test_it_works_outside_a_checkout(
    call: str, code: int, printed: str, python: Path, user: Path
) -> None:
    done = run(python, "-m", "poolproof", *call.split(), cwd=user)
    assert (done.returncode, done.stderr) == (code, "")
    assert printed in done.stdout
    assert str(ROOT) not in done.stdout


@pytest.fixture
def reader(tmp_path: Path) -> Path:
    """The folder of somebody who has written down README's files."""
    for name, text in written_files().items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("command", "pieces"),
    [*((c, [printed]) for c, printed in console_blocks()), *abridged_blocks()],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_the_readmes_commands_outside_a_checkout(
    command: str, pieces: list[str], python: Path, reader: Path
) -> None:
    words = shlex.split(command)
    assert words[0] == "poolproof"
    done = run(python, "-m", *words, cwd=reader)
    assert done.stderr == ""
    at = 0
    for piece in pieces:
        assert piece in done.stdout[at:]
        at = done.stdout.index(piece, at) + len(piece)


def test_the_readmes_call_from_python(python: Path, reader: Path) -> None:
    (example,) = re.findall(
        r"^```python\n(from poolproof import check\n.*?)^```$", README, re.M | re.S
    )
    (reader / "my_pool.spec").write_text(
        'spec "s"\nfor Quota\ninvariant exact: used <= total\n'
    )
    code = f"from my_pool import Quota as MyPool\n{example}"
    done = run(python, "-c", code, cwd=reader)
    assert (done.stderr, done.returncode) == ("", 0)
    assert "holds" in done.stdout
