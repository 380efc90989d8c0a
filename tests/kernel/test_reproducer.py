# SPDX-License-Identifier: GPL-2.0-only
"""Reproducers: what is printed compiles, and shows on a kernel what it says."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from poolproof.checker.commands.main import main
from poolproof.checker.conform.c_trace import c_program
from poolproof.checker.conform.hugetlb import VARIANTS, WITHOUT_C
from poolproof.checker.conform.script import Script, script
from poolproof.checker.conform.shown import Showing, explanations, minimal, showing
from poolproof.checker.conform.syz import syz_program
from poolproof.checker.core.cache import cache_folder
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.driver.stored import replay_file
from poolproof.checker.evidence.trace_file import load
from poolproof.checker.kernel.fetch import find_image
from poolproof.checker.kernel.guest import Guest, GuestMachine
from poolproof.checker.kernel.kernel import Unavailable
from poolproof.model.designs.hugetlb.linux_6_12 import Hugetlb
from poolproof.model.designs.hugetlb.versions import Hugetlb70
from tests.common.acted import compiles, needs_cc, of_design, of_explanation, run_on
from tests.kernel.test_writing import SETTINGS, scripts

ROOT = Path(__file__).parents[2]
STORED = sorted(
    path
    for variant in {Hugetlb, *VARIANTS.values()}
    for path in (ROOT / "counterexamples").glob(f"{variant.__name__}/*.trace")
    if not WITHOUT_C & {*load(str(path)).heading.having}
)
MEMPOLICY = ROOT / "counterexamples/Hugetlb/hugetlb_mempolicy.promise_is_kept.trace"

UNSEEN = {"hugetlb_min_size_private.resv_exact", "promise_numa.q3_promise_kept"}
"""An owner's mapping with the promise to come would look the same; `failed` is a
mark of the design (hugetlb_cpuset.promise_is_kept is the same run)."""


@pytest.fixture(scope="module", params=STORED, ids=lambda p: p.stem)
def path(request: pytest.FixtureRequest) -> Path:
    """A counterexample, of which all is asked before the next."""
    found: Path = request.param
    return found


@cache
def shown(path: Path) -> Showing:
    return showing(script(replay_file(str(path))))


def test_a_run_that_no_system_call_makes() -> None:
    pinned = ROOT / "counterexamples/Hugetlb/hugetlb_pins.no_wrap.trace"
    with pytest.raises(UserError, match="the feature 'pins' is about"):
        shown(pinned)


@needs_cc
def test_a_stored_counterexample_compiles(path: Path) -> None:
    compiles(c_program(shown(path)), "-c", "-o", "/dev/null")


@needs_cc
@pytest.mark.parametrize("name", [name for name, *_ in SETTINGS])
def test_any_run_compiles(name: str) -> None:
    for found in scripts(name, runs=3, steps=10)[0]:
        compiles(c_program(showing(found)), "-c", "-o", "/dev/null")


def test_what_the_program_says() -> None:
    text = c_program(shown(MEMPOLICY))
    assert text.startswith("// SPDX-License-Identifier: GPL-2.0\n")
    assert '#define NEEDS "2 NUMA nodes"' in text
    assert "returned = bind_task(MPOL_BIND, 1);" in text
    assert '"touch(v1, 0)", "SIGBUS"' in text
    assert "cgroup" not in text
    assert "mount_hugetlbfs" not in text
    assert "/*@" not in text
    assert "/*+" not in text


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
# Hugetlb, CAP=2 OC=1 P=1 V=1 blocks=0
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
    path = trace_file(
        tmp_path,
        f"""\
design:   Hugetlb
bounds:   CAP=2 OC=1 P=1 V=1 blocks=0
with:     surplus dontneed
spec:     {tmp_path}/d.spec
property: dontneed
title:    MADV_DONTNEED with surplus pages
verdict:  reached after 4 steps, perhaps not the fewest
start:    h.next_nid_to_free = n0

mmap(t0, v0, 1) -> OK
touch(v0, 0) -> OK
madvise_dontneed(v0, 0) -> OK
munmap(v0) -> OK
""",
    )
    text = syz_program(script(replay_file(str(path))))
    lines = text.splitlines()
    assert lines[:2] == SYZ.splitlines()[:2]
    assert any("nr_overcommit_hugepages" in line for line in lines)
    assert text[text.index("# 1. mmap") :] == SYZ[SYZ.index("# 1. mmap") :]


def test_what_no_system_call_does(tmp_path: Path) -> None:
    (tmp_path / "d.spec").write_text(
        'spec "x"\nfor Hugetlb\nreachable r: h.resv_huge_pages == 1\n'
    )
    path = trace_file(
        tmp_path,
        f"""\
design:   Hugetlb
bounds:   CAP=2 P=1 V=1 blocks=1
with:     inject
spec:     {tmp_path}/d.spec
property: r
verdict:  reached after 2 steps, perhaps not the fewest

mmap(t0, v0, 1) -> OK
touch(v0, 0, false) -> OOM
""",
    )
    with pytest.raises(UserError) as raised:
        script(replay_file(str(path)))
    assert "a page that is allocated and cannot be installed" in str(raised.value)


# --- what is shown ----------------------------------------------------------


@needs_cc
def test_a_kernel_that_is_the_model_shows_it(path: Path, tmp_path: Path) -> None:
    found = shown(path)
    assert bool(found.reason) == (path.stem in UNSEEN)
    design = found.script.replayed.compiled.source
    code, said = run_on(found, of_design(found, design), tmp_path)
    if found.reason:
        assert code == 4
        assert "SKIP user space cannot see it" in said
        return
    assert code == 1, said
    assert "not ok 1 " in said
    assert "seen violated" in said.splitlines()[-1]


@needs_cc
def test_a_kernel_that_keeps_the_property_does_not_show_it(
    path: Path, tmp_path: Path
) -> None:
    """In an explanation, or where the deciding step itself looks otherwise."""
    found = shown(path)
    prop = found.script.replayed.prop
    assert prop is not None
    every = explanations(script(found.script.replayed), prop)
    if found.minimal:
        every = tuple(minimal(every))
    kernels = [of_explanation(found, e) for e in every[:: 1 + len(every) // 3]]
    for steps in kernels or [list(found.script.steps[:-1])]:
        code, said = run_on(found, steps, tmp_path)
        assert (code, "violated" in said) == (4 if found.reason else 0, False), said
        assert found.reason or "not seen: the kernel differs from step" in said


WHERE_IT_SHOWS = {
    "failed_mmap_shared": (3, 4),
    "resv_exact": (3, 5),
    "min_is_kept": (3, 4),
    "resv_backed": (5, 5),
}


@needs_cc
@pytest.mark.parametrize("name", WHERE_IT_SHOWS)
def test_a_kernel_with_the_fix(name: str, tmp_path: Path) -> None:
    """a833a693a490: no counter tells before the subpool gives a page twice."""
    path = ROOT / f"counterexamples/Hugetlb/hugetlb_min_size.{name}.trace"
    found = shown(path)
    assert (found.decided, len(found.script.steps)) == WHERE_IT_SHOWS[name]
    code, said = run_on(found, of_design(found, Hugetlb70), tmp_path)
    assert code == 0
    assert "violated" not in said
    last = WHERE_IT_SHOWS[name][1]
    assert said.splitlines()[-1] == (
        f"ok 1 {name} # not seen: the kernel differs from step {last} on"
    )


def test_a_page_that_stays_mapped_is_touched() -> None:
    path = ROOT / "counterexamples/Hugetlb/hugetlb_fork.mapped_stays.trace"
    found = shown(path)
    assert [(s.text, s.result) for s in found.script.steps[5:]] == [
        ("touch(v2, 0, write=false)", "SIGBUS")
    ]
    assert found.otherwise == ("OK",)


HIDDEN = """\
spec "x"
for Hugetlb
bounds blocks = 1, P = 1, V = 1
invariant free: all(v in VMAS: anon.node[v, 0] != none implies not resv_owner[v])
reachable owner: any(v in VMAS: resv_owner[v] and anon.node[v, 0] != none)
reachable taken: free_huge_pages() == 0
"""
TOUCHED = """\
design:   Hugetlb
bounds:   P=1 V=1 blocks=1
spec:     {spec}
property: {name}
verdict:  {verdict} after 2 steps, perhaps not the fewest

mmap(t0, v0, 1) -> OK
touch(v0, 0) -> OK
"""


def touched(tmp_path: Path, name: str, verdict: str = "reached") -> Script:
    spec = tmp_path / "d.spec"
    spec.write_text(HIDDEN)
    text = TOUCHED.format(spec=spec, name=name, verdict=verdict)
    return script(replay_file(str(trace_file(tmp_path, text))))


@needs_cc
@pytest.mark.parametrize(
    ("name", "verdict"), [("free", "violated"), ("owner", "reached")]
)
def test_what_user_space_cannot_see(name: str, verdict: str, tmp_path: Path) -> None:
    """An owner that has had all its pages is as good as none."""
    found = showing(touched(tmp_path, name, verdict))
    assert found.reason == "no 3 further calls show it"
    assert len(found.script.steps) == 2
    code, said = run_on(found, of_design(found, Hugetlb), tmp_path)
    assert code == 4
    assert said.splitlines()[-1] == (
        f"ok 1 {name} # SKIP user space cannot see it: no 3 further calls show it"
    )


@needs_cc
def test_to_reach_something_is_good(tmp_path: Path) -> None:
    found = showing(touched(tmp_path, "taken"))
    steps = of_design(found, Hugetlb)
    code, said = run_on(found, steps, tmp_path)
    assert (code, said.splitlines()[-1]) == (0, "ok 1 taken # seen reached")
    code, said = run_on(found, steps[:1], tmp_path)
    assert code == 1
    assert said.splitlines()[-1].startswith("not ok 1 taken # not seen")


@needs_cc
def test_a_kernel_that_differs_before_is_not_asked(tmp_path: Path) -> None:
    found = shown(MEMPOLICY)
    code, said = run_on(found, of_design(found, Hugetlb)[:2], tmp_path)
    assert code == 4
    assert "SKIP the kernel differs from the model before step 5" in said


@needs_cc
@pytest.mark.parametrize(
    ("rsvd", "free", "code"), [(0, 2, 0), (2, 2, 0), (2, 1, 1), (-1, 2, 1)]
)
def test_the_property_is_asked_of_the_counters(
    rsvd: int, free: int, code: int, tmp_path: Path
) -> None:
    """0 <= resv_huge_pages <= free_huge_pages, whatever the model says."""
    path = ROOT / "counterexamples/Hugetlb/hugetlb_min_size.resv_backed.trace"
    found = shown(path)
    *before, last = found.script.steps
    node = last.counters.nodes[0]._replace(free=free)
    counters = replace(last.counters, rsvd=rsvd, nodes=(node,))
    steps = [*before, replace(last, counters=counters)]
    assert run_on(found, steps, tmp_path)[0] == code


@needs_cc
@pytest.mark.parametrize(
    ("result", "code"), [("OK", 0), ("SIGBUS", 1), ("SIGSEGV", 0), ("no answer", 0)]
)
def test_the_property_is_asked_of_the_result(
    result: str, code: int, tmp_path: Path
) -> None:
    found = shown(MEMPOLICY)
    *before, last = found.script.steps
    counters = replace(last.counters, rsvd=last.counters.rsvd + 1)
    steps = [*before, replace(last, result=result, counters=counters)]
    assert run_on(found, steps, tmp_path)[0] == code


# --- on a kernel -----------------------------------------------------------


def programs(design: str, folder: Path) -> dict[str, Path]:
    """A static program of each stored counterexample of a design."""
    found = {}
    for number, path in enumerate(STORED):
        if path.parent.name == design:
            program = folder / f"r{number}"
            compiles(c_program(shown(path)), "-static", "-s", "-o", str(program))
            found[path.stem] = program
    return found


@pytest.mark.slow
@needs_cc
@pytest.mark.parametrize(
    ("release", "design"),
    [("6.12", "Hugetlb"), ("6.1", "Hugetlb61"), ("6.18", "Hugetlb618")],
)
def test_the_kernel_does_what_the_counterexamples_say(
    release: str, design: str, tmp_path: Path
) -> None:
    found = programs(design, tmp_path)
    assert found
    machine = GuestMachine(programs=tuple(found.values()))
    try:
        guest = Guest(find_image(release, cache_folder()), cache_folder(), machine)
    except Unavailable as reason:
        pytest.skip(str(reason))
    with guest:
        for name, program in found.items():
            outcome = guest.sequence(["timeout 60000", f"run {program.name}"])
            status, said = outcome.answers[-1].value.split(" ", 1)
            lines = said.split("\x1f")
            assert lines[:2] == ["TAP version 13", "1..1"], name
            code = "004" if name in UNSEEN else "001"
            assert (status, "differ" in said) == (code, False), f"{name}: {lines}"
            assert name in UNSEEN or any(
                line.startswith("not ok 1 ") and "seen violated" in line
                for line in lines
            ), name
