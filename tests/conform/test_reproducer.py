"""Reproducers: what is printed compiles, and shows on a kernel what it says."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from checker.cache import cache_folder
from checker.cli import main
from checker.conform.c_program import c_program
from checker.conform.hugetlb import VARIANTS
from checker.conform.script import script
from checker.conform.syz import syz_program
from checker.diagnostic import Mistake
from checker.kernel.fetch import find_image
from checker.kernel.guest import Guest, Machine
from checker.kernel.kernel import Unavailable
from checker.trace import Replayed, replay_file
from model.designs.hugetlb import Hugetlb
from tests.conform.test_writing import SETTINGS, scripts

ROOT = Path(__file__).parents[2]
STORED = sorted(
    path
    for variant in {Hugetlb, *VARIANTS.values()}
    for path in (ROOT / "counterexamples").glob(f"{variant.__name__}.*.trace")
)
MEMPOLICY = ROOT / "counterexamples/Hugetlb.hugetlb_mempolicy.promise_is_kept.trace"

needs_cc = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")


def replayed(path: Path, monkeypatch: pytest.MonkeyPatch) -> Replayed:
    monkeypatch.chdir(ROOT)
    return replay_file(str(path))


def compiles(text: str, *flags: str) -> None:
    command = ["cc", "-Wall", "-Wextra", "-Werror", "-O1", "-x", "c", "-", *flags]
    done = subprocess.run(command, input=text, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@needs_cc
@pytest.mark.parametrize("path", STORED, ids=lambda p: p.stem)
def test_a_stored_counterexample_compiles(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiles(c_program(script(replayed(path, monkeypatch))), "-c", "-o", "/dev/null")


@needs_cc
@pytest.mark.parametrize("name", [name for name, *_ in SETTINGS])
def test_any_run_compiles(name: str) -> None:
    for found in scripts(name, runs=3, steps=10)[0]:
        compiles(c_program(found), "-c", "-o", "/dev/null")


def test_what_the_program_says(monkeypatch: pytest.MonkeyPatch) -> None:
    text = c_program(script(replayed(MEMPOLICY, monkeypatch)))
    assert text.startswith("// SPDX-License-Identifier: GPL-2.0\n")
    assert '#define NEEDS "2 NUMA nodes"' in text
    assert "returned = bind_task(MPOL_BIND, 1);" in text
    assert '"touch(v1, 0)", "SIGBUS"' in text
    assert "cgroup" not in text and "mount_hugetlbfs" not in text
    assert "/*@" not in text and "/*+" not in text


def test_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    path = str(MEMPOLICY.relative_to(ROOT))
    assert main(["trace", path, "--c"]) == 0
    assert "int main(void)" in capsys.readouterr().out
    assert main(["trace", path, "--syz"]) == 2
    assert "a syzkaller program is one process" in capsys.readouterr().err
    assert main(["trace", path, path, "--c"]) == 2


SYZ = """\
# dontneed: MADV_DONTNEED with surplus pages
# model.designs.hugetlb:Hugetlb, B=0 CAP=2 OC=1 P=1 V=1
# 1. mmap(t0, v0, 1) -> OK
mmap(&(0x7f0000000000/0x200000)=nil, 0x200000, 0x3, 0x40032, 0xffffffffffffffff, 0x0)
# 2. touch(v0, 0) -> OK
madvise(&(0x7f0000000000/0x200000)=nil, 0x200000, 0x17)
# 3. madvise_dontneed(v0, 0) -> OK
madvise(&(0x7f0000000000/0x200000)=nil, 0x200000, 0x4)
# 4. munmap(v0) -> OK
munmap(&(0x7f0000000000/0x200000)=nil, 0x200000)
"""


def trace_file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "one.trace"
    path.write_text(text)
    return path


def test_a_syzkaller_program(tmp_path: Path) -> None:
    (tmp_path / "d.spec").write_text(
        'spec "x"\nfor Hugetlb\nreachable dontneed: nr_huge_pages() == 0\n'
    )
    path = trace_file(tmp_path, f"""\
design:   model.designs.hugetlb:Hugetlb
bounds:   B=0 CAP=2 OC=1 P=1 V=1
having:   surplus dontneed
spec:     {tmp_path}/d.spec
property: dontneed
title:    MADV_DONTNEED with surplus pages
verdict:  reached after 4 steps, perhaps not the fewest
start:    h.next_nid_to_free = n0

mmap(t0, v0, 1) -> OK
touch(v0, 0) -> OK
madvise_dontneed(v0, 0) -> OK
munmap(v0) -> OK
""")
    text = syz_program(script(replay_file(str(path))))
    lines = text.splitlines()
    assert lines[:2] == SYZ.splitlines()[:2]
    assert any("nr_overcommit_hugepages" in line for line in lines)
    assert text[text.index("# 1. mmap") :] == SYZ[SYZ.index("# 1. mmap") :]


def test_what_no_system_call_does(tmp_path: Path) -> None:
    (tmp_path / "d.spec").write_text(
        'spec "x"\nfor Hugetlb\nreachable r: h.resv_huge_pages == 1\n'
    )
    path = trace_file(tmp_path, f"""\
design:   model.designs.hugetlb:Hugetlb
bounds:   B=1 CAP=2 P=1 V=1
having:   inject
spec:     {tmp_path}/d.spec
property: r
verdict:  reached after 2 steps, perhaps not the fewest

mmap(t0, v0, 1) -> OK
touch(v0, 0, false) -> OOM
""")
    with pytest.raises(Mistake) as raised:
        script(replay_file(str(path)))
    assert "a page that is allocated and cannot be installed" in str(raised.value)


# --- on a kernel -----------------------------------------------------------


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """A static program of each stored counterexample of 6.12's design."""
    folder = tmp_path_factory.mktemp("programs")
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        for number, path in enumerate(STORED):
            if not path.name.startswith("Hugetlb."):
                continue
            text = c_program(script(replayed(path, patch)))
            program = folder / f"r{number}"
            compiles(text, "-static", "-s", "-o", str(program))
            found[path.stem] = program
    yield found


@pytest.mark.slow
@needs_cc
def test_the_kernel_does_what_the_counterexamples_say(
    programs: dict[str, Path],
) -> None:
    machine = Machine(programs=tuple(programs.values()))
    try:
        guest = Guest(find_image("6.12", cache_folder()), cache_folder(), machine)
    except Unavailable as reason:
        pytest.skip(str(reason))
    with guest:
        for name, program in programs.items():
            outcome = guest.sequence(["timeout 60000", f"run {program.name}"])
            status, said = outcome.answers[-1].value.split(" ", 1)
            lines = said.split("\x1f")
            assert lines[:2] == ["TAP version 13", "1..1"], name
            assert (status, "differ" in said) == ("001", False), f"{name}: {lines}"
            assert any(
                line.startswith("not ok 1 ") and line.endswith("seen violated")
                for line in lines
            ), name
