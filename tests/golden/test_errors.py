# SPDX-License-Identifier: GPL-2.0-only
"""Every mistake in a design is answered with file:line:column and what to
write instead. design_errors/ has the mistakes and the answers; the table
below has the ones that CPython meets when a design runs as it is.
"""

import ast
import importlib.util
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.frontend.design import compile_design
from poolproof.checker.frontend.refusals import REFUSED
from poolproof.model.language import Design, Disabled, Element, ModelError
from tests.common.cases import Case, cases_in

CASES = cases_in(Path(__file__).parent / "design_errors", "*.py")


def load(path: Path) -> ModuleType:
    name = f"design_errors_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)
        spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_refused(case: Case, tmp_path: Path) -> None:
    path = case.write(tmp_path)
    module = load(path)
    with pytest.raises(UserError) as caught:
        compile_design(module.Wrong, **getattr(module, "CALL", {}))
    case.check(caught.value, path)


def test_every_refusal_is_tried() -> None:
    """Each row of the frontend's table of refused syntax has a case."""
    answers = {text.split(": ", 1)[1] for case in CASES for text in case.expected()}
    for kind, message in REFUSED.items():
        assert message in answers, kind
    files = {case.path for case in CASES}
    trees = [ast.parse(path.read_text()) for path in files]
    assert set(REFUSED) <= {type(n) for tree in trees for n in ast.walk(tree)}


FRAME = """
from poolproof.model.language import *

FORK = Feature("fork", False)
NODES = Scalarset("NODES", 2, prefix="n")
VMAS = Scalarset("VMAS", 2, prefix="v")


class Pool(Block):
    spare = var(Int(0, 3))

    def ask(self):
        require(self.design.may())

    def look(self):
        require(self.design.count)

    def take(self):
        self.design.count = 0


class Wrong(Design):
    count = var(Int(0, 3))
    flag = var(Bool())
    mask = var(SetOf(NODES))
    used = table(NODES, Int(0, 3))
    home = table(VMAS, Maybe(NODES))
    copies = var(Int(0, 3), when=FORK)
    pages = table(VMAS, Int(0, 3), when=FORK)
    pool = Pool()

    @action
    def act(self, vma: VMAS, node: Maybe(NODES), n: Int(0, 3)):
        BODY

    @action(when=FORK)
    def fork(self):
        self.copies += 1
"""
v0 = Element("VMAS", "v", 0)
n0, n1, n2 = (Element("NODES", "n", k) for k in range(3))


def in_frame(body: str) -> Design:
    scope: dict[str, Any] = {"__name__": __name__}
    exec(FRAME.replace("BODY", body), scope)
    design: Design = scope["Wrong"]()
    return design


def shown(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".strip()


# (name, body of act, node it is called with, answer)
IN_ACTION = [
    ("assertion", "self.count = n; assert self.count == 0", n1, "AssertionError:"),
    (
        "block_assigned",
        "self.pool = n",
        n1,
        "ModelError: pool is a block: assign to its fields",
    ),
    (
        "bool_for_int",
        "self.count = self.flag",
        n1,
        "ModelError: False is not a value of integers 0..3",
    ),
    ("disabled", "self.count = n; require(self.count == 0)", n1, "Disabled:"),
    (
        "elements_of_two_sorts",
        "require(vma == node)",
        n1,
        "ModelError: v0 is compared with n1: not the same sort",
    ),
    (
        "index_count",
        "self.used[node, node] = n",
        n1,
        "ModelError: used takes 1 index, not 2",
    ),
    (
        "hook_assigned",
        "self.pool.take()",
        n1,
        "ModelError: count is the design's own: a block calls methods of its "
        "design, like `self.design.get_count()`",
    ),
    (
        "hook_missing",
        "self.pool.ask()",
        n1,
        "ModelError: Wrong has no method 'may', which its block calls: write "
        "`def may(self, ...)`; there is act, fork",
    ),
    (
        "hook_read",
        "self.pool.look()",
        n1,
        "ModelError: count is the design's own: a block calls methods of its "
        "design, like `self.design.get_count()`",
    ),
    ("int_for_bool", "self.flag = n", n1, "ModelError: 2 is not a value of bool"),
    (
        "loop_over_table",
        "for k in self.used: self.count = k",
        n1,
        "ModelError: used is a table: loop over its index domain",
    ),
    (
        "no_field",
        "self.cuont = n",
        n1,
        "ModelError: Wrong has no field 'cuont': declare it with var(...) (did you mean 'count'?)",
    ),
    (
        "no_field_of_block",
        "self.pool.spair = n",
        n1,
        "ModelError: Pool has no field 'spair': declare it with var(...) (did you mean 'spare'?)",
    ),
    (
        "none_as_index",
        "self.used[node] = n",
        None,
        "OutOfDomain: used[None]: no such index",
    ),
    (
        "none_for_int",
        "self.count = node",
        None,
        "ModelError: None is not a value of integers 0..3",
    ),
    (
        "number_as_index",
        "self.used[n] = n",
        n1,
        "ModelError: 2 is not a value of NODES",
    ),
    (
        "other_scalarset",
        "self.home[vma] = vma",
        n1,
        "ModelError: v0 is not a value of NODES",
    ),
    (
        "other_scalarset_as_index",
        "self.used[vma] = n",
        n1,
        "ModelError: v0 is not a value of NODES",
    ),
    (
        "out_of_range",
        "self.count += n + 2",
        n1,
        "OutOfRange: count becomes 4, outside integers 0..3",
    ),
    (
        "out_of_range_in_table",
        "self.used[node] -= n",
        n1,
        "OutOfRange: used[n1] becomes -2, outside integers 0..3",
    ),
    (
        "scalar_is_off",
        "self.copies = n",
        n1,
        "OutOfRange: copies is off and cannot change",
    ),
    (
        "set_of_none",
        "self.mask = {node}",
        None,
        "OutOfDomain: None is not an element of sets of NODES",
    ),
    (
        "set_of_others",
        "self.mask = {vma}",
        n1,
        "ModelError: v0 is not a value of NODES",
    ),
    (
        "table_assigned",
        "self.used = n",
        n1,
        "ModelError: used is a table: assign to used[...] entry by entry",
    ),
    (
        "table_is_off",
        "self.pages[vma] = n",
        n1,
        "OutOfRange: pages is off and cannot change",
    ),
]


@pytest.mark.parametrize(
    ("body", "node", "answer"),
    [row[1:] for row in IN_ACTION],
    ids=[row[0] for row in IN_ACTION],
)
def test_refused_at_run(body: str, node: Element | None, answer: str) -> None:
    design = in_frame(body)
    before = design.dump()
    with pytest.raises((ModelError, Disabled, AssertionError)) as caught:
        design.step("act", v0, node, 2)
    assert shown(caught.value) == answer
    assert design.dump() == before


# (name, call, answer)
IN_CALL = [
    (
        "action_is_off",
        lambda design: design.step("fork"),
        "ModelError: Wrong has no action 'fork'; there is act",
    ),
    (
        "argument_count",
        lambda design: design.step("act", v0),
        "ModelError: act(vma, node, n) takes 3 arguments, not 1",
    ),
    (
        "argument_of_other_sort",
        lambda design: design.step("act", v0, v0, 1),
        "ModelError: v0 is not a value of NODES",
    ),
    (
        "argument_outside",
        lambda design: design.step("act", v0, n2, 1),
        "ModelError: n2 is not a value of NODES",
    ),
    (
        "no_action",
        lambda design: design.step("atc", v0, n0, 1),
        "ModelError: Wrong has no action 'atc' (did you mean 'act'?)",
    ),
    (
        "no_bound",
        lambda design: type(design)(bounds={"V": 3}),
        "ModelError: Wrong has no bound 'V'",
    ),
    (
        "no_feature",
        lambda design: type(design)(having=("frok",)),
        "ModelError: Wrong has no feature 'frok' (did you mean 'fork'?)",
    ),
]


@pytest.mark.parametrize(
    ("call", "answer"), [row[1:] for row in IN_CALL], ids=[row[0] for row in IN_CALL]
)
def test_refused_call(call: Callable[[Design], object], answer: str) -> None:
    design = in_frame("self.count = n")
    before = design.dump()
    with pytest.raises(ModelError) as caught:
        call(design)
    assert shown(caught.value) == answer
    assert design.dump() == before
