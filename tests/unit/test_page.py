# SPDX-License-Identifier: GPL-2.0-only
"""The page of a review: who is asked what, the worst answer, and its text."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from string import ascii_uppercase

import pytest

from poolproof.checker.commands.main import main
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.verdict import (
    Budget,
    Holds,
    Reached,
    Silent,
    Trace,
    Unknown,
    Unreachable,
    Vacuous,
    Verdict,
    Violated,
)
from poolproof.checker.driver.check import run
from poolproof.checker.driver.designs import from_file, shipped_specs
from poolproof.checker.driver.judging import CheckResult, ExpectationStatus
from poolproof.checker.driver.objections import (
    PAGE,
    answered,
    check_page,
    severity,
    shipped_page,
)
from poolproof.checker.driver.scores import stored_conformance
from poolproof.checker.driver.task import Request, prepare
from poolproof.checker.reports.json import review_json
from poolproof.checker.reports.page import (
    Overview,
    brief,
    by_score,
    marks_key,
    overview,
    page,
    plain_title,
)
from poolproof.checker.spec import parse
from poolproof.checker.spec.page import Page, parse_page

ROOT = Path(__file__).parents[2]

DESIGN = '''
from poolproof.model.language import Bound, Design, Int, action, assume, require, var

TOP = Bound("top", 2)


class Tank(Design):
    """Something that fills."""

    assumed: tuple[str, ...] = ("sketch: nobody drinks",)

    level = var(Int(0, 3))

    @action
    def fill(self):
        require(self.level < 3)
        assume(self.level < TOP, "nobody overfills")
        self.level += 1


class Leaking(Tank):
    """The same, with a hole."""

    @action
    def leak(self):
        require(self.level > 0)
        self.level -= 1
'''

SPEC = """
spec "tanks"
for Tank, Leaking
bounds top = 2
invariant low "Q1, A2: it is low": level <= 1
    expect violated at 2
invariant within "B3: it is within its walls": level <= 3
reachable full "it can be full": level == 3
    expect unreachable
step only "a leak loses one" on leak: level' == level - 1
"""

PLAN = """
# a comment
objection "it runs over" by "somebody": tank.within, tank.low, other.low
objection "it leaks" by "somebody else": tank.only
objection "nobody asks this" by "nobody": other.low
run "two steps" of Tank: tank.low
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tank.py").write_text(DESIGN)
    (tmp_path / "tank.spec").write_text(SPEC)
    (tmp_path / "tank.page").write_text(PLAN)
    return tmp_path


@pytest.fixture
def done(folder: Path) -> list[CheckResult]:
    tasks = prepare(
        parse(folder / "tank.spec"), Request(designs=(str(folder / "tank.py"),))
    )
    return [run(task, "explicit", Budget(), Silent()) for task in tasks]


@pytest.fixture
def view(folder: Path, done: list[CheckResult]) -> Overview:
    plan = parse_page(str(folder / "tank.page"))
    return overview(plan, done, [str(folder / "tank.py")], {})


def test_the_worst_answer_and_its_spec(view: Overview) -> None:
    lines = page(view)
    assert "  A Tank: a design of your own (Tank)" in lines
    assert "  B Leaking: a design of your own (Leaking)" in lines
    at = lines.index('"it runs over" (somebody)')
    assert lines[at + 1].split() == ["V2.a", "V2.a"]
    at = lines.index('"it leaks" (somebody else)')
    assert lines[at + 1].split() == ["n/a", "ok.a"]
    assert not any("nobody asks this" in line for line in lines)


def test_what_a_column_rests_on(view: Overview) -> None:
    lines = page(view)
    words = " ".join(" ".join(lines).split())
    assert "- taken for granted: (AB) sketch: nobody drinks" in lines
    assert "assumptions, and the steps they cut: nobody overfills (A 1 B 1)" in words
    (tank, _) = view.columns
    scored = replace(view, scores={tank.designs[0].cls: "3 of 4 killed, 75 %"})
    said = " ".join(" ".join(page(scored)).split())
    assert "mutants detected: 75 %: Tank; others: none" in said
    assert "- mutants and conformance: none stored" in lines


def test_an_assumption_that_cut_nothing_is_not_what_a_column_rests_on(
    folder: Path,
) -> None:
    tasks = prepare(
        parse(folder / "tank.spec"),
        Request(designs=(str(folder / "tank.py"),), bounds={"top": 3}),
    )
    done = [run(task, "explicit", Budget(), Silent()) for task in tasks]
    plan = parse_page(str(folder / "tank.page"))
    lines = page(overview(plan, done, [str(folder / "tank.py")], {}))
    assert not any("overfills" in line for line in lines)


def test_columns_are_as_wide_as_their_cells(view: Overview) -> None:
    """Those that do not fit side by side follow below, each with its letter."""
    lines = page(replace(view, columns=view.columns * 9))
    assert max(map(len, lines)) <= 75
    heads = [line.split() for line in lines if set(line) <= {*ascii_uppercase, " "}]
    assert [len(head) for head in heads if head] == [14, 4]  # five characters each
    assert [letter for head in heads for letter in head] == list(ascii_uppercase[:18])


def test_bounds_that_most_specs_share_are_said_once(view: Overview) -> None:
    words = " ".join(" ".join(page(view)).split())
    assert (
        "Specs (+ with, - without a feature): a tank (top=2)." in words
    )  # of one spec, none is
    several = {**view.keys, **{f"{k}.spec": str(k) for k in range(3)}}
    done = [
        replace(c, task=replace(c.task, spec=replace(c.task.spec, file=file)))
        for c in view.done
        for file in several
    ]
    words = " ".join(" ".join(page(replace(view, done=done, keys=several))).split())
    assert "feature; else top=2): a tank; 0 0; 1 1;" in words


def test_a_verdict_that_nobody_expects_has_a_mark(view: Overview) -> None:
    first, *others = view.done
    odd = replace(first.answers[1], status=ExpectationStatus.UNMET)
    changed = replace(first, answers=(first.answers[0], odd, *first.answers[2:]))
    designs = [k.reference for c in view.columns for k in c.designs]
    lines = page(overview(view.page, [changed, *others], designs, {}))
    at = lines.index('"it runs over" (somebody)')
    assert lines[at + 1].split() == ["V2.a!", "V2.a"]


@pytest.mark.parametrize(
    ("verdict", "kind"),
    [
        (Holds(True), "good"),
        (Holds(False), "good"),
        (Reached(Trace((), ())), "good"),
        (Vacuous("x", Holds(True)), "vacuous"),
        (Unknown("x"), "open"),
        (Unknown("x", 9), "open"),
        (Unreachable(1, 1), "bad"),
        (Violated(Trace((), ())), "bad"),
    ],
)
def test_unknown_and_vacuous_are_not_good(
    view: Overview, verdict: Verdict, kind: str
) -> None:
    """... and stand before what is good in a cell."""
    assert severity(verdict) == kind
    (tank, _) = view.columns
    within = next(a for a in tank.results[0].answers if a.prop.name == "within")
    other = replace(within, verdicts=(("explicit", verdict),))
    low = replace(within, prop=replace(within.prop, name="low"))
    results = (replace(tank.results[0], answers=(low, other)),)
    runs_over = view.page.objections[0]
    low_first = replace(runs_over, properties=runs_over.properties[1::-1])
    cell = answered(low_first, replace(tank, results=results))
    first = "low" if kind == "good" else "within"
    assert cell.answers[0].answer.prop.name == first


def test_nothing_asked_is_a_dash(view: Overview, done: list[CheckResult]) -> None:
    (tank, leaking) = view.columns
    cells = [answered(view.page.objections[1], c) for c in (tank, leaking)]
    assert [bool(c.answers) for c in cells] == [False, True]
    assert cells[0].missing
    assert answered(view.page.objections[2], tank).missing == ""
    assert overview(view.page, done, (), {}).columns == []


def test_a_row_without_a_meaning(folder: Path, view: Overview) -> None:
    """The page says why. A violation counts all the same, and nothing else does."""
    text = 'objection "a" by "b": other.low lacks "no tap": Tank'
    (folder / "lacks.page").write_text(text)
    (row,) = parse_page(str(folder / "lacks.page")).objections
    tank, leaking = view.columns
    assert [answered(row, c).missing for c in (tank, leaking)] == ["no tap", ""]
    asked = replace(view.page.objections[0], lacking=row.lacking)
    assert answered(asked, tank).answers
    within = replace(asked, properties=asked.properties[:1])
    assert answered(replace(within, lacking=()), tank).answers
    assert not answered(within, tank).answers
    shown = page(replace(view, page=replace(view.page, objections=(row,))))
    assert "- n/a: (A) no tap" in shown


def test_an_answer_that_is_not_known(folder: Path, view: Overview) -> None:
    """It is not "does not apply"."""
    text = (
        'objection "a" by "b": other.low lacks "no tap": Tank unknown "slow": Leaking'
    )
    (folder / "unknown.page").write_text(text)
    rows = parse_page(str(folder / "unknown.page")).objections
    shown = page(replace(view, page=replace(view.page, objections=rows)))
    assert shown[shown.index('"a" (b)') + 1].split() == ["n/a", "?"]
    assert "- n/a: (A) no tap; ?: (B) slow" in shown


def test_columns_share_parts(folder: Path) -> None:
    """A part counts in each column that has it."""
    file = folder / "shared.page"
    file.write_text('column "a" is "b": Thp, Tao column "c" is "d": Thp1g, Tao')
    assert [len(c.designs) for c in parse_page(str(file)).columns] == [2, 2]


def test_runs_in_full(view: Overview) -> None:
    """A run of the page is of a shipped design: a user's of that name is not it."""
    assert not any("two steps" in line for line in page(view))


def test_json_has_the_table(view: Overview) -> None:
    made = review_json(view, 0)
    assert json.loads(json.dumps(made)) == made
    first = made["objections"][0]
    assert first["words"] == "it runs over"
    assert [c["answers"][0]["property"] for c in first["cells"]] == ["low", "low"]
    assert made["columns"][0]["assuming"] == ["assuming nobody overfills: 1 step cut"]


def test_titles_without_numbers() -> None:
    assert plain_title("I16n, N1: a fault succeeds") == "a fault succeeds"
    assert plain_title("sum R <= total: kept") == "sum R <= total: kept"


@pytest.mark.parametrize(
    ("text", "at", "words"),
    [
        ('colum "a" is "b": Thp', "1:1", "does not begin an item"),
        ('column "a" "b": Thp', "1:12", "`is` is expected here"),
        ('column "a" is "b" Thp', "1:19", "`:` is expected here"),
        (
            'column "a" is "b": Thp\ncolumn "c" is "d": Thp',
            "2:20",
            "in a column already",
        ),
        ('column "a" is "b": Thp, Tao, Tao', "1:30", "in this column already"),
        ('column "a" is "b": Tph', "1:20", "no design 'Tph'"),
        ('objection "a" by "b": promise_plain', "1:23", "write SPEC.promise_plain"),
        ('objection "a" by "b": promise_plan.q1', "1:23", "no spec 'promise_plan'"),
        ('objection "a" by "b": tank.lo', "1:23", "no property of tank 'lo'"),
        ('upgrade "a": hot_upgrade.colt', "1:14", "no scenario of hot_upgrade 'colt'"),
        ('upgrade "a": hot.cold', "1:14", "no file of scenarios 'hot'"),
        (
            'upgrade "a": hot_upgrade.cold lacks "b": Tph',
            "1:42",
            "no design 'Tph'",
        ),
        ('upgrade "a": hot_upgrade.cold lacks Thp', "1:37", "no meaning for them"),
        ('upgrade "a": hot_upgrade.cold unknown Thp', "1:39", "they have no answer"),
        ('run "a" of Nobody: tank.low', "1:12", "no design 'Nobody'"),
        ('run "a" of Thp: tank.low, tank.full', "1:27", "of one property"),
        ('objection "a', "1:11", "does not end on its line"),
        ('objection "a" by "b": tank.low;', "1:31", "`;` means nothing here"),
        ('objection "a" by', "1:17", "who said so"),
    ],
)
def test_mistakes(folder: Path, text: str, at: str, words: str) -> None:
    file = folder / "wrong.page"
    file.write_text(text)
    scenarios = ("specs/scenarios/hot_upgrade.scenario",)
    paths = [*shipped_specs(), str(folder / "tank.spec")]
    with pytest.raises(UserError, match=words.replace("(", r"\(")) as e:
        check_page(
            parse_page(str(file)), [parse(folder / "tank.spec")], paths, scenarios
        )
    assert str(e.value).startswith(f"{file}:{at}: ")


def test_figures_of_conformance(tmp_path: Path) -> None:
    """Without the rate, which is the machine's."""
    (tmp_path / "Hugetlb.conform.txt").write_text(
        "Hugetlb and Linux 6.12.9\n  1,000 sequences, 9,001 steps of the design in\n"
        "    8,500 calls, 1,234 steps/s\n\n  no disagreement that is not listed\n"
    )
    (told,) = stored_conformance(tmp_path).values()
    assert told == (
        "Linux 6.12.9: 1,000 sequences, 9,001 steps of the design in 8,500 calls; "
        "no disagreement that is not listed"
    )


def test_the_shipped_page() -> None:
    """It names what is there, and each column's designs are of the specs asked."""
    plan: Page = parse_page(str(ROOT / PAGE))
    stems = {w.text.partition(".")[0] for o in plan.objections for w in o.properties}
    specs = [parse(p) for p in shipped_specs() if Path(p).stem in stems]
    assert [c.title for c in shipped_page(specs).columns] == [
        c.title for c in plan.columns
    ]
    assert 6 <= len(plan.runs) <= 8
    named = {w.text for s in specs for w in s.designs}
    for column in plan.columns:
        assert column.status
        assert column.designs[0].text in named


def test_two_designs_have_all_rows(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import poolproof.checker.commands.review as command

    monkeypatch.setattr(command, "shipped_specs", lambda: (str(folder / "tank.spec"),))
    references = [k.reference for k in from_file(str(folder / "tank.py"))]
    argv = [x for r in references for x in ("--design", r)]
    assert main(["review", "--engine", "explicit", "--page", *argv]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "  A Tank, top=2" in lines
    assert "  B Leaking, top=2" in lines
    assert f"{'  it is low':<63}V2    V2" in lines
    assert f"{'  a leak loses one':<63}-     holds" in lines
    assert lines[-1] == "7 properties, 7 as expected"
    assert max(map(len, lines)) <= 75


def test_the_readme_shows_its_first_lines() -> None:
    """The columns, in order, and objections that are there."""
    readme = (ROOT / "README.md").read_text()
    shown = readme.partition("$ poolproof review --page\n")[2].partition("```")[0]
    legend, letters, rows = shown.partition("\n  A ")[2].partition("\n\n  A ")
    plan = parse_page(str(ROOT / PAGE))
    names = [
        f"{letter} {c.title}: {c.status} ({', '.join(w.text for w in c.designs)})"
        for letter, c in zip(ascii_uppercase, plan.columns, strict=False)
    ]
    assert letters
    assert " ".join(f"A {legend}".split()) == " ".join(names)
    said = [line for line in rows.splitlines() if line.startswith('"')]
    assert said == [f'"{o.words}" ({o.who})' for o in plan.objections[: len(said)]]
    assert said


def test_a_score_is_short_and_says_what_it_is_of() -> None:
    rest = (
        ", without the text of Pool, in a sample of 40, of an earlier text of the specs"
    )
    assert brief("3 of 4 killed, 75 %") == ("75 %", "")
    assert brief("3 of 4 killed, 75 %" + rest) == ("75 %", "*+~")
    scores = {"A": "3 of 4 killed, 75 %", "B": "4 of 4 killed, 100 %"}
    scores["C"] = f"6 of 8 killed, 75 %{rest}"
    assert by_score(scores.items()) == ["100 %: B", "75 %: A, C*+~"]
    assert marks_key("75 %: A, C*~") == " (* earlier text, ~ sample)"
    assert marks_key("75 %: A") == ""
