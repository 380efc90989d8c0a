# SPDX-License-Identifier: GPL-2.0-only
"""Guests: the recorded scenarios replayed, and every way back to zero."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from poolproof.checker.core.cache import cache_folder
from poolproof.checker.kernel.fetch import find_image
from poolproof.checker.kernel.guest import Guest, GuestMachine
from poolproof.checker.kernel.kernel import Hung, Unavailable
from tests.common.acted import compiles, needs_cc
from tests.kernel.observed import Recording, name_frames, read_observations

RECORDED = read_observations(Path(__file__).with_name("observed.jsonl"))

pytestmark = pytest.mark.slow


def _start(name: str, machine: GuestMachine | None = None) -> Guest:
    try:
        return Guest(find_image(name, cache_folder()), cache_folder(), machine)
    except Unavailable as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="module", params=[name for name, _ in RECORDED.kernels])
def kernel(request: pytest.FixtureRequest) -> Iterator[tuple[str, Guest]]:
    with _start(request.param) as guest:
        yield request.param, guest


@pytest.fixture(scope="module")
def guest() -> Iterator[Guest]:
    with _start("6.12") as guest:
        yield guest


@pytest.mark.parametrize("scenario", RECORDED.scenarios, ids=lambda s: s.name)
def test_every_recorded_row_is_seen_again(
    kernel: tuple[str, Guest], scenario: Recording
) -> None:
    name, guest = kernel
    steps = [row.step for row in scenario.rows]
    outcome = guest.sequence([*scenario.setup, *steps])
    ready = outcome.answers[len(scenario.setup) - 1]
    seen = outcome.answers[len(scenario.setup) :]
    results = name_frames(
        [(step, answer.result) for step, answer in zip(steps, seen, strict=True)]
    )
    recorded = [row.on(name) for row in scenario.rows]
    assert ready.counters == scenario.ready
    assert results == [answer.result for answer in recorded]
    assert [answer.counters for answer in seen] == [
        answer.counters for answer in recorded
    ]
    assert outcome.clean


def test_facts(kernel: tuple[str, Guest]) -> None:
    name, guest = kernel
    assert guest.release.startswith(f"{name}.")
    assert guest.facts.nodes == 2
    assert guest.facts.controllers == {"hugetlb", "memory", "cpuset"}


def test_a_reset_undoes_everything(guest: Guest) -> None:
    *_, last = guest.run(
        [
            *("nrnode 0 2", "nrnode 1 1", "oc 1", "cg mk a", "cg mk b"),
            *("mount m0 size=4M,min_size=2M", "spawn 3", "cg attach b 3"),
            *("w 3 open 0 /mnt/m0/f", "w 3 mmap 0 2 S 0 0", "w 3 w 0 1"),
            *("w 3 memfd 1", "w 3 mmap 8 1 S 1 0", "w 3 w 8 1", "w 3 fork 4"),
        ]
    )
    assert last.ok
    assert last.counters.free < last.counters.total
    assert guest.reset()
    (zero,) = guest.run(["counters"])
    assert (zero.counters.total, zero.counters.rsvd) == (0, 0)
    assert (zero.counters.cgroups, zero.counters.mounts) == ((), ())


def test_after_a_reset_pages_come_from_the_last_node_first(guest: Guest) -> None:
    for _ in range(3):
        nodes = guest.sequence(["nr 3"]).answers[0].counters.nodes
        assert nodes == ((1, 1, 0), (2, 2, 0))


def test_memory_nodes_of_a_cgroup(guest: Guest) -> None:
    answers = guest.sequence(
        [
            *("nrnode 0 2", "nrnode 1 2", "cg mk a", "cg set a cpuset.mems 1"),
            *("spawn 0", "cg attach a 0", "w 0 mmap 0 3 PA -1 0"),
            *("w 0 mmap 0 2 PA -1 0", "w 0 w 0 1", "w 0 numa 0"),
        ]
    ).answers
    results = [answer.result for answer in answers[-4:]]
    assert results == ["err ENOMEM", "ok", "ok 1", "ok 1"]


def test_a_call_that_takes_too_long(guest: Guest) -> None:
    answers = guest.run(
        ["spawn 0", "timeout 0", "w 0 maps", "timeout 3000", "w 0 maps"]
    )
    results = [answer.result for answer in answers]
    assert results == ["ok", "ok", "timeout", "ok", "gone"]
    assert guest.reset()


def test_what_the_agent_does_not_understand(guest: Guest) -> None:
    commands = ["frob", "w 0 maps", "spawn 0", "w 0 mmap 1", "w 99 maps", "spawn 0"]
    results = [answer.result for answer in guest.run(commands)]
    assert results == [
        "usage no command frob",
        "gone",
        "ok",
        "usage mmap PG N FLAGS FD OFF [PROT]",
        "usage w P OP",
        "err EEXIST",
    ]
    assert guest.reset()


def test_only_files_of_its_own(guest: Guest) -> None:
    commands = ["spawn 0", "w 0 open 0 /etc/passwd", "w 0 unlink /mnt/../init"]
    results = [answer.result for answer in guest.sequence(commands).answers]
    assert results == ["ok", "err EACCES", "err EACCES"]


def _children() -> set[int]:
    children = Path("/proc/thread-self/children").read_text()
    return {int(child) for child in children.split()}


def test_a_guest_that_dies_is_restored() -> None:
    before = _children()
    with _start("6.12") as guest:
        guest.run(["nrnode 0 2"])
        (qemu,) = _children() - before
        os.kill(qemu, signal.SIGKILL)
        with pytest.raises(Hung):
            guest.run(["counters"])
        assert guest.run(["counters"])[0].counters.total == 0
    assert _children() == before


def test_a_gigantic_page_comes_back_with_the_saved_state() -> None:
    with _start("6.12", GuestMachine(gigantic=1)) as guest:
        assert guest.facts.gigantic == 1
        for _ in range(2):
            outcome = guest.sequence(["counters", "demote 1"])
            before, after = (answer.counters for answer in outcome.answers)
            assert (before.gigantic, before.total) == ((1, 1, 0, 0), 0)
            assert (after.gigantic, after.total) == ((0, 0, 0, 0), 512)
            assert (outcome.clean, outcome.left) == (False, "gigantic")


READER = """\
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

int main(void)
{
    static char text[1 << 16];
    cpu_set_t second;

    if (fork())
        return 0;
    CPU_ZERO(&second);
    CPU_SET(1, &second);
    sched_setaffinity(0, sizeof(second), &second);
    close(1);
    close(2);
    for (;;) {
        DIR *processes = opendir("/proc");
        struct dirent *one;

        while (processes && (one = readdir(processes))) {
            char path[300];
            int fd;

            snprintf(path, sizeof(path), "/proc/%s/smaps", one->d_name);
            fd = open(path, O_RDONLY);
            while (fd >= 0 && read(fd, text, sizeof(text)) > 0)
                ;
            if (fd >= 0)
                close(fd);
        }
        closedir(processes);
    }
}
"""
"""Reads the page tables of all processes, as a monitor does: it has their memory for
that long, also if they end meanwhile."""


@needs_cc
def test_a_process_is_gone_when_its_memory_is(tmp_path: Path) -> None:
    """Of 200 that end by themselves, and in 50 resets."""
    program = tmp_path / "reader"
    compiles(READER, "-static", "-s", "-o", str(program))
    ends = ("spawn 0", "w 0 mmap 0 4 PA -1 0", "w 0 w 0 1", "w 0 w 1 1", "w 0 exit")
    with _start("6.18", GuestMachine(cpus=2, programs=(program,))) as guest:
        guest.run([f"run {program.name}"])
        for _ in range(50):
            outcome = guest.sequence(["nrnode 0 4", *ends * 4, *ends[:-1]])
            last = [a.counters for a in outcome.answers[len(ends) : -1 : len(ends)]]
            assert [(c.free, c.rsvd) for c in last] == [(4, 0)] * 4
            assert (outcome.clean, outcome.left) == (True, "")


def test_a_reset_says_what_is_left(guest: Guest) -> None:
    outcome = guest.sequence(["nrnode 0 2", "poison 0"])
    assert outcome.answers[-1].ok
    assert (outcome.clean, outcome.left) == (False, "corrupted")
    assert guest.sequence([]).clean
