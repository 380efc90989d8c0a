# SPDX-License-Identifier: GPL-2.0-only
"""The running kernel: why it is not asked, and that it is left as it was."""

import os
from pathlib import Path

import pytest

from poolproof.checker.core.cache import cache_folder
from poolproof.checker.kernel.guest import Guest, can_accelerate, first_warning
from poolproof.checker.kernel.kernel import Kernel, Unavailable
from poolproof.checker.kernel.live import Live

POOL = Path("/sys/kernel/mm/hugepages/hugepages-2048kB")


def test_both_are_kernels() -> None:
    kernels: tuple[type[Kernel], ...] = (Guest, Live)
    for name in ("release", "facts", "run", "sequence", "reset", "close"):
        assert all(hasattr(kernel, name) for kernel in kernels)


def test_the_first_warning_of_a_console() -> None:
    lines = (
        "[    1.2] usual",
        "[   77.1] WARNING: mm/page_counter.c:58 at x",
        "BUG: y",
    )
    assert first_warning("\n".join(lines)) == "WARNING: mm/page_counter.c:58 at x"
    assert first_warning("[ 1.2] usual") == "not on the console"


@pytest.mark.parametrize(
    ("flags", "device", "expected"),
    [("fpu svm", True, True), ("vmx", False, False), ("fpu", True, False)],
)
def test_when_kvm_is_tried(
    flags: str, device: bool, expected: bool, tmp_path: Path
) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"flags\t\t: {flags}\n")
    if device:
        (tmp_path / "kvm").touch()
    assert can_accelerate(cpuinfo, tmp_path / "kvm") is expected


def _sysfs(folder: Path, total: int, free: int, rsvd: int) -> Path:
    pool = folder / "kernel/mm/hugepages/hugepages-2048kB"
    pool.mkdir(parents=True)
    for name, value in (("nr", total), ("free", free), ("resv", rsvd)):
        (pool / f"{name}_hugepages").write_text(f"{value}\n")
    return folder


def test_only_root_may(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(Unavailable, match="only root can use"):
        Live(tmp_path)


def test_a_kernel_without_huge_pages(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(Unavailable, match="no pool of 2 MiB pages"):
        Live(tmp_path, sysfs=tmp_path)


def test_a_pool_that_somebody_uses(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(Unavailable, match="1 huge pages are in use and 2 reserved"):
        Live(tmp_path, sysfs=_sysfs(tmp_path, total=4, free=3, rsvd=2))


@pytest.mark.slow
@pytest.mark.skipif(
    "POOLPROOF_LIVE" not in os.environ,
    reason="opt-in: set POOLPROOF_LIVE=1 to ask the running kernel",
)
def test_the_running_kernel_is_left_as_it_was() -> None:
    try:
        Live(cache_folder()).close()
    except Unavailable as reason:
        pytest.skip(str(reason))
    before = (POOL / "nr_hugepages").read_text()
    (POOL / "nr_hugepages").write_text("3")
    try:
        with Live(cache_folder()) as kernel:
            assert kernel.release == os.uname().release
            outcome = kernel.sequence(
                ["nr 2", "spawn 0", "w 0 mmap 0 2 PA -1 0", "w 0 w 0 5"]
            )
            assert outcome.clean
            last = outcome.answers[-1]
            assert last.result == "ok 5"
            counters = last.counters
            assert (counters.total, counters.free, counters.rsvd) == (2, 1, 1)
        assert (POOL / "nr_hugepages").read_text() == "3\n"
    finally:
        (POOL / "nr_hugepages").write_text(before)
