# SPDX-License-Identifier: GPL-2.0-only
"""Proofs at open sizes: what is compiled with open sizes is what the design does
at each size, what has no closed form is refused, and what is proved is never
violated by a search."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import ClassVar

import pytest

from poolproof.checker.commands.main import main
from poolproof.checker.core import ir
from poolproof.checker.core.compiled import Compiled
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.show import show
from poolproof.checker.core.source import altered
from poolproof.checker.core.verdict import (
    Budget,
    Certificate,
    Holds,
    Outcome,
    Silent,
    Unknown,
    Violated,
)
from poolproof.checker.driver.any_size import Opened, opened
from poolproof.checker.driver.check import asked, opened_sizes
from poolproof.checker.driver.designs import find_spec
from poolproof.checker.driver.mutants import Mutant, mutants
from poolproof.checker.driver.stated import with_stated
from poolproof.checker.engines.anysize import Sources, anysize, questions
from poolproof.checker.engines.anysize.balances import balances, orthogonal
from poolproof.checker.engines.anysize.candidates import renamed
from poolproof.checker.engines.anysize.questions import QueryResult, Question
from poolproof.checker.engines.anysize.sizes import small_sizes
from poolproof.checker.engines.anysize.terms import PlainTerms
from poolproof.checker.engines.anysize.visits import Visits
from poolproof.checker.engines.explicit import explicit
from poolproof.checker.frontend.closed_forms import NotClosed
from poolproof.checker.frontend.design import compile_design
from poolproof.checker.passes.close import close, closing_of
from poolproof.checker.spec import Sizes, parse, resolve
from poolproof.checker.spec.parse import Spec
from poolproof.model.designs.hugetlb import Hugetlb
from poolproof.model.language import (
    ANY,
    Bool,
    Design,
    Int,
    Maybe,
    Natural,
    action,
    require,
    table,
    var,
)
from tests.common.any_sizes import counted, is_proved, refuted, task_of
from tests.common.open_designs import (
    PLACES,
    ROWS,
    SPEC,
    TRAPS,
    Apart,
    Beyond,
    Chain,
    Charges,
    Choices,
    Falls,
    Forms,
    Homes,
    Masks,
    Moves,
    Owners,
    Stuck,
    random_text,
)
from tests.common.same_steps import same_steps
from tests.common.second_solver import cvc5_says, z3_says

FEATURES = (
    "hugetlbfs",
    "private_files",
    "noreserve",
    "dontneed",
    "punch",
    "truncate",
    "fallocate",
    "unlink",
)


@pytest.mark.parametrize("cls", [Forms, Falls, Masks, Owners, Choices, Moves, Charges])
@pytest.mark.parametrize(
    "sizes", [{"V": 1, "P": 1}, {"V": 2, "P": 1}, {"V": 1, "P": 3}, {"V": 2, "P": 2}]
)
def test_each_closed_form_is_the_unrolled_loop(
    cls: type[Design], sizes: dict[str, int]
) -> None:
    sizes = {**sizes, "B": 2} if cls is Forms else sizes
    system = compile_design(cls, {}, (), (), frozenset(sizes), True).system
    unrolled = compile_design(cls, sizes).system
    closed = close(system, closing_of(system, sizes))
    assert len(same_steps(unrolled, closed, 150)) >= 2


@pytest.mark.parametrize(
    ("sizes", "states"),
    [
        ({"V": 1, "P": 1, "files": 1, "T": 1, "blocks": 1, "CAP": 2}, 44),
        ({"V": 2, "P": 2, "files": 2, "T": 2, "blocks": 2, "CAP": 3}, 60),
    ],
)
def test_hugetlb_with_open_sizes_is_hugetlb(sizes: dict[str, int], states: int) -> None:
    system = compile_design(Hugetlb, {}, (), FEATURES, frozenset(sizes), True).system
    unrolled = compile_design(Hugetlb, sizes, (), FEATURES).system
    closed = close(system, closing_of(system, sizes))
    assert len(same_steps(unrolled, closed, states)) >= states


CHOOSING = (
    ("pageblock", "PageAllocator"),
    ("thp_reservation", "ThpReservation"),
    ("tao_nodes", "Tao"),
    ("vma_limit", "Vmas"),
    ("swap", "SwapSpace"),
    ("thp_calls", "Thp"),
    ("memcg_fault", "MemcgTree"),
    ("pool_memcg", "GlobalPool"),
    ("reserved_thp_nodes", "ReservedThp"),
    ("idle_reserved", "ReservedThpFiles"),
)


@pytest.mark.slow
@pytest.mark.parametrize(("spec", "design"), CHOOSING)
def test_shipped_designs_that_choose_elements_are_the_same_with_open_sizes(
    spec: str, design: str
) -> None:
    task = task_of(spec, design)
    system = opened_sizes(task).compiled.system
    own, bounds = task.sizes, task.compiled.bounds
    compared = 0
    for sizes in (*small_sizes(system), {n: bounds[n] for n in system.least}):
        every = {**bounds, **sizes}
        try:
            same = compile_design(task.known.cls, every, own.without, own.having).system
        except UserError:
            continue  # a size that the design does not allow
        closed = close(system, closing_of(system, sizes))
        compared += len(same_steps(same, closed, 20)) >= 2
    assert compared > 0


@pytest.mark.parametrize("trap", TRAPS, ids=lambda t: t.__name__)
def test_a_loop_without_a_closed_form_is_refused_at_its_line(
    trap: type[Design],
) -> None:
    compile_design(trap)
    with pytest.raises(NotClosed) as refused:
        compile_design(trap, {}, (), (), frozenset(("V", "P")), True)
    assert refused.value.span is not None
    assert "open_designs.py" in refused.value.span.file
    assert refused.value.params <= {"V", "P"}
    assert refused.value.params


# --- proofs -----------------------------------------------------------------


def of_text(text: str, tmp_path: Path, name: str) -> Spec:
    path = tmp_path / f"{name}.spec"
    path.write_text(text)
    return parse(str(path))


def proved(found: Opened, clauses: bool = True) -> Outcome:
    properties = (*found.resolved.properties, *found.resolved.obligations)
    system, observers = found.compiled.system, found.compiled.vocabulary.observers
    return anysize(
        system,
        properties,
        Budget(),
        Silent(),
        Sources(tuple(observers.values()), found.compiled.stated, clauses),
    )


def certificates(outcome: Outcome) -> list[Certificate]:
    found = {
        v.certificate
        for v in outcome.verdicts.values()
        if isinstance(v, Holds) and v.certificate is not None
    }
    return list(found)


def never_violated(
    cls: type[Design], spec: Spec, names: set[str], sizes: dict[str, int], most: int
) -> None:
    """A search at the sizes, of the design as it is compiled for them, finds none
    of the properties violated and no error of the model."""
    compiled: Compiled = compile_design(cls, sizes)
    properties = tuple(p for p in resolve(spec, compiled).properties if p.name in names)
    budget = Budget(states=most)
    outcome = explicit(compiled.system, properties, budget, Silent())
    assert not outcome.defects
    wrong = [n for n, v in outcome.verdicts.items() if isinstance(v, Violated)]
    assert not wrong, (wrong, sizes)


FORMS = """
spec "forms"
for Forms
invariant counted "c": count == boxes()
invariant free_too "f": free + boxes() == B
invariant live "l": all(r in ROWS, p in PLACES: box[r, p] implies live[r])
invariant before "b": all(r in ROWS, p in PLACES: box[r, p] implies p < end[r])
invariant never_full "n": not (count == 3 and flag)
step put_takes_one "s" on put: count' <= count + 1
step put_takes_none "t" on put: count' <= count
"""


def test_books_are_kept_at_any_size_and_what_is_not_so_is_not_proved(
    tmp_path: Path,
) -> None:
    spec = of_text(FORMS, tmp_path, "forms")
    closed = compile_design(Forms)
    found = opened(Forms, spec, Sizes({}, (), ()), closed, ("all",))
    assert not found.kept
    outcome = proved(found, clauses=False)
    good = {n for n, v in outcome.verdicts.items() if isinstance(v, Holds)}
    assert good == {
        "counted",
        "free_too",
        "live",
        "before",
        "put_takes_one",
    }
    for sizes in ({"V": 1, "P": 1}, {"V": 2, "P": 2}):
        never_violated(Forms, spec, good, sizes, 300)
    (certificate,) = certificates(outcome)
    assert set(certificate.params) == {"V", "P", "B"}
    for text in certificate.questions[::7]:
        assert cvc5_says(text) == "unsat"


FALLS = """
spec "falls"
for Falls, Stuck
invariant counted "c": count == boxes()
invariant above "a": count >= 0
invariant least "l": count >= -1
"""


def test_a_clamp_in_a_loop_that_lowers_a_count_needs_the_proof_that_it_is_not_met(
    tmp_path: Path,
) -> None:
    spec = of_text(FALLS, tmp_path, "falls")
    found = opened(Falls, spec, Sizes({}, (), ()), compile_design(Falls), ("all",))
    assert not found.kept
    verdicts = proved(found).verdicts
    assert all(isinstance(v, Holds) for v in verdicts.values())
    wrong = opened(Stuck, spec, Sizes({}, (), ()), compile_design(Stuck), ("all",))
    verdicts = proved(wrong).verdicts
    assert not any(isinstance(v, Holds) for v in verdicts.values())


BEYOND = """
spec "beyond"
for Beyond
invariant not_below "n": count >= 0
invariant few "f": count <= 2
step one_more "o": count' <= count + 1
step at_most "m": count' <= 3
"""


def test_a_range_that_is_not_proved_is_not_assumed(tmp_path: Path) -> None:
    spec = of_text(BEYOND, tmp_path, "beyond")
    found = opened(Beyond, spec, Sizes({}, (), ()), compile_design(Beyond), ("all",))
    outcome = proved(found)
    good = {n for n, v in outcome.verdicts.items() if isinstance(v, Holds)}
    assert good == {"not_below", "one_more"}
    assert outcome.statistics.notes == (
        "neither proved nor assumed, so the model may be wrong: the range of count",
    )
    (certificate,) = certificates(outcome)
    for text in certificate.questions:
        assert cvc5_says(text) == "unsat"


class Guarded(Design):
    """The same step, with and without a guard."""

    count = var(Int(0, 2))

    @action
    def careful(self) -> None:
        require(self.count < 2)
        self.count += 1

    @action
    def careless(self) -> None:
        self.count += 1


def test_what_is_proved_of_a_step_is_not_of_one_with_another_guard(
    tmp_path: Path,
) -> None:
    """Both lead to the same formula, of which `careful` keeps the range."""
    text = 'spec "s" for Guarded invariant few: count <= 2 invariant some: count >= 0\n'
    spec = of_text(text, tmp_path, "guarded")
    compiled = compile_design(Guarded)
    outcome = proved(Opened(compiled, resolve(spec, compiled), ()))
    assert isinstance(outcome.verdicts["few"], Unknown)
    assert isinstance(outcome.verdicts["some"], Holds)
    (note,) = outcome.statistics.notes
    assert note.endswith("the range of count")


CHAIN = """
spec "chain"
for Chain
invariant first "f": all(r in ROWS: link[r, 2] implies link[r, 0])
invariant never_late "n": not late
invariant last "l": all(r in ROWS: link[r, 0] implies link[r, 2])
"""


def test_clauses_of_a_row_are_lemmas_only_if_they_are_inductive(tmp_path: Path) -> None:
    spec = of_text(CHAIN, tmp_path, "chain")
    found = opened(Chain, spec, Sizes({}, (), ()), compile_design(Chain), ("all",))
    assert not found.kept
    outcome = proved(found)
    good = {n for n, v in outcome.verdicts.items() if isinstance(v, Holds)}
    assert good == {"first"}
    (certificate,) = certificates(outcome)
    assert "late" not in " ".join(certificate.lemmas)
    for text in certificate.questions:
        assert cvc5_says(text) == "unsat"


CHOICES = """
spec "choices"
for Choices
invariant used_is "u": all(r in ROWS: used[r] == count(p in PLACES: home[p] == r))
invariant some_used "s":
    homes() > 0 implies any(r in ROWS: used[r] > 0)
invariant in_order "o": start <= end
invariant low_kept "l": all(r in ROWS: low[r] <= 3)
step put_is_unused "p" on put:
    all(q in PLACES: home'[q] == home[q] or home'[q] != none and used[home'[q]] == 0)
step put_finds "f" on put: some_unused() implies homes' == homes + 1
step put_finds_none "n" on put: homes' == homes
step from_start "b" on look:
    all(p in PLACES: start' <= p and p < end' implies home[p] == none)
step no_later "a" on look(row): all(p in PLACES: start' <= p implies home[p] != row)
step there "t" on look(row):
    start' > 0 implies any(p in PLACES: p + 1 == start' and home[p] == row)
step later "c" on look: all(p in PLACES: start' < p implies home[p] == none)
step least "d" on measure: any(r in ROWS: used[r] == 0) implies least' == 0
step least_but "e" on measure: least' <= 3 and (least' != 1)
step never_two "g" on measure: least' != 2
step other_kept "h" on pick: any(r in ROWS: used[r] > 1) implies used[other'] > 1
"""


def test_the_first_or_last_element_is_one_that_is_there(tmp_path: Path) -> None:
    spec = of_text(CHOICES, tmp_path, "choices")
    found = opened(Choices, spec, Sizes({}, (), ()), compile_design(Choices), ("all",))
    assert not found.kept
    outcome = proved(found, clauses=False)
    good = {n for n, v in outcome.verdicts.items() if isinstance(v, Holds)}
    assert set(outcome.verdicts) - good == {"put_finds_none", "later", "never_two"}
    never_violated(Choices, spec, good, {"V": 2, "P": 2}, 300)
    (certificate,) = certificates(outcome)
    for text in certificate.questions[::30]:
        assert cvc5_says(text) == "unsat"


APART = """
spec "apart"
for Apart
step same "s" on start: unchanged(x)
invariant counted "c": x != y implies x > 0
"""


def test_a_guess_says_nothing_of_what_is_possible(tmp_path: Path) -> None:
    spec = of_text(APART, tmp_path, "apart")
    found = opened(Apart, spec, Sizes({}, (), ()), compile_design(Apart), ("all",))
    outcome = proved(found, clauses=False)
    assert isinstance(outcome.verdicts["same"], Holds)
    assert not outcome.statistics.impossible
    assert all(all(true) for true in outcome.statistics.true_antecedents.values())


def test_check_says_what_is_open_and_what_is_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "falls.spec"
    path.write_text(FALLS.replace("for Falls, Stuck", "for Falls"))
    design = ["--design", "tests/common/open_designs.py:Falls"]
    call = ["check", str(path), *design, "--any", "V,P"]
    scripts = tmp_path / "scripts"
    assert main([*call, "--engine", "prove", "--certificate", str(scripts)]) == 0
    out = capsys.readouterr().out
    assert "inductive for any P >= 1, V >= 1, certificate re-checked" in out
    files = sorted(scripts.rglob("*.smt2"))
    assert len(files) > 5
    for file in files:
        assert cvc5_says(file.read_text()) == "unsat"
    assert main(call) == 0
    out = capsys.readouterr().out
    assert "no violation" in out
    assert "inductive for any P >= 1, V >= 1" in out
    assert main([*call, "--engine", "bmc"]) == 2
    assert "--any is for proofs" in capsys.readouterr().err
    assert main([*call[:-1], "W"]) == 2
    assert "no bound 'W'" in capsys.readouterr().err


def test_a_loop_whose_closed_form_is_not_proved_keeps_its_bounds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "stuck.spec"
    path.write_text(FALLS)
    design = ["--design", "tests/common/open_designs.py:Stuck"]
    assert main(["check", str(path), *design, "--any", "V,P", "--engine", "prove"]) == 3
    out = " ".join(capsys.readouterr().out.split())
    line = "the loop has a count that falls below zero"
    assert re.search(rf"P stays at 2: \S+py:\d+: no proof excludes that {line}", out)
    assert "least inductive (P=2, V=2)" in out
    assert "any P" not in out


ORDER = """
spec "order"
for Chain
invariant second "s": all(r in ROWS: link[r, 2] implies link[r, 1])
invariant order "o": all(r in ROWS: link[r, 1] implies link[r, 0])
invariant never_late "n": not late
invariant wrong "w": all(r in ROWS: not link[r, 0])
"""


def test_what_other_specs_state_helps_a_proof_if_it_is_so(tmp_path: Path) -> None:
    first = CHAIN.splitlines()[1:4]
    spec = of_text("\n".join(first), tmp_path, "chain")
    of_text(ORDER, tmp_path, "order")
    found = opened(Chain, spec, Sizes({}, (), ()), compile_design(Chain), ("all",))
    alone = proved(found, clauses=False)
    assert not isinstance(alone.verdicts["first"], Holds)
    more = replace(found, compiled=with_stated(found.compiled, spec))
    assert len(more.compiled.stated) == 4
    together = proved(more, clauses=False)
    assert isinstance(together.verdicts["first"], Holds)
    (certificate,) = certificates(together)
    assert len(certificate.lemmas) == 3
    assert "late" not in " ".join(certificate.lemmas)


MASKS = """
spec "masks"
for Masks
invariant inside "i":
    all(r in ROWS, p in PLACES: side[r, p] != none implies side[r, p] in allowed[r])
invariant one_at_most "o": all(r in ROWS: len(allowed[r]) <= 1)
invariant not_blocked "b":
    all(r in ROWS, p in PLACES: side[r, p] != none implies not (side[r, p] in common))
step only_more "m": common <= common'
step keeps_allowed "k" on block: unchanged(allowed)
step keeps_sides "s" on allow: unchanged(side)
step keeps_nothing "n" on allow: unchanged(allowed)
"""


def test_sets_over_a_closed_domain_are_what_is_in_them(tmp_path: Path) -> None:
    spec = of_text(MASKS, tmp_path, "masks")
    found = opened(Masks, spec, Sizes({}, (), ()), compile_design(Masks), ("all",))
    assert not found.kept
    outcome = proved(found)
    good = {n for n, v in outcome.verdicts.items() if isinstance(v, Holds)}
    assert good == {"inside", "only_more", "keeps_allowed"}
    never_violated(Masks, spec, good, {"V": 2, "P": 1}, 400)


HOMES = """
spec "homes"
for Homes
invariant used_is "u": all(r in ROWS: used[r] == count(p in PLACES: home[p] == r))
invariant whole_is "w": all(r in ROWS: whole[r] == used[r] + free[r])
invariant total_is "t": total == sum(r in ROWS: whole[r])
invariant taken "k": sum(r in ROWS: used[r]) == count(p in PLACES: home[p] != none)
invariant some_free "s":
    total > count(p in PLACES: home[p] != none) implies any(r in ROWS: free[r] > 0)
"""


def test_numbers_of_elements_are_summed_at_any_size(tmp_path: Path) -> None:
    spec = of_text(HOMES, tmp_path, "homes")
    found = opened(Homes, spec, Sizes({}, (), ()), compile_design(Homes), ("all",))
    outcome = proved(found, clauses=False)
    good = {n for n, v in outcome.verdicts.items() if isinstance(v, Holds)}
    assert good == {p.name for p in found.resolved.properties}
    never_violated(Homes, spec, good, {"V": 2, "P": 2}, 300)
    (certificate,) = certificates(outcome)
    for text in certificate.questions[::5]:
        assert cvc5_says(text) == "unsat"


# (what is known, what follows, what does not)
ENTAILED = (
    (
        "all(r in ROWS: whole[r] == used[r] + free[r])",
        "sum(r in ROWS: whole[r]) == sum(r in ROWS: used[r] + free[r])",
        "sum(r in ROWS: whole[r]) == sum(r in ROWS: used[r])",
    ),
    (
        "all(r in ROWS: used[r] <= free[r] + 1)",
        "sum(r in ROWS: used[r]) <= sum(r in ROWS: free[r]) + V",
        "sum(r in ROWS: used[r]) <= sum(r in ROWS: free[r]) + 1",
    ),
    (
        "all(r in ROWS: used[r] <= 0)",
        "sum(r in ROWS: used[r]) <= 0",
        "sum(r in ROWS: used[r]) == 0",
    ),
    (
        "sum(r in ROWS: free[r]) > 0",
        "any(r in ROWS: free[r] > 0)",
        "all(r in ROWS: free[r] > 0)",
    ),
    (
        "total == 0",
        "all(p in PLACES: home[p] != none implies any(r in ROWS: home[p] == r))",
        "all(p in PLACES: any(r in ROWS: home[p] == r))",
    ),
    (
        "all(r in ROWS: used[r] == 0)",
        "all(p in PLACES, r in ROWS: home[p] == r implies used[r] == 0)",
        "any(p in PLACES, r in ROWS: home[p] == r and used[r] == 0)",
    ),
    (
        "total == 0",
        "count(r in ROWS, p in PLACES: home[p] == r) == count(p in PLACES: home[p] != none)",
        "count(r in ROWS, p in PLACES: home[p] == r) == P",
    ),
    (
        "all(p in PLACES: home[p] != none)",
        "count(r in ROWS, p in PLACES: home[p] == r) == P",
        "count(r in ROWS, p in PLACES: home[p] == r) == V",
    ),
    (
        "all(r in ROWS: home[0] == r or used[r] == 0)",
        "home[0] == none implies sum(r in ROWS: used[r]) == 0",
        "home[0] != none implies sum(r in ROWS: used[r]) == 0",
    ),
    (
        "all(r in ROWS: used[r] == 2)",
        "sum(p in PLACES: sum(r in ROWS: used[r] if home[p] == r else 0))"
        " == sum(r in ROWS, p in PLACES: used[r] if home[p] == r else 0)",
        "sum(p in PLACES: sum(r in ROWS: used[r] if home[p] == r else 0)) == 2 * P",
    ),
    (
        "count(r in ROWS: used[r] > 0) == 1 and count(r in ROWS: used[r] <= 0) == 1",
        "V == 2",
        "V == 3",
    ),
    (
        "all(r in ROWS: used[r] > 0)",
        "sum(r in ROWS: 1 if used[r] > 0 else 2 if free[r] > 0 else 3) == V",
        "sum(r in ROWS: 1 if used[r] > 1 else 2 if free[r] > 0 else 3) == V",
    ),
    (
        "all(r in ROWS: used[r] <= 0 and free[r] <= 0)",
        "sum(r in ROWS: 1 if used[r] > 0 else 2 if free[r] > 0 else 3) == 3 * V",
        "sum(r in ROWS: 1 if used[r] > 0 else 2 if free[r] > -1 else 3) == 3 * V",
    ),
    (
        "home[0] != none",
        "count(p in PLACES: p > 0) == P - 1",
        "count(p in PLACES: p > 0) == P",
    ),
    (
        "home[0] != none",
        "count(p in PLACES: p > 0 and p < P - 1) <= P - 1",
        "count(p in PLACES: p > 0 and p < P - 1) == P - 2",
    ),
    (
        "all(r in ROWS: whole[r] == used[r] + free[r]) and"
        " all(a in ROWS, b in ROWS: used[a] == used[b] implies a == b)",
        "all(a in ROWS, b in ROWS: used[a] == used[b] implies"
        " sum(r in ROWS, p in PLACES: free[r] if home[p] == a else 0)"
        " == sum(r in ROWS, p in PLACES: free[r] if home[p] == b else 0)"
        " and sum(r in ROWS: whole[r]) == sum(r in ROWS: used[r] + free[r]))",
        "all(a in ROWS, b in ROWS: used[a] <= used[b] implies"
        " sum(r in ROWS, p in PLACES: free[r] if home[p] == a else 0)"
        " == sum(r in ROWS, p in PLACES: free[r] if home[p] == b else 0))",
    ),
    (
        "all(a in ROWS, b in ROWS: used[a] == used[b] implies a == b)",
        "all(a in ROWS, b in ROWS, c in ROWS: used[a] == used[b] and used[b] == used[c]"
        " implies sum(r in ROWS, p in PLACES: free[r] if home[p] == a else 0)"
        " == sum(r in ROWS, p in PLACES: free[r] if home[p] == c else 0))",
        "all(a in ROWS, b in ROWS, c in ROWS: used[a] == used[b] and used[b] <= used[c]"
        " implies sum(r in ROWS, p in PLACES: free[r] if home[p] == a else 0)"
        " == sum(r in ROWS, p in PLACES: free[r] if home[p] == c else 0))",
    ),
    (
        "all(a in ROWS, b in ROWS: used[a] <= free[b])",
        "home[0] != none implies count(r in ROWS: used[r] > free[home[0]]) <= 1",
        "home[0] != none implies count(r in ROWS: used[r] >= free[home[0]]) <= 1",
    ),
    (
        "total == count(p in PLACES: home[p] != none) and"
        " all(r in ROWS: used[r] <= count(p in PLACES: home[p] != none))",
        "count(r in ROWS: used[r] > total) <= 1",
        "count(r in ROWS: used[r] >= total) <= 1",
    ),
    (
        "total == 1",
        "not ((total == 1) == all(r in ROWS: used[r] == 0) and"
        " count(r in ROWS: used[r] > 0) == 2)",
        "not ((total == 0) == all(r in ROWS: used[r] == 0) and"
        " count(r in ROWS: used[r] > 0) == 2)",
    ),
    (
        "total >= 0",
        "not (total == 1 and (total == 0) == all(r in ROWS: used[r] == 0) and"
        " (total == 1) == all(r in ROWS: used[r] == 0 and free[r] == 0))",
        "not (total == 0 and (total == 0) == all(r in ROWS: used[r] == 0) and"
        " (total == 1) == all(r in ROWS: used[r] == 0 and free[r] == 0))",
    ),
)


@pytest.mark.parametrize(("known", "follows", "not_so"), ENTAILED)
def test_what_follows_at_any_size_and_what_does_not(
    known: str, follows: str, not_so: str, tmp_path: Path
) -> None:
    names = ("known", "follows", "not_so")
    texts = zip(names, (known, follows, not_so), strict=True)
    lines = [f'invariant {name} "{name}": {text}' for name, text in texts]
    text = "\n".join(('spec "entailed"', "for Homes", *lines))
    spec = of_text(text, tmp_path, "entailed")
    found = opened(Homes, spec, Sizes({}, (), ()), compile_design(Homes), ("all",))
    assert {"V", "P"} >= set(found.compiled.system.least)
    fact, right, wrong = (p.formula for p in found.resolved.properties)
    for claim, so in ((right, True), (wrong, False)):
        question = Question(PlainTerms(found.compiled.system))
        question.know("known", renamed(fact, 1))
        question.deny(renamed(claim, 2))
        assert question.ask().proved is so, claim


def test_a_proof_says_which_facts_it_used() -> None:
    """Those by name: a lemma that is given up later takes the proof with it."""
    system = compile_design(Homes, {}, (), (), frozenset(("V", "P")), True).system
    used, free = (system.by_name[name] for name in ("used", "free"))
    x = ir.local("a", used.index[0])
    low, bare = (ir.le(ir.select(v.now, x), ir.num(0)) for v in (used, free))
    question = Question(PlainTerms(system))
    question.know("none", ir.aggregate("all", x, ir.and_(low, bare)))
    question.know("total", ir.le(system.by_name["total"].now, ir.num(0)))
    question.deny(ir.aggregate("all", x, ir.le(ir.select(used.now, x), ir.num(1))))
    answer = question.ask()
    assert answer.proved
    assert answer.used == {"none"}


def test_what_is_out_of_reach_is_not_proved(monkeypatch: pytest.MonkeyPatch) -> None:
    system = compile_design(Homes, {}, (), (), frozenset(("V", "P")), True).system
    cell = system.by_name["used"]
    x = ir.local("a", cell.index[0])

    def asked() -> QueryResult:
        question = Question(PlainTerms(system))
        at_most = (ir.le(ir.select(cell.now, x), ir.num(k)) for k in (0, 1))
        few, more = (ir.aggregate("all", x, body) for body in at_most)
        question.know("", few)
        question.deny(more)
        return question.ask()

    assert asked().proved
    monkeypatch.setattr(questions, "_INSTANCES", 0)
    assert not asked().proved
    assert asked().why == "too many instances"


def test_sums_over_a_domain_with_two_names_are_the_same() -> None:
    system = compile_design(Homes, {}, (), (), frozenset(("V", "P")), True).system
    cell = system.by_name["home"]
    (domain,) = cell.index
    sums = []
    for name in ("PLACES", ""):
        x = ir.local(f"x{name}", replace(domain, name=name))
        none = ir.const(cell.element, -1)
        here = ir.eq(ir.select(cell.now, x), none)
        sums.append(ir.aggregate("sum", x, ir.ite(here, ir.num(0), ir.num(1))))
    question = Question(PlainTerms(system))
    question.deny(ir.le(sums[0], sums[1]))
    assert question.ask().proved


def test_no_unknown_has_a_name_that_z3_gives_to_a_part_of_a_script() -> None:
    system = compile_design(Homes, {}, (), (), frozenset(("V", "P")), True).system
    cell = system.by_name["used"]
    x = ir.local("a", cell.index[0])
    question = Question(PlainTerms(system))
    question.know("", ir.aggregate("all", x, ir.le(ir.select(cell.now, x), ir.num(0))))
    question.deny(ir.aggregate("all", x, ir.le(ir.select(cell.now, x), ir.num(1))))
    answer = question.ask()
    assert answer.proved
    assert "a?1" in answer.asked[0].text
    assert not re.search(r"declare-fun a!\d", answer.asked[0].text)


OWNERS = """
spec "owners"
for Owners
invariant owned_exactly "o":
    all(r in ROWS: owned[r] == count(q in ROWS, p in PLACES: owner[q, p] == r))
invariant owned_less "n":
    all(r in ROWS: owned[r] <= count(p in PLACES: owner[r, p] != none))
"""


@pytest.mark.slow
def test_a_count_for_each_element_is_exact_at_any_size(tmp_path: Path) -> None:
    spec = of_text(OWNERS, tmp_path, "owners")
    found = opened(Owners, spec, Sizes({}, (), ()), compile_design(Owners), ("all",))
    outcome = proved(found)
    good = {n for n, v in outcome.verdicts.items() if isinstance(v, Holds)}
    assert good == {"owned_exactly"}
    never_violated(Owners, spec, good, {"V": 2, "P": 2}, 300)


def random_design(number: int, tmp_path: Path) -> type[Design]:
    """The design of that number, from its text."""
    path = tmp_path / f"random_open_{number}.py"
    path.write_text(random_text(Random(number)))
    name = path.stem
    module_spec = importlib.util.spec_from_file_location(name, path)
    assert module_spec is not None
    assert module_spec.loader is not None
    module = importlib.util.module_from_spec(module_spec)
    sys.modules[name] = module
    module_spec.loader.exec_module(module)
    found: type[Design] = module.Random
    return found


def random_proof(number: int, tmp_path: Path, clauses: bool = True) -> int:
    """How many properties of a random design are proved; each is looked at by a
    search at five sizes."""
    cls = random_design(number, tmp_path)
    spec = of_text(SPEC, tmp_path, f"random{number}")
    closed = compile_design(cls)
    found = opened(cls, spec, Sizes({}, (), ()), closed, ("all",))
    if set(found.compiled.system.least) != {"V", "P"}:
        return 0
    outcome = proved(found, clauses)
    good = {n for n, v in outcome.verdicts.items() if isinstance(v, Holds)}
    if good:
        for v, p in ((1, 1), (1, 2), (2, 1), (2, 2), (1, 3)):
            never_violated(cls, spec, good, {"V": v, "P": p}, 250)
    return len(good)


def test_what_is_proved_of_random_designs_is_never_violated(tmp_path: Path) -> None:
    assert random_proof(0, tmp_path, False) > 0


@pytest.mark.slow
@pytest.mark.parametrize("tens", range(20))
def test_what_is_proved_of_many_random_designs_is_never_violated(
    tens: int, tmp_path: Path
) -> None:
    numbers = range(10 * tens + 10, 10 * tens + 20)
    assert sum(random_proof(number, tmp_path) for number in numbers) > 0


@pytest.mark.slow
def test_the_accounting_of_hugetlb_is_proved_for_any_sizes() -> None:
    spec = parse(find_spec("hugetlb_accounting"))
    closed = compile_design(Hugetlb, {}, (), FEATURES)
    found = opened(Hugetlb, spec, Sizes({}, (), FEATURES), closed, ("all",))
    assert {k.name for k in found.kept} == {"nodes"}
    outcome = proved(found)
    assert all(isinstance(v, Holds) for v in outcome.verdicts.values())
    (certificate,) = certificates(outcome)
    assert {"V", "P", "T", "files", "blocks", "CAP"} <= set(certificate.params)
    assert certificate.relations == ("blocks <= CAP",)
    for text in certificate.questions:
        assert cvc5_says(text) == "unsat"


# (features that the spec leaves off, what else is open, what stays besides nodes, the
# share of the questions that cvc5 decides: with loops unrolled, it may need minutes)
MORE = (
    ("cgroup", {"V", "P", "C", "CG_MAX", "CG_RSVD"}, set(), 1.0),
    ("mount", {"V", "P"}, set(), 1.0),
    ("mount,size", {"V", "MAX"}, {"P"}, 1.0),
    ("surplus,resize", {"OC"}, {"V", "P", "STEP"}, 0.8),
)


@pytest.mark.slow
@pytest.mark.parametrize(("more", "free", "stays", "decided"), MORE)
def test_the_accounting_of_hugetlb_is_proved_with_more_features(
    more: str, free: set[str], stays: set[str], decided: float
) -> None:
    """All that the spec states; z3 afresh and cvc5 do not contradict the proof."""
    having = tuple(more.split(","))
    task = task_of("hugetlb_accounting", "Hugetlb", having)
    assert {*FEATURES, *having} <= set(task.sizes.having)
    (outcome,) = asked(task, "prove", Budget(), Silent(), lambda: False)
    stated = counted(task)
    assert {p.name for p in stated} == {
        "resv_exact",
        "resv_backed",
        "node_ranges",
        "census",
        "cached_is_accounted",
        "had_is_consumed",
        "drain",
        "touch_takes_one",
    }
    assert all(is_proved(outcome.verdicts[p.name]) for p in stated)
    (certificate,) = certificates(outcome)
    params = set(certificate.params)
    assert {"T", "files", "blocks", "CAP"} | free <= params
    assert not params & (stays | {"nodes"})
    assert certificate.relations == ("blocks <= CAP",)
    texts = certificate.questions
    assert all(z3_says(text, 60.0) == "unsat" for text in texts)
    answers = Counter(cvc5_says(text) for text in texts)
    assert not answers["sat"]
    assert answers["unsat"] >= decided * len(texts)
    assert not refuted(task, stated, states=300)


@pytest.mark.slow
def test_the_charges_of_a_tree_are_proved_for_any_number_of_files_and_pages() -> None:
    task = task_of("memcg_fault", "MemcgTree")
    (outcome,) = asked(task, "prove", Budget(), Silent(), lambda: False)
    good = [p for p in counted(task) if is_proved(outcome.verdicts.get(p.name))]
    assert {"charged_within", "moved_to_parent"} <= {p.name for p in good}
    (certificate,) = certificates(outcome)
    assert {"F", "P"} <= set(certificate.params)
    assert not refuted(task, good, states=300)


# --- mutants ----------------------------------------------------------------

MUTANTS = 32
SIZES = (
    {"V": 1, "P": 1, "files": 1, "blocks": 1, "CAP": 2},
    {"V": 1, "P": 2, "files": 1, "blocks": 2, "CAP": 2},
    {"V": 2, "P": 1, "files": 1, "blocks": 1, "CAP": 1},
)


def of_the_accounting() -> list[Mutant]:
    """Mutants of hugetlb that take another step within the spec's features."""
    same = compile_design(Hugetlb, {}, (), FEATURES).system
    every = list(mutants(Hugetlb))
    Random(14).shuffle(every)
    found: list[Mutant] = []
    for mutant in every:
        with altered(mutant.tree, mutant.other):
            try:
                other = compile_design(Hugetlb, {}, (), FEATURES).system
            except UserError:
                continue
        if other.actions != same.actions:
            found.append(mutant)
        if len(found) == MUTANTS:
            break
    return found


@pytest.mark.slow
@pytest.mark.parametrize("eighth", range(8))
def test_nothing_is_proved_of_a_mutant_of_hugetlb_that_a_search_violates(
    eighth: int,
) -> None:
    spec = parse(find_spec("hugetlb_accounting"))
    closed = compile_design(Hugetlb, {}, (), FEATURES)
    for mutant in of_the_accounting()[eighth::8]:
        with altered(mutant.tree, mutant.other):
            found = opened(Hugetlb, spec, Sizes({}, (), FEATURES), closed, ("all",))
            compiled = with_stated(found.compiled, spec)
            outcome = proved(replace(found, compiled=compiled))
            good = {n for n, v in outcome.verdicts.items() if isinstance(v, Holds)}
            for sizes in SIZES if good else ():
                compiled = compile_design(Hugetlb, sizes, (), FEATURES)
                asked = tuple(
                    p for p in resolve(spec, compiled).properties if p.name in good
                )
                budget = Budget(states=2000)
                searched = explicit(compiled.system, asked, budget, Silent())
                # what is proved then holds up to the first error of the model
                assert not searched.defects or outcome.statistics.notes, mutant.what
                wrong = {
                    n for n, v in searched.verdicts.items() if isinstance(v, Violated)
                }
                assert not wrong, (mutant.what, wrong)


def test_orthogonal_vectors_of_a_few_rows() -> None:
    rows = [(1, 2, 3, 0), (2, 4, 6, 0), (0, 1, 1, 0)]
    found = orthogonal(rows, 4)
    assert len(found) == 2
    for vector in found:
        assert all(
            sum(a * b for a, b in zip(r, vector, strict=True)) == 0 for r in rows
        )


def test_the_balances_of_a_design_are_found_without_a_property() -> None:
    system = compile_design(Forms, {}, (), (), frozenset(("V", "P", "B")), True).system
    texts = {show(formula) for _, formula in balances(Visits(system))}
    boxes = "sum(x0 in ROWS: sum(x1 in PLACES: 1 if box[x0, x1] else 0))"
    assert texts == {"B == count + free", f"{boxes} == count"}


class Switching(Design):
    """A flag that does not matter."""

    x = var(Natural())
    seen = var(Bool())

    @action
    def up(self) -> None:
        self.x += 1
        if self.x > 3:
            self.seen = not self.seen


def test_a_state_against_a_claim_shows_what_it_has(tmp_path: Path) -> None:
    """Not a flag that may be either."""
    text = 'spec "s" for Switching step low: x <= 9 or x <= 8 and seen\n'
    spec = of_text(text, tmp_path, "low")
    compiled = compile_design(Switching)
    found = Opened(compiled, resolve(spec, compiled), ())
    verdict = proved(found).verdicts["low"]
    assert isinstance(verdict, Unknown)
    assert verdict.reason.endswith("e.g. where x = 10")


def test_a_step_against_a_claim_shows_cells_and_arguments(tmp_path: Path) -> None:
    """By the names that the design gives them."""
    text = 'spec "s" for Homes step few on take(row): used\'[row] <= 3\n'
    spec = of_text(text, tmp_path, "few")
    found = opened(Homes, spec, Sizes({}, (), ()), compile_design(Homes), ("all",))
    verdict = proved(found, clauses=False).verdicts["few"]
    assert isinstance(verdict, Unknown)
    says, where = verdict.reason.split(", e.g. where ")
    assert says.endswith("take keeps few")
    shown = dict(part.split(" = ") for part in where.split(", "))
    assert {"row", "place", "used[row]", "free[row]", "home[place]"} <= shown.keys()
    assert "#" not in where
    assert int(shown["used[row]"]) >= 3
    assert shown["row"].startswith("r")


class Adds(Design):
    """Each number is added to the one before it."""

    a = var(Int(), init=1)
    b = var(Int(), init=1)
    c = var(Int(), init=1)
    d = var(Int(), init=1)
    e = var(Int(), init=1)

    @action
    def add(self) -> None:
        self.a += self.b
        self.b += self.c
        self.c += self.d
        self.d += self.e

    @action
    def count(self) -> None:
        self.e += 1


def test_a_guess_may_need_another_guess(tmp_path: Path) -> None:
    """That a is not below 0 needs the same of b, and so on: five lemmas."""
    spec = of_text('spec "s" for Adds invariant above: a >= 0\n', tmp_path, "adds")
    compiled = compile_design(Adds)
    found = Opened(compiled, resolve(spec, compiled), ())
    outcome = proved(found, clauses=False)
    assert isinstance(outcome.verdicts["above"], Holds)
    (certificate,) = certificates(outcome)
    assert len(certificate.lemmas) == 5


class Ahead(Design):
    """y follows x, and never passes it."""

    x = var(Natural())
    y = var(Natural())

    @action
    def go(self) -> None:
        self.x += 1

    @action
    def follow(self) -> None:
        require(self.y < self.x)
        self.y += 1

    @action
    def past(self) -> None:
        require(self.x < self.y)


AHEAD = """
spec "ahead"
for Ahead
invariant behind "b": y <= x
invariant apart "a": y > x implies x > 9
step near "n" on follow: y < x implies y' <= x
step never "v" on follow: x < y implies y' <= x
"""


def test_what_the_lemmas_exclude_and_how_often_z3_was_asked(tmp_path: Path) -> None:
    """An action, an antecedent of a state, and one of a step."""

    class Asked(Silent):
        numbers: ClassVar[list[object]] = []

        def progress(self, **figures: object) -> None:
            if "queries" in figures:
                assert figures.keys() == {"lemmas", "queries"}
                self.numbers.append(figures["queries"])

    spec = of_text(AHEAD, tmp_path, "ahead")
    compiled = compile_design(Ahead)
    resolved = resolve(spec, compiled)
    system, asked = compiled.system, Asked()
    outcome = anysize(system, resolved.properties, Budget(), asked, Sources())
    assert all(isinstance(v, Holds) for v in outcome.verdicts.values())
    assert outcome.statistics.impossible == {"past"}
    assert outcome.statistics.true_antecedents == {
        "behind": (),
        "apart": (False,),
        "near": (True,),
        "never": (False,),
    }
    assert not outcome.statistics.no_start
    assert asked.numbers == list(range(1, len(asked.numbers) + 1))


class Points(Design):
    """``who`` is to be a row, and one action puts nobody there."""

    home = table(PLACES, Maybe(ROWS))
    who = var(ROWS, init=ANY)

    @action
    def move(self, place: PLACES, row: ROWS) -> None:
        self.home[place] = row

    @action
    def point(self, place: PLACES) -> None:
        self.who = self.home[place]


def test_nobody_is_out_of_the_range_of_an_element(tmp_path: Path) -> None:
    text = 'spec "s" for Points step same on move: unchanged(who)\n'
    spec = of_text(text, tmp_path, "points")
    found = opened(Points, spec, Sizes({}, (), ()), compile_design(Points), ("all",))
    outcome = proved(found, clauses=False)
    assert isinstance(outcome.verdicts["same"], Holds)
    (note,) = outcome.statistics.notes
    assert note.endswith("the range of who")


class Nowhere(Design):
    """Its initial states exclude each other."""

    x = var(Int(0, 3), init=ANY)

    def initial(self) -> Bool():
        return self.x > 2 and self.x < 2

    @action
    def up(self) -> None:
        self.x = min(self.x + 1, 3)


def test_what_a_proof_does_not_say_and_what_holds_of_nothing(tmp_path: Path) -> None:
    text = """
spec "s" for Nowhere
invariant low: x <= 3
reachable top: x == 3
eventually topped: x == 3
"""
    spec = of_text(text, tmp_path, "nowhere")
    compiled = compile_design(Nowhere)
    outcome = proved(Opened(compiled, resolve(spec, compiled), ()))
    assert outcome.statistics.no_start
    assert isinstance(outcome.verdicts["low"], Holds)
    for name, what in (("top", "is reached"), ("topped", "follows")):
        verdict = outcome.verdicts[name]
        assert isinstance(verdict, Unknown)
        assert verdict.reason.endswith(f"what {what}")
