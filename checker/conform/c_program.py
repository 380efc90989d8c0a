# SPDX-License-Identifier: GPL-2.0-only
"""A C program that performs calls, in kselftest style.

It prints KTAP, with the expected and the actual results of each step, up to the
first step where they differ. Its exit codes are kselftest's: 1 KSFT_FAIL,
0 KSFT_PASS, 4 KSFT_SKIP. The modules that make a `Program` define their meaning:
c_trace.py, c_difference.py. reproducer.c has the parts that do not depend on the
calls.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from poolproof.checker.conform.c_calls import LOOKS, PARTS, operation, statement
from poolproof.checker.conform.script import Calls, Command
from poolproof.checker.conform.sequence import observables
from poolproof.checker.kernel.answer import Counters


@dataclass(frozen=True, slots=True)
class Program:
    """The calls, comment and verdict of a program.

    ``comment`` are the lines at its head. ``expected`` is the name of the side
    whose results the steps have. ``verdict`` is the part of reproducer.c that gives
    the verdict: "asked", "compared", "unseen" or "others". ``verdicts`` are its
    #defines, ``functions`` the C that it calls, ``other`` the last step with the
    result of the other side.
    """

    calls: Calls
    comment: tuple[str, ...]
    expected: str
    verdict: str
    verdicts: tuple[str, ...]
    functions: str = ""
    other: Command | None = None


def text(program: Program) -> str:
    """Return the program's text. Raise NotExpressible if a call has no C."""
    calls = program.calls
    used = _used(program)
    before = [_comment(program.comment), _part("head", used)]
    before += [_defines(program, used), "\n".join(program.verdicts) + "\n"]
    parts = [_part(name, used) for name in _ORDER if name in used]
    after = [_part("prepare", used), _tables(program), _part("main", used)]
    middle = [_steps(calls), _perform(calls), _observe(calls)]
    if program.functions:
        middle.append(program.functions)
    return "\n".join([*before, *parts, *middle, *after])


def comment_lines(text: str) -> list[str]:
    """Return a text as lines of the comment at a program's head."""
    return textwrap.wrap(text, 74, break_on_hyphens=False)


def directions(command: str) -> list[str]:
    """Return what the comment says of a program that a command wrote."""
    return comment_lines(
        f"Written by `poolproof {command}`. Run it as root on a machine whose huge "
        "pages are unused; it puts back what it changes."
    )


_ORDER = (
    "base",
    "mounts",
    "names",
    "umount",
    "space",
    "groups",
    "attach",
    "charges",
    "restore",
    "workers",
    "forks",
    "policies",
    "mbind",
    "maps",
    "pmap",
    "numa",
    "uffdcopy",
    "fstat",
    "pin",
)


def _used(program: Program) -> frozenset[str]:
    """The parts that the calls and the verdict need."""
    calls = program.calls
    used = {"base", "restore", "workers", "pin", program.verdict}
    used |= {"seen"} if program.verdict in ("asked", "compared") else set()
    performed = "\n".join(_cases(calls))
    used |= {part for part, needed in PARTS if needed in performed}
    looks = any(operation(command) in LOOKS for command in calls.commands)
    used.add("looks" if looks else "plain")
    kinds = {name.partition(":")[0] for name in observed(calls)}
    used |= {"space"} if "m" in kinds else set()
    used |= {"charges"} if "cg" in kinds else set()
    return frozenset(used)


@cache
def _parts() -> dict[str, str]:
    text = Path(__file__).with_name("reproducer.c").read_text()
    found = re.split(r"^/\*@ (\w+)[^\n]*\*/\n", text, flags=re.MULTILINE)
    return dict(zip(found[1::2], found[2::2], strict=True))


def _part(name: str, used: frozenset[str]) -> str:
    """A part, without the lines for other parts that are not used."""
    lines, keep = [], True
    for line in _parts()[name].splitlines():
        mark = re.fullmatch(r"/\*\+ (\w*) ?\*/", line)
        if mark:
            keep = not mark[1] or mark[1] in used
        elif keep:
            lines.append(line)
    return "\n".join(lines) + "\n"


# --- what depends on the calls ---------------------------------------------


def _comment(lines: Sequence[str]) -> str:
    body = "\n".join(f" * {line}".rstrip() for line in lines).replace("*/", "* /")
    return f"// SPDX-License-Identifier: GPL-2.0\n/*\n{body}\n */"


def _defines(program: Program, used: frozenset[str]) -> str:
    calls = program.calls
    bounds = calls.setting.bounds
    processes = [int(w[1]) for w in map(str.split, calls.commands) if w[0] == "spawn"]
    processes += [int(w[3]) for w in map(str.split, calls.commands) if "fork" in w]
    controllers = ["hugetlb"] * ("cgroup" in calls.setting.having)
    controllers += ["cpuset"] * ("cpuset" in calls.setting.having)
    needs = "one NUMA node" if bounds["nodes"] == 1 else f"{bounds['nodes']} NUMA nodes"
    lines = [
        f'#define NAME "{calls.name}"',
        f'#define NEEDS "{needs}"',
        f"#define NODES {bounds['nodes']}",
        f"#define PROCESSES {max(processes) + 1}",
        f"#define COUNTERS {len(observed(calls))}",
        f"#define SETUP {len(calls.setup)}",
        f"#define STEPS {len(calls.steps)}",
        f'#define EXPECTED "{program.expected}"',
    ]
    if "groups" in used:
        quoted = ", ".join(f'"{c}"' for c in controllers)
        lines += [
            f"#define CONTROLLERS {quoted}",
            f'#define NEEDED_CONTROLLERS "{" and ".join(controllers)}"',
        ]
    return "\n".join(lines) + "\n"


def observed(calls: Calls) -> tuple[str, ...]:
    """The observables, from the most that any step has."""
    every = [calls.ready, *(step.counters for step in calls.steps)]
    return tuple(dict.fromkeys(name for c in every for name in observables(c)))


def _values(calls: Calls, counters: Counters) -> str:
    seen = observables(counters)
    return ", ".join(str(seen.get(name, 0)) for name in observed(calls))


def _steps(calls: Calls) -> str:
    """The type of a step, and the steps' calls by process."""
    by = [_process(command) for command in calls.commands]
    lines = textwrap.wrap(", ".join(map(str, by)), 70)
    return "\n".join(
        [
            "struct step {",
            "\tconst char *call, *result;",
            "\tlong counters[COUNTERS];",
            "\tint first, last, said;\t/* calls, and whose result it is */",
            "};",
            "",
            "/* The process that makes each call; -1: the first one. */",
            "static const int by[] = {",
            *(f"\t{line}" for line in lines),
            "};",
            "",
        ]
    )


def _tables(program: Program) -> str:
    calls = program.calls
    lines = [
        "static const struct step start_of_run = {",
        f'\t"", "OK", {{ {_values(calls, calls.ready)} }}, 0, 0, 0',
        "};",
        "",
        "static const struct step steps[] = {",
    ]
    first = len(calls.setup)
    for step in calls.steps:
        lines += _row(calls, step, first)
        first += len(step.commands)
    if program.other is not None:
        lines += ["};", "", "static const struct step other[] = {"]
        lines += _row(calls, program.other, 0)
    return "\n".join([*lines, "};", ""])


def _row(calls: Calls, step: Command, first: int) -> Sequence[str]:
    """A step as an element of the table; ``first`` is the number of its call."""
    last = first + len(step.commands) - 1
    name = step.text.replace("\\", "\\\\").replace('"', '\\"')
    return (
        f'\t{{ "{name}", "{step.result}",',
        f"\t  {{ {_values(calls, step.counters)} }},",
        f"\t  {first}, {last}, {first + step.telling} }},",
    )


def _process(command: str) -> int:
    words = command.split()
    return int(words[1]) if words[0] == "w" else -1


def _perform(calls: Calls) -> str:
    """A switch with a case for each call."""
    cases = list(_cases(calls))
    lines = [
        "/* Call number `call`. */",
        "static void perform(int call, char *result)",
        "{",
        "\tlong returned = 0;",
        "",
        "\tswitch (call) {",
        *cases,
        "\t}",
        "\tsaid(result, returned);",
        "}",
        "",
    ]
    if any("fds[" in line for line in cases):
        known = "{ [0 ... 15] = -1 };\t/* each process has its own */"
        lines = [f"static int fds[16] = {known}", "", *lines]
    return "\n".join(lines)


def _cases(calls: Calls) -> Iterator[str]:
    nodes = calls.setting.bounds["nodes"]
    for number, command in enumerate(calls.commands):
        if number == len(calls.setup):
            yield "\t/* the run */"
        yield f"\tcase {number}:"
        yield from (f"\t\t{line}" for line in statement(command, nodes))
        yield "\t\tbreak;"


def _observe(calls: Calls) -> str:
    """Reading the counters, and printing them."""
    reads, shown = [], []
    for name in observed(calls):
        first, _, second = name.partition(" ")
        kind, _, rest = first.partition(":")
        file = {
            "nr": "nr_hugepages",
            "free": "free_hugepages",
            "surplus": "surplus_hugepages",
            "usage": "current",
            "rsvd": "rsvd.current",
        }.get(second, second)
        if name.startswith("HugePages_"):
            reads.append(f'meminfo("{name}:")')
            shown.append(f"{name.removeprefix('HugePages_').lower()} %ld")
        elif kind == "cg":
            reads.append(f'group_pages("{rest}", "{file}")')
            shown.append(f"{rest} {second} %ld")
        elif kind == "m":
            reads.append(f"space({int(second == 'free')})")
            shown.append(f"mount {second} %ld")
        else:
            reads.append(f'node_number({first.removeprefix("node")}, "{file}")')
            shown.append(f"{first} {second} %ld")
    lines = ["static void observe(long *seen)", "{"]
    lines += [f"\tseen[{k}] = {read};" for k, read in enumerate(reads)]
    lines += ["}", "", "static void show_counters(const long *seen)", "{", "\tprintf("]
    texts = [", ".join(shown[k : k + 4]) for k in range(0, len(shown), 4)]
    lines += [f'\t\t"{t}{", " if t is not texts[-1] else ""}"' for t in texts]
    lines[-1] = lines[-1][:-1] + '\\n",'
    numbers = textwrap.wrap(", ".join(f"seen[{k}]" for k in range(len(reads))), 60)
    lines += [f"\t\t{line}" for line in numbers]
    return "\n".join([*lines, "\t);", "}", ""])
