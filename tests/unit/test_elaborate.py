# SPDX-License-Identifier: GPL-2.0-only
"""What is the same in designs and specs: one mistake, one message; and values
whose sort comes from what is around them."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import pytest

from poolproof.checker.core import ir
from poolproof.checker.core.compiled import Compiled
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.elaborate.values import distinguished
from poolproof.checker.frontend.design import compile_design
from poolproof.checker.spec import parse_text, resolve
from poolproof.model.language import Design

HEAD = """
from enum import Enum

from poolproof.model.language import *

class Errno(Enum):
    OK = 0
    ENOMEM = 1

class State(Enum):
    IDLE = 0
    BUSY = 1

NODES = Scalarset("NODES", 2, prefix="n")
VMAS = Scalarset("VMAS", 2, prefix="v")
"""
FIELDS = """
    count = var(Int(0, 3))
    flag = var(Bool())
    state = var(State, init=State.IDLE)
    home = var(Maybe(NODES), init=None)
    vma = var(Maybe(VMAS), init=None)
    mask = var(SetOf(NODES))
    used = table(NODES, Int(0, 3))
"""


def design(folder: Path, condition: str, head: str = HEAD) -> type[Design]:
    """Return a design whose one action requires the condition."""
    name = f"elaborated_{folder.name}_{len(list(folder.iterdir()))}"
    path = folder / f"{name}.py"
    action = f"\n    @action\n    def act(self):\n        require({condition})\n"
    path.write_text(f"{head}\nclass Wanted(Design):{FIELDS}{action}", encoding="utf-8")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: type[Design] = module.Wanted
    return found


def guard(compiled: Compiled) -> ir.Expr:
    (act,) = compiled.system.actions
    return act.guard


def formula(compiled: Compiled, text: str) -> ir.Expr:
    (p,) = resolve(parse_text(f'spec "s" invariant a: {text}'), compiled).properties
    return p.formula


def in_python(text: str) -> str:
    """Return a formula as a method writes it."""
    own = re.sub(r"\b(count|flag|state|home|vma|mask|used)\b", r"self.\1", text)
    return own.replace("none", "None").replace("{}", "set()")


@pytest.mark.parametrize(
    "text",
    [
        "count",
        "mask",
        "home",
        "count + flag > 0",
        "-flag < 0",
        "count // count == 1",
        "count % 0 == 1",
        "count & count == 1",
        "flag | flag",
        "count == flag",
        "home == vma",
        "home < home",
        "count < flag",
        "mask - count == mask",
        "mask == 3",
        "3 in count",
        "vma in mask",
        "len(count) > 0",
        "min(count) > 0",
        "max(count, flag) > 0",
        "used[count] > 0",
        "used[home, home] > 0",
        "used[none] > 0",
        "count + none > 0",
        "state == none",
        "{} + 1 == 2",
    ],
)
def test_a_mistake_has_one_message(text: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as in_design:
        compile_design(design(tmp_path, in_python(text)))
    compiled = compile_design(design(tmp_path, "True"))
    with pytest.raises(UserError) as in_spec:
        formula(compiled, text)
    said = in_design.value.message.replace("self.", "").replace("None", "none")
    assert said.replace("is not none", "!= none") == in_spec.value.message


@pytest.mark.parametrize(
    "text",
    [
        "home == none",
        "none != home",
        "(home if flag else none) == home",
        "(none if flag else none) == home",
        "(none if flag else home) == home",
        "mask == {}",
        "{} == mask",
        "mask | {} == mask",
        "len(mask - ({} if flag else mask)) == 0",
        "count in (1, 2)",
        "2 * count // 3 % 2 == 1",
        "count < 2 <= count + 1",
        "min(count, 1, used[home]) == 0 if home != none else flag",
        "all(used[n] > count for n in NODES)",
        "sum(used[n] for n in mask) == 2",
    ],
)
def test_both_languages_mean_the_same(text: str, tmp_path: Path) -> None:
    compiled = compile_design(design(tmp_path, in_python(text)))
    theirs = text.replace("(1, 2)", "{1, 2}")
    theirs = re.sub(r"\((\S.*) for (\w) in (\w+)\)", r"(\2 in \3: \1)", theirs)
    named = re.compile(r"\b\w+#\w+")
    ours = named.sub("x", ir.show(guard(compiled)))
    assert ours == named.sub("x", ir.show(formula(compiled, theirs)))


def test_a_label_of_an_enum_that_only_a_block_knows(tmp_path: Path) -> None:
    """It is known by the field that it is compared with."""
    (tmp_path / "elaborated_part.py").write_text(
        """from enum import Enum

from poolproof.model.language import *

class Phase(Enum):
    EARLY_ON = 0
    LATE = 1

class Part(Block):
    phase = var(Phase, init=Phase.EARLY_ON)
""",
        encoding="utf-8",
    )
    sys.path.insert(0, str(tmp_path))
    try:
        head = f"{HEAD}\nfrom elaborated_part import Part\n"
        cls = design(tmp_path, "True", head.replace("import Part", "import Part as _P"))
    finally:
        sys.path.remove(str(tmp_path))
    cls.part = sys.modules["elaborated_part"].Part()  # type: ignore[attr-defined]
    found = compile_design(cls)
    phase = found.system.by_name["part.phase"]
    late = ir.eq(phase.now, ir.const(phase.element, 1))
    assert formula(found, "part.phase == LATE") is late
    with pytest.raises(UserError, match="`LATE` is a label of Phase"):
        formula(found, "count == LATE")


@pytest.mark.parametrize(
    ("mine", "shown", "theirs"),
    [
        (("OK", "EPERM"), "with EPERM", "with ENOMEM"),
        (("OK",), "without ENOMEM", "with ENOMEM"),
        (("ENOMEM", "OK"), "of ENOMEM, OK", "of OK, ENOMEM"),
    ],
)
def test_two_classes_of_one_name_are_distinguished(
    mine: tuple[str, ...], shown: str, theirs: str
) -> None:
    shipped = ir.enum_sort("Errno", ("OK", "ENOMEM"))
    own = ir.enum_sort("Errno", mine)
    assert distinguished(own, shipped) == f"a label of the Errno {shown}"
    assert distinguished(shipped, own) == f"a label of the Errno {theirs}"
    assert distinguished(own, ir.INT) == "a label of Errno"
