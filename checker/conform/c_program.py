# SPDX-License-Identifier: GPL-2.0-only
"""A reproducer in C: one file that performs a trace's calls, in kselftest style.

It prints KTAP, and what the model and the kernel show at each step, up to the
first step where they differ. Its exit codes are kselftest's:

    1  KSFT_FAIL: the violation is shown. Either the property itself is asked
       after the step that decides it (c_property.py), or, where it reads what
       is hidden, everything up to the last step is as in the model, which
       could not be if the property held (shown.py)
    0  KSFT_PASS: at or after the step that decides, the kernel differs from
       the model, and the violation is not shown
    4  KSFT_SKIP: the kernel differs before that step, the run cannot be had
       here, or no run shows the violation to user space

For a `reachable` property, 0 and 1 are exchanged: to reach it is good.
reproducer.c has the parts that do not depend on the trace.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from poolproof.checker.conform.c_property import c_property
from poolproof.checker.conform.environment import STATIC
from poolproof.checker.conform.script import Script
from poolproof.checker.conform.sequence import observables
from poolproof.checker.conform.shown import Showing
from poolproof.checker.core.bounds import show_bounds
from poolproof.checker.kernel.answer import Counters

_ADVICE = {
    "4": "MADV_DONTNEED",
    "9": "MADV_REMOVE",
    "10": "MADV_DONTFORK",
    "11": "MADV_DOFORK",
}
_MODES = {
    "0": "0",
    "1": "FALLOC_FL_KEEP_SIZE",
    "3": "FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE",
}
_PROTECTION = {"0": "PROT_NONE", "1": "PROT_READ", "3": "PROT_READ | PROT_WRITE"}


def c_program(showing: Showing) -> str:
    """The program's text."""
    script = showing.script
    asked = c_property(showing, _observed(script))
    used = _used(showing)
    if not showing.reason:
        used |= {"asked"} if asked else {"compared"}
    before = [_comment(showing), _part("head", used)]
    before += [_defines(script, used), _verdicts(showing)]
    parts = [_part(name, used) for name in _ORDER if name in used]
    after = [_part("prepare", used), _tables(script), _part("main", used)]
    middle = [_steps(script), _perform(script), _observe(script)]
    if asked:
        middle.append(asked)
    return "\n".join([*before, *parts, *middle, *after])


_ORDER = (
    "base",
    "mounts",
    "names",
    "umount",
    "space",
    "groups",
    "charges",
    "restore",
    "workers",
    "forks",
    "policies",
    "mbind",
    "pin",
)


def _used(showing: Showing) -> frozenset[str]:
    """The parts that the trace's calls and its verdict need."""
    script = showing.script
    words = [command.split() for command in script.commands]
    used = {"base", "restore", "workers", "pin"}
    used.add("unseen" if showing.reason else "seen")
    operations = {w[2] for w in words if w[0] == "w"} | {w[0] for w in words}
    for part, needed in (
        ("forks", {"fork"}),
        ("policies", {"setpol"}),
        ("mbind", {"mbind"}),
        ("mounts", {"mount"}),
        ("names", {"open", "unlink"}),
        ("umount", {"umount"}),
        ("groups", {"cg"}),
    ):
        if operations & needed:
            used.add(part)
    kinds = {name.partition(":")[0] for name in _observed(script)}
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


# --- what depends on the trace ---------------------------------------------


def _comment(showing: Showing) -> str:
    script = showing.script
    heading = script.replayed.heading
    having = f", with {' '.join(heading.having)}" if heading.having else ""
    lines = [
        *_wrapped(f"{script.name}: {heading.title}" if heading.title else script.name),
        *(_wrapped(f"({heading.source})") if heading.source else ()),
        "",
        *_wrapped(f"{heading.design}, {show_bounds(heading.bounds)}{having}"),
        *(_wrapped(heading.spec) if heading.spec else ()),
        "",
        *(f"{k}. {s.text} -> {s.result}" for k, s in enumerate(script.steps, 1)),
        "",
        *_wrapped(_how_it_shows(showing)),
        "",
        *_wrapped(
            "Written by `poolproof trace FILE --c`. Run it as root on a machine "
            "whose huge pages are unused; it puts back what it changes."
        ),
        *_wrapped(_exit_codes(showing)),
    ]
    body = "\n".join(f" * {line}".rstrip() for line in lines).replace("*/", "* /")
    return f"// SPDX-License-Identifier: GPL-2.0\n/*\n{body}\n */"


def _how_it_shows(showing: Showing) -> str:
    """Which step shows the violation, and how it would look without one."""
    script, decided = showing.script, showing.decided
    done, last = _words(script)[0], len(script.steps)
    if showing.reason:
        return f"User space cannot see it: {showing.reason}."
    if last == decided:
        return f"Step {decided} shows whether it is {done}."
    text = f"Step {decided} decides it, and step {last} shows it"
    if showing.otherwise:
        *others, final = showing.otherwise[:_OTHERWISE]
        listed = f"{'; or '.join(others)}; or {final}" if others else final
        more = "; ..." if len(showing.otherwise) > _OTHERWISE else ""
        text += f". If it were not {done}, step {last} would show: {listed}{more}"
    if showing.minimal:
        text += f". A kernel could also have more wrong, and it be not {done}"
    return text + "."


_OTHERWISE = 2
"""How many of the other outcomes of the last step are listed."""


def _exit_codes(showing: Showing) -> str:
    done = _words(showing.script)[0]
    if showing.reason:
        return "Exit: 4 skipped."
    seen, unseen = (0, 1) if done == "reached" else (1, 0)
    codes = {
        seen: f"{seen} seen {done}",
        unseen: f"{unseen} not seen, the kernel differs from the model",
    }
    return f"Exit: {codes[0]}, {codes[1]}, 4 skipped."


def _words(script: Script) -> tuple[str, str, str]:
    """What the trace shows, and KTAP's words where it is seen and where not."""
    prop = script.replayed.prop
    if prop is not None and prop.kind.wants_witness:
        return "reached", "ok", "not ok"
    return "violated", "not ok", "ok"


def _verdicts(showing: Showing) -> str:
    """What the program says in the end."""
    done, seen, unseen = _words(showing.script)
    lines = [
        f"#define DECIDED {showing.decided}\t/* the step that decides it */",
        f'#define AT "{showing.decided}"',
    ]
    if showing.reason:
        lines.append(f'#define UNSEEN "user space cannot see it: {showing.reason}"')
    else:
        more = ", or more is wrong" * showing.minimal
        lines += [
            f'#define SEEN "{seen} 1 " NAME " # seen {done}{more}\\n"',
            f"#define SEEN_EXIT {int(seen != 'ok')}",
            f'#define NOT_SEEN "{unseen} 1 " NAME " # not seen: '
            'the kernel differs from step %d on\\n"',
        ]
    return "\n".join(lines) + "\n"


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, 74, break_on_hyphens=False)


def _defines(script: Script, used: frozenset[str]) -> str:
    bounds = script.setting.bounds
    processes = [int(w[1]) for w in map(str.split, script.commands) if w[0] == "spawn"]
    processes += [int(w[3]) for w in map(str.split, script.commands) if "fork" in w]
    controllers = ["hugetlb"] * ("cgroup" in script.setting.having)
    controllers += ["cpuset"] * ("cpuset" in script.setting.having)
    needs = "one NUMA node" if bounds["nodes"] == 1 else f"{bounds['nodes']} NUMA nodes"
    lines = [
        f'#define NAME "{script.name}"',
        f'#define NEEDS "{needs}"',
        f"#define NODES {bounds['nodes']}",
        f"#define PROCESSES {max(processes) + 1}",
        f"#define COUNTERS {len(_observed(script))}",
        f"#define SETUP {len(script.setup)}",
        f"#define STEPS {len(script.steps)}",
    ]
    if "groups" in used:
        quoted = ", ".join(f'"{c}"' for c in controllers)
        lines += [
            f"#define CONTROLLERS {quoted}",
            f'#define NEEDED_CONTROLLERS "{" and ".join(controllers)}"',
        ]
    return "\n".join(lines) + "\n"


def _observed(script: Script) -> tuple[str, ...]:
    """The observables, from the most that any step has."""
    every = [script.ready, *(step.counters for step in script.steps)]
    return tuple(dict.fromkeys(name for c in every for name in observables(c)))


def _values(script: Script, counters: Counters) -> str:
    seen = observables(counters)
    return ", ".join(str(seen.get(name, 0)) for name in _observed(script))


def _steps(script: Script) -> str:
    """The type of a step, and the steps' calls by process."""
    by = [_process(command) for command in script.commands]
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


def _tables(script: Script) -> str:
    lines = [
        "static const struct step start_of_run = {",
        f'\t"", "OK", {{ {_values(script, script.ready)} }}, 0, 0, 0',
        "};",
        "",
        "static const struct step steps[] = {",
    ]
    first = len(script.setup)
    for step in script.steps:
        last = first + len(step.commands) - 1
        lines += [
            f'\t{{ "{step.text}", "{step.result}",',
            f"\t  {{ {_values(script, step.counters)} }},",
            f"\t  {first}, {last}, {first + step.telling} }},",
        ]
        first = last + 1
    return "\n".join([*lines, "};", ""])


def _process(command: str) -> int:
    words = command.split()
    return int(words[1]) if words[0] == "w" else -1


def _perform(script: Script) -> str:
    """A switch with a case for each call."""
    lines = [
        "/* Call number `call`. */",
        "static void perform(int call, char *result)",
        "{",
    ]
    if any(" open " in c or " memfd " in c for c in script.commands):
        lines.insert(0, "static int fds[16];\t/* each process has its own */\n")
    lines += ["\tlong returned = 0;", "", "\tswitch (call) {"]
    for number, command in enumerate(script.commands):
        if number == len(script.setup):
            lines.append("\t/* the run */")
        lines.append(f"\tcase {number}:")
        lines += [f"\t\t{line}" for line in _statement(command, script)]
        lines.append("\t\tbreak;")
    lines += ["\t}", "\tsaid(result, returned);", "}", ""]
    return "\n".join(lines)


def call_text(command: str, script: Script) -> str:
    """Return the C of a command in one line, without what is done with its
    result: ``munmap(PAGE(0), 1 * HPAGE)``."""
    text = " ".join(" ".join(_statement(command, script)).split())
    text = text.partition("\t/*")[0].removeprefix("returned = ").removesuffix(";")
    return text.removesuffix(" == MAP_FAILED ? -1 : 0")


def _statement(command: str, script: Script) -> list[str]:
    """The C of a command; what it returns goes to `returned`."""
    words = command.split()
    if words[0] == "w":
        of_process = words[2:]
        lines = [*_on_memory(of_process), *_on_file(of_process), *_on_task(of_process)]
    else:
        lines = [*_of_system(words, script)]
    if not lines:
        raise AssertionError(f"no C for {command}")
    return lines


def _on_memory(words: Sequence[str]) -> Iterator[str]:
    match words:
        case ["mmap", page, length, flags, fd, offset, *_]:
            kinds = ["MAP_SHARED" if "S" in flags else "MAP_PRIVATE"]
            if "A" in flags:
                kinds += ["MAP_ANONYMOUS", "MAP_HUGETLB"]
            kinds += ["MAP_NORESERVE"] * ("N" in flags) + ["MAP_FIXED_NOREPLACE"]
            file = "-1" if "A" in flags else f"fds[{fd}]"
            yield f"returned = mmap(PAGE({page}), {length} * HPAGE,"
            yield "\t\tPROT_READ | PROT_WRITE,"
            yield f"\t\t{' | '.join(kinds)},"
            yield f"\t\t{file}, {offset} * HPAGE) == MAP_FAILED ? -1 : 0;"
        case ["w", page, value]:
            yield f"*(volatile long *)PAGE({page}) = {value};"
        case ["r", page]:
            yield f"(void)*(volatile long *)PAGE({page});"
        case ["munmap", page, length]:
            yield f"returned = munmap(PAGE({page}), {length} * HPAGE);"
        case ["mprotect", page, length, protection]:
            yield f"returned = mprotect(PAGE({page}), {length} * HPAGE,"
            yield f"\t\t{_PROTECTION[protection]});"
        case ["mremap", page, old, new, flags, to]:
            yield f"returned = mremap(PAGE({page}), {old} * HPAGE, {new} * HPAGE,"
            if int(flags) & 2:
                yield f"\t\tMREMAP_MAYMOVE | MREMAP_FIXED, PAGE({to}))"
            else:
                yield "\t\tMREMAP_MAYMOVE)"
            yield "\t\t== MAP_FAILED ? -1 : 0;"
        case ["madv", page, length, advice]:
            yield f"returned = madvise(PAGE({page}), {length} * HPAGE,"
            yield f"\t\t{_ADVICE[advice]});"


def _on_file(words: Sequence[str]) -> Iterator[str]:
    match words:
        case ["falloc", fd, mode, offset, length]:
            yield f"returned = fallocate(fds[{fd}], {_MODES[mode]},"
            yield f"\t\t{offset} * HPAGE, {length} * HPAGE);"
        case ["trunc", fd, size]:
            yield f"returned = ftruncate(fds[{fd}], {size} * HPAGE);"
        case ["open", fd, path]:
            name = path.rpartition("/")[2]
            yield f'fds[{fd}] = open(in_mount("{name}"),'
            yield "\t\tO_RDWR | O_CREAT | O_CLOEXEC, 0600);"
            yield f"returned = fds[{fd}];"
        case ["memfd", fd]:
            yield f'fds[{fd}] = syscall(SYS_memfd_create, "file", MFD_HUGETLB);'
            yield f"returned = fds[{fd}];"
        case ["close", fd]:
            yield f"returned = close(fds[{fd}]);"
        case ["unlink", path]:
            yield f'returned = unlink(in_mount("{path.rpartition("/")[2]}"));'


def _on_task(words: Sequence[str]) -> Iterator[str]:
    match words:
        case ["mbind", page, length, mode, mask, _]:
            words = f"{page}, {length}, {_mode(mode)}, {mask}"
            yield f"returned = bind_range({words});"
        case ["setpol", mode, mask]:
            yield f"returned = bind_task({_mode(mode)}, {mask});"
        case ["fork", child]:
            yield f"returned = split_off({child});"
        case ["exit"]:
            yield "_exit(0);"


def _mode(mode: str) -> str:
    if mode == "0":
        return "MPOL_DEFAULT"
    return "MPOL_BIND" + " | MPOL_F_STATIC_NODES" * bool(int(mode) & STATIC)


def _of_system(words: Sequence[str], script: Script) -> Iterator[str]:
    match words:
        case ["nrnode", node, count]:
            yield f"returned = set_node({node}, {count});"
        case ["nr", count]:
            if script.setting.bounds["nodes"] == 1:
                yield f"returned = set_node(0, {count});\t/* all the nodes there are */"
            else:
                yield f'returned = write_number(POOL "nr_hugepages", {count});'
        case ["oc", count]:
            path = 'POOL "nr_overcommit_hugepages"'
            yield f"returned = write_number({path}, {count});"
        case ["spawn", process]:
            yield f"returned = start({process});"
        case ["mount", _, *options]:
            quoted = f'"{",".join(options)}"' if options else "NULL"
            yield f"returned = mount_hugetlbfs({quoted});"
        case ["umount", _]:
            yield "returned = umount_hugetlbfs();"
        case ["cg", "mk", name]:
            yield f'returned = group_make("{name}");'
        case ["cg", "set", name, file, value]:
            yield f'returned = group_write("{name}", "{file}",'
            yield f'\t\t"{value}");'
        case ["cg", "attach", name, process]:
            yield f'returned = group_attach("{name}", {process});'


def _observe(script: Script) -> str:
    """Reading the counters, and printing them."""
    reads, shown = [], []
    for name in _observed(script):
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
