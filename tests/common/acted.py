# SPDX-License-Identifier: GPL-2.0-only
"""C programs: they compile, and a design answers their calls instead of a kernel."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

from poolproof.checker.conform import c_program
from poolproof.checker.conform.c_program import Program
from poolproof.checker.conform.c_trace import program
from poolproof.checker.conform.environment import NotExpressible
from poolproof.checker.conform.machine import ModelMachine
from poolproof.checker.conform.script import Command, again
from poolproof.checker.conform.sequence import begin
from poolproof.checker.conform.shown import Explanation, Showing
from poolproof.model.designs.hugetlb.linux_6_12 import Hugetlb

needs_cc = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")


def compiles(text: str, *flags: str) -> None:
    """Fails where the compiler warns."""
    command = ["cc", "-Wall", "-Wextra", "-Werror", "-O1", "-x", "c", "-", *flags]
    done = subprocess.run(command, input=text, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


PREPARE = """\
static void prepare(void)
{
    leader = getpid();
    printf("TAP version 13\\n1..1\\n");
    processes = mmap(NULL, sizeof(*processes) * PROCESSES, PROT_READ | PROT_WRITE,
                     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}
"""


def of_design(showing: Showing, design: type[Hugetlb]) -> list[Command]:
    """The steps as another design sees them, as far as it can take them."""
    script = showing.script
    machine = begin(design, script.setting, script.setup)
    return list(_taken(machine, script.steps))


def of_explanation(showing: Showing, explanation: Explanation) -> list[Command]:
    """The steps where the deciding one ends in the explanation."""
    steps, decided = showing.script.steps, showing.decided
    explanation.machine.put_back(explanation.saved)
    return [*steps[:decided], *_taken(explanation.machine, steps[decided:])]


def _taken(machine: ModelMachine, steps: Iterable[Command]) -> Iterable[Command]:
    for step in steps:
        try:
            yield again(machine, step)
        except NotExpressible:
            return


def run_on(showing: Showing, steps: list[Command], folder: Path) -> tuple[int, str]:
    """As `run_program`, of a trace's program."""
    return run_program(program(showing), steps, folder)


def run_program(made: Program, steps: list[Command], folder: Path) -> tuple[int, str]:
    """The program's exit code and output, on a kernel that shows these steps
    and answers EINVAL from there on."""
    script = made.calls
    answers = ["OK"] * len(script.setup)
    counters = [script.ready, *(s.counters for s in steps)]
    for number, step in enumerate(script.steps):
        seen = steps[number].result if number < len(steps) else "EINVAL"
        answers += [
            seen if k == step.telling else "OK" for k in range(len(step.commands))
        ]
    counters += [counters[-1]] * (len(script.steps) - len(steps))
    cases = []
    for number, command in enumerate(script.commands):
        match command.split():
            case ["spawn", process]:
                cases.append(f"if (call == {number}) start({process});")
            case ["w", _, "fork", child]:
                cases.append(f"if (call == {number}) split_off({child});")
    rows = ",".join(f"{{{c_program._values(script, c)}}}" for c in counters)
    perform = f"""
static void perform(int call, char *result)
{{
	static const char *const answers[] = {{ {",".join(f'"{a}"' for a in answers)} }};
	{" ".join(cases)}
	strcpy(result, answers[call]);
}}
"""
    observe = f"""
static void observe(long *seen)
{{
	static const long shown[][COUNTERS] = {{ {rows} }};
	static int at;
	memcpy(seen, shown[at++], sizeof(shown[0]));
}}
static void show_counters(const long *seen) {{ printf("rsvd %ld\\n", seen[2]); }}
"""
    part = c_program._part
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(c_program, "_perform", lambda _: perform)
        patch.setattr(c_program, "_observe", lambda _: observe)
        patch.setattr(
            c_program,
            "_part",
            lambda name, used: PREPARE if name == "prepare" else part(name, used),
        )
        text = c_program.text(made)
    binary = folder / "program"
    command = ["cc", "-w", "-x", "c", "-", "-o", str(binary)]
    subprocess.run(command, input=text, text=True, check=True)
    done = subprocess.run([binary], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout
