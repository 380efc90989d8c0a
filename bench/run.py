# SPDX-License-Identifier: GPL-2.0-only
"""This checker and its peers on the reference pool, side by side.

    python -m bench.run [--runs N] [--sizes B,V,P ...] [--quick] [--slow]
                        [--limit SECONDS]
                        [--cmurphi DIR] [--tlc tla2tools.jar]

Every row is the median of at least three runs. `wall` is what a user waits
for: printing and compiling the program included, with an empty cache. Python's
bytecode and the grammar's tables are there. `states/s` counts the search alone.
SPIN and Rumur are run
where they are installed; a peer that takes longer than --limit for one run is
told as that.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.peers.promela import promela

HERE = Path(__file__).parent
PEERS = HERE / "peers"
Size = tuple[int, int, int]

COUNTS: dict[Size, tuple[int, int]] = {
    (2, 2, 2): (6_798, 898),
    (2, 3, 2): (91_922, 4_052),
    (3, 3, 2): (620_462, 26_754),
    (3, 3, 3): (2_233_598, 94_690),
    (3, 4, 2): (12_848_234, 144_846),
    (4, 3, 3): (13_601_738, 572_278),
    (4, 4, 3): (390_174_230, 4_218_388),
}
"""(B, V, P): reachable states, and orbits under all permutations."""

SIGBUS: dict[Size, int] = {(3, 3, 3): 6, (4, 4, 2): 7, (4, 4, 3): 7}
"""The length of the shortest run to sigbus."""


@dataclass(frozen=True)
class Result:
    """One run: ``wall`` includes compilation, ``search`` does not."""

    states: int
    wall: float
    search: float
    memory: int


@dataclass(frozen=True)
class Ran:
    """A finished command."""

    seconds: float
    memory: int
    output: str


class Failed(Exception):
    """A tool did not do what was asked of it."""


class Late(Failed):
    """A tool took too long."""


def run(
    command: Sequence[str | Path],
    directory: Path,
    environment: dict[str, str] | None = None,
    limit: float | None = None,
) -> Ran:
    """Runs a command; its peak memory is the largest process it waited for."""
    begin = time.monotonic()
    with tempfile.TemporaryFile() as out:
        child = subprocess.Popen(
            [str(x) for x in command],
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
        try:
            while True:
                done, status, used = os.wait4(child.pid, os.WNOHANG)
                if done:
                    break
                if limit is not None and time.monotonic() - begin > limit:
                    raise Late(f"more than {limit:g} s")
                time.sleep(0.002)
        except BaseException:
            child.kill()
            child.wait()
            raise
        child.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - begin
        out.seek(0)
        text = out.read().decode(errors="replace")
    if child.returncode:
        raise Failed(f"{command[0]} failed ({child.returncode}): {text[-400:]}")
    return Ran(seconds, used.ru_maxrss * 1024, text)


def number(pattern: str, text: str) -> float:
    """The last number that the pattern finds."""
    found = re.findall(pattern, text)
    if not found:
        raise Failed(f"no {pattern!r} in: {text[-400:]}")
    return float(found[-1].replace(",", ""))


# --- the tools -----------------------------------------------------------------


@dataclass(frozen=True)
class Tool:
    """``go`` runs it once on a size, in an empty directory; a peer's search
    for at most so many seconds. Raises Late, Failed."""

    name: str
    go: Callable[[Size, Path, float], Result]
    ours: bool = False


def ours(
    size: Size, at: Path, symmetry: bool, threads: int, until: bool, again: str = ""
) -> Ran:
    """One run of bench.ours, its compiled programs kept in ``at``."""
    asked = [*map(str, size), str(int(symmetry)), str(threads), str(int(until))]
    return run(
        [sys.executable, "-m", "bench.ours", *asked, *([again] if again else [])],
        HERE.parent,
        environment(at),
    )


def environment(at: Path) -> dict[str, str]:
    """Python as it is by default, with a cache of its own in ``at``."""
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "XDG_CACHE_HOME": str(at), "PYTHONPATH": str(HERE.parent)}


def poolproof(symmetry: bool, threads: int) -> Tool:
    def go(size: Size, at: Path, _limit: float) -> Result:
        cold = ours(size, at, symmetry, threads, False)
        warm = ours(size, at, symmetry, threads, False, "compiled")
        answer = json.loads(warm.output.splitlines()[-1])
        return Result(
            answer["states"], cold.seconds, answer["search"], answer["memory"]
        )

    plural = "s" if threads > 1 else ""
    return Tool(f"poolproof, {threads} thread{plural}", go, ours=True)


def written(symmetry: bool) -> Tool:
    def go(size: Size, at: Path, limit: float) -> Result:
        made = run(
            ["c++", "-O2", "-march=native", "-o", at / "pool", PEERS / "pool.cpp"], at
        )
        asked = [*map(str, size), str(int(symmetry))]
        ran = run([at / "pool", *asked], at, limit=limit)
        return Result(
            int(number(r"states (\d+)", ran.output)),
            made.seconds + ran.seconds,
            number(r"seconds ([\d.]+)", ran.output),
            ran.memory,
        )

    return Tool("C++ by hand", go)


def spin(breadth_first: bool) -> Tool:
    def go(size: Size, at: Path, limit: float) -> Result:
        (at / "pool.pml").write_text(promela(*size))
        how = ["-DBFS"] if breadth_first else []
        made = run(["spin", "-o2", "-a", "pool.pml"], at).seconds
        made += run(
            [
                "cc",
                "-O2",
                "-DSAFETY",
                "-DNOREDUCE",
                "-DMEMLIM=64000",
                *how,
                "-w",
                "-o",
                "pan",
                "pan.c",
            ],
            at,
        ).seconds
        bits = max(20, COUNTS[size][0].bit_length() + 1)
        ran = run([at / "pan", "-n", f"-w{bits}", "-m20000000"], at, limit=limit)
        return Result(
            int(number(r"(\d+) states, stored", ran.output)),
            made + ran.seconds,
            number(r"elapsed time ([\d.e+]+)", ran.output),
            ran.memory,
        )

    return Tool(f"SPIN, {'BFS' if breadth_first else 'DFS'}", go)


def murphi(size: Size, symmetry: bool) -> str:
    """peers/pool.m.in with the sizes put in."""
    b, v, p = size
    values = {
        "B": b,
        "P": p,
        "LIMIT": 2 * b - 1,
        "POOL": 2 * b,
        "PM1": p - 1,
        "NODE": "scalarset(2)" if symmetry else "0..1",
        "CG": "scalarset(2)" if symmetry else "0..1",
        "VMA": f"scalarset({v})" if symmetry else f"0..{v - 1}",
        "BAD": "-- ",
    }
    text = (PEERS / "pool.m.in").read_text()
    for name, value in values.items():
        text = text.replace(f"@{name}@", str(value))
    return text


def rumur(symmetry: bool) -> Tool:
    def go(size: Size, at: Path, limit: float) -> Result:
        (at / "pool.m").write_text(murphi(size, symmetry))
        made = run(
            [
                "rumur",
                "--deadlock-detection",
                "off",
                "--threads",
                "1",
                "--symmetry-reduction",
                "exhaustive" if symmetry else "off",
                "--output",
                "pool.c",
                "pool.m",
            ],
            at,
        ).seconds
        made += run(
            [
                "cc",
                "-std=c11",
                "-O3",
                "-march=native",
                "-mcx16",
                "-w",
                "-o",
                "pool",
                "pool.c",
                "-lpthread",
                "-latomic",
            ],
            at,
        ).seconds
        ran = run([at / "pool"], at, limit=limit)
        states = int(number(r"([\d,]+) states", ran.output))
        return Result(states, made + ran.seconds, ran.seconds, ran.memory)

    return Tool("Rumur, 1 thread", go)


def cmurphi(symmetry: bool, home: Path) -> Tool:
    """CMurphi 5: ``home`` has src/mu and include/."""

    def go(size: Size, at: Path, limit: float) -> Result:
        (at / "pool.m").write_text(murphi(size, symmetry))
        made = run([home / "src" / "mu", "-c", "pool.m"], at).seconds
        made += run(
            [
                "c++",
                "-O2",
                "-w",
                "-fpermissive",
                "-o",
                "pool",
                "pool.cpp",
                f"-I{home / 'include'}",
            ],
            at,
        ).seconds
        how = ["-sym3"] if symmetry else ["-nosym"]
        ran = run([at / "pool", "-vbfs", "-ndl", "-m8000", *how], at, limit=limit)
        states = int(number(r"(\d+) states", ran.output))
        return Result(states, made + ran.seconds, ran.seconds, ran.memory)

    return Tool("CMurphi, 1 thread", go)


def tlc(symmetry: bool, jar: Path) -> Tool:
    def go(size: Size, at: Path, limit: float) -> Result:
        b, v, p = size
        shutil.copy(PEERS / "Pool.tla", at)
        names = [f"v{k + 1}" for k in range(v)]
        constants = [*names, "c1", "c2", "n1", "n2", "NONE"]
        lines = ["CONSTANTS", *(f"  {n} = {n}" for n in constants)]
        lines += [
            f"  VMAS = {{{','.join(names)}}}",
            "  CGS = {c1,c2}",
            "  NODES = {n1,n2}",
            f"  B = {b}",
            f"  P = {p}",
            "SPECIFICATION Spec",
            "CHECK_DEADLOCK FALSE",
            "INVARIANTS ResvExact FreeExact UsageExact ResvBacked",
        ]
        if symmetry:
            lines.append("SYMMETRY Symm")
        (at / "Pool.cfg").write_text("\n".join(lines) + "\n")
        ran = run(
            [
                "java",
                "-XX:+UseParallelGC",
                "-cp",
                jar,
                "tlc2.TLC",
                "-workers",
                "1",
                "Pool.tla",
            ],
            at,
            limit=limit,
        )
        states = int(number(r"([\d,]+) distinct states found", ran.output))
        return Result(states, ran.seconds, ran.seconds, ran.memory)

    return Tool("TLC, 1 worker", go)


# --- the tables ----------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """Medians of the runs of one tool."""

    tool: Tool
    states: int
    wall: float
    search: float
    memory: int

    @property
    def rate(self) -> float:
        return self.states / max(self.search, 1e-6)


def measure(tool: Tool, size: Size, runs: int, right: int | None, limit: float) -> Row:
    results = []
    for _ in range(runs):
        with tempfile.TemporaryDirectory() as at:
            results.append(tool.go(size, Path(at), limit))
    states = results[0].states
    if right is not None and states != right:
        raise Failed(f"{tool.name} counts {states:,} states, not {right:,}")
    return Row(
        tool,
        states,
        statistics.median(r.wall for r in results),
        statistics.median(r.search for r in results),
        int(statistics.median(r.memory for r in results)),
    )


def table(title: str, rows: Sequence[Row]) -> Iterator[str]:
    """Lines of at most 75 columns. Ratios are the first row's to each."""
    yield title
    yield (
        f"  {'':<25}{'states':>11}{'states/s':>11}{'wall s':>8}"
        f"{'MB':>6}{'rate':>6}{'wall':>6}"
    )
    mine = rows[0]
    for r in rows:
        ratios = f"{'':>6}{'':>6}"
        if not r.tool.ours:
            ratios = f"{_ratio(mine.rate / r.rate)}{_ratio(r.wall / mine.wall)}"
        line = (
            f"  {r.tool.name:<25}{r.states:>11,}{r.rate:>11,.0f}{r.wall:>8.2f}"
            f"{r.memory / 1e6:>6.0f}{ratios}"
        )
        yield line.rstrip()


def _ratio(x: float) -> str:
    return f"{x:>5.1f}x" if x < 100 else f"{x:>5.0f}x"


def machine() -> str:
    model = platform.processor() or platform.machine()
    with open("/proc/cpuinfo") as lines:
        for line in lines:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    compiler = subprocess.run(
        ["cc", "--version"], capture_output=True, text=True
    ).stdout.splitlines()[0]
    return (
        f"{model}, {len(os.sched_getaffinity(0))} cores, "
        f"{pages / 2**30:.0f} GiB\n{compiler}; "
        f"Python {platform.python_version()}"
    )


def tools(symmetry: bool, options: argparse.Namespace) -> list[Tool]:
    """Everything that is installed and can do with or without symmetry."""
    found = [poolproof(symmetry, 1), poolproof(symmetry, 2), written(symmetry)]
    if options.quick:
        return found
    if shutil.which("spin") and not symmetry:
        found += [spin(False), spin(True)]
    if shutil.which("rumur"):
        found.append(rumur(symmetry))
    if options.cmurphi:
        found.append(cmurphi(symmetry, options.cmurphi))
    if options.tlc:
        found.append(tlc(symmetry, options.tlc))
    return found


def shortest(size: Size, runs: int) -> str:
    """How long the shortest run to sigbus takes to find, Python's start
    included: where nothing was ever checked, where another system was, and
    where the program is there."""
    first, cold, warm = [], [], []
    for _ in range(runs):
        with tempfile.TemporaryDirectory() as directory:
            at = Path(directory)
            first.append(ours(size, at, True, 2, True).seconds)
        with tempfile.TemporaryDirectory() as directory:
            at = Path(directory)
            ours((2, 2, 2), at, True, 2, True)
            cold.append(ours(size, at, True, 2, True).seconds)
            ours(size, at, True, 2, True, "compiled")
            warm.append(ours(size, at, True, 2, True).seconds)
    told = [statistics.median(s) for s in (cold, warm, first)]
    return (
        f"  {size}, {SIGBUS[size]} steps: {told[0]:.2f} s, compiled "
        f"{told[1]:.2f} s, in an empty cache {told[2]:.2f} s"
    )


def small(runs: int) -> str:
    """How long a check of 4,052 states takes, Python's start included, by
    each engine; and the start alone."""
    check = [
        "-m",
        "poolproof",
        "check",
        "bench/pool.spec",
        "--bounds",
        "B=2,V=3,P=2",
        "--engine",
    ]
    imports = "import poolproof.checker.commands.check, bench.pool"
    took: dict[str, list[float]] = {}

    def time(name: str, at: Path, *asked: str) -> None:
        ran = run([sys.executable, *asked], HERE.parent, environment(at))
        took.setdefault(name, []).append(ran.seconds)

    for _ in range(runs):
        with tempfile.TemporaryDirectory() as directory:
            at = Path(directory)
            time("explicit", at, *check, "explicit")
            time("native, first", at, *check, "native")
            time("native, again", at, *check, "native")
            time("start and imports", at, "-c", imports)
    told = (f"  {n}: {statistics.median(s):.2f} s" for n, s in took.items())
    return "\n".join(["pool (2, 3, 2), with symmetry, 13 properties", *told])


LARGE = "nodes=2,blocks=2,T=2,V=3,files=2,P=2"


def hugetlb() -> Iterator[str]:
    """The accounting of model/designs/hugetlb/linux_6_12.py, once."""
    spec = HERE.parent / "specs/hugetlb/hugetlb_accounting.spec"
    with tempfile.TemporaryDirectory() as at:
        ran = run(
            [
                sys.executable,
                "-m",
                "poolproof",
                "check",
                spec,
                "--bounds",
                LARGE,
                "--engine",
                "native",
                "--json",
            ],
            HERE.parent,
            environment(Path(at)),
        )
    [check] = json.loads(ran.output)["checks"]
    [figures] = check["engines"]
    told = "all" if figures["complete"] else "not all"
    yield f"hugetlb {LARGE}, 2 threads, {len(check['properties'])} properties"
    yield (
        f"  {told} of {figures['states']:,} states, "
        f"{figures['states'] / ran.seconds:,.0f}/s, {ran.seconds:.1f} s, "
        f"{ran.memory / 1e6:,.0f} MB"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.run")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--sizes", nargs="*", metavar="B,V,P")
    parser.add_argument("--quick", action="store_true", help="no peers but C++")
    parser.add_argument(
        "--limit",
        type=float,
        default=300,
        metavar="SECONDS",
        help="for one run of a peer (300)",
    )
    parser.add_argument("--cmurphi", type=Path, metavar="DIR")
    parser.add_argument("--tlc", type=Path, metavar="JAR")
    options = parser.parse_args(arguments)
    runs: int = options.runs
    chosen = [tuple(map(int, s.split(","))) for s in options.sizes or ()]
    print(machine())
    print(f"medians of {runs} runs; rate, wall: how much faster the first row is")
    for symmetry, sizes in (
        (False, [(3, 3, 3), (4, 3, 3)]),
        (True, [(3, 3, 3), (4, 3, 3), (4, 4, 3)]),
    ):
        for size in sizes:
            if chosen and size not in chosen:
                continue
            rows, others = [], []
            right = COUNTS[size][int(symmetry)]
            for tool in tools(symmetry, options):
                try:
                    rows.append(measure(tool, size, runs, right, options.limit))
                except Failed as why:
                    others.append(f"  {tool.name:<25}{why}")
            how = "with symmetry" if symmetry else "without symmetry"
            print()
            print(*table(f"pool {size}, {how}", rows), *others, sep="\n", flush=True)
    print()
    print("pool, shortest run to sigbus")
    for size in SIGBUS:
        if not chosen or size in chosen:
            print(shortest(size, runs), flush=True)
    if not chosen:
        print()
        print(small(runs), flush=True)
        print()
        print(*hugetlb(), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
