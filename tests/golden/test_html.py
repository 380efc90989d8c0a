# SPDX-License-Identifier: GPL-2.0-only
"""The review as a page and as Markdown; in a browser where there is one."""

from __future__ import annotations

import re
import resource
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from poolproof.checker.commands import review
from poolproof.checker.commands.main import main
from poolproof.checker.core.verdict import Budget, Silent
from poolproof.checker.driver.check import run
from poolproof.checker.driver.judging import CheckResult
from poolproof.checker.driver.objections import shipped_page
from poolproof.checker.driver.review import LeastPools
from poolproof.checker.driver.size import AtSize, Sized
from poolproof.checker.driver.task import Request, prepare
from poolproof.checker.reports import html
from poolproof.checker.reports.markdown import markdown
from poolproof.checker.reports.page import Overview, overview
from poolproof.checker.spec import parse
from poolproof.model.designs.hugetlb.linux_6_12 import Hugetlb

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
VOID = {"meta", "link", "br", "rect", "input"}
"""Elements without an end."""


def checked(spec: str, *designs: str) -> list[CheckResult]:
    tasks = prepare(parse(spec), Request(designs=designs))
    budget = Budget(seconds=30.0, states=500)
    return [run(task, "explicit", budget, Silent()) for task in tasks]


@pytest.fixture(scope="module")
def done() -> list[CheckResult]:
    return [
        *checked("specs/hugetlb/hugetlb_mempolicy.spec"),
        *checked("specs/questions/promise_numa.spec", "ReservedThp", "GlobalPool"),
        *checked("specs/questions/promise_plain.spec", "Thp", "GlobalPool"),
    ]


@pytest.fixture(scope="module")
def view(done: list[CheckResult]) -> Overview:
    found = {("hot_upgrade.mappings", "ReservedThp"): Sized("blocks", (AtSize(3, 5),))}
    page = shipped_page([c.task.spec for c in done])
    scores = {Hugetlb: "9 of 10 killed, 90 %"}
    return overview(page, done, (), scores, LeastPools(found))


@pytest.fixture(scope="module")
def text(view: Overview) -> str:
    return html.page(view)


class _Page(HTMLParser):
    """Checks that elements are closed in order; collects what tests need."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.count: dict[str, int] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.count[tag] = self.count.get(tag, 0) + 1
        self.ids += [v for k, v in attrs if k == "id" and v]
        self.links += [v for k, v in attrs if k in ("href", "src") and v]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.count[tag] = self.count.get(tag, 0) + 1

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole(text: str) -> None:
    page = _Page()
    page.feed(text)
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    for link in page.links:
        assert link == "data:," or link.startswith("#"), f"{link} needs a network"
    assert {k[1:] for k in page.links if k.startswith("#")} <= set(page.ids)
    assert "<script" not in text
    assert "url(" not in text
    assert "@import" not in text


def test_each_step_has_a_picture_with_words(done: list[CheckResult], text: str) -> None:
    played = [a.replay for c in done for a in c.answers if a.replay is not None]
    assert len(played) > 4
    steps = sum(len(r.taken) + 1 for r in played)
    assert text.count('<svg role="img"') == steps
    assert len(re.findall(r"<title>[^<]+</title><desc>[^<]+</desc>", text)) == steps
    assert text.count('class="trace"') == len(played)


def test_pictures_that_are_too_much_are_calls(
    view: Overview, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page's own run keeps its pictures."""
    whole = html.page(view)
    monkeypatch.setattr(html, "LENGTH", len(whole) // 2)
    short = html.page(view)
    assert len(short) <= len(whole) // 2
    assert 0 < short.count('<svg role="img"') < whole.count('<svg role="img"')
    assert short.count('class="trace"') == whole.count('class="trace"')
    run = short.partition('-promise_is_kept"><h3>Hugetlb')[2].partition("</article>")[0]
    assert "<svg" in run


def test_the_objections_come_first(text: str) -> None:
    table = text.partition("</table>")[0]
    assert "<q>not NUMA aware</q>" in table
    assert re.search(
        '<td class="bad"><a href="#run-[^"]*" title="[^"]*">\u2717 V5', table
    )
    assert re.search(
        '<td class="good"><a href="#spec[^"]*" title="[^"]*">\u2713 ok', table
    )
    assert "as posted" in table
    assert str(Path.home()) not in text
    assert str(Path(__file__).parents[2]) not in text


def test_a_filter_for_each_choice(text: str) -> None:
    """Each rule hides what lacks the class of its button; each class has a button.
    A group has its design's class, and those of all its rows."""
    buttons = set(re.findall(r'<input type="radio" name="\w+" id="(\w+)">', text))
    rules = set(
        re.findall(
            r"#answers:has\(#(\w+):checked\) (?:tbody|:is\(tbody,tbody tr:not\(\.of\)\))"
            r":not\(\.\1\)",
            text,
        )
    )
    assert buttons == rules
    groups = re.findall(r'<tbody class="(d\d+) ([^"]+)">(.*?)</tbody>', text, re.S)
    assert groups
    for design, classes, rows in groups:
        of_rows = " ".join(re.findall(r'<tr class="([qv][^"]*)">', rows)).split()
        assert set(classes.split()) == set(of_rows)
        assert {design, *of_rows} <= buttons


def test_changes_have_a_frame_and_are_told(text: str) -> None:
    assert 'class="new"' in text
    assert "h.resv_huge_pages 0 becomes 1" in text
    assert "In the strips: " in text


def test_cells_and_what_they_rest_on(text: str) -> None:
    assert "n/a: no failed" in text
    assert "mutants: 9 of 10 killed, 90 %" in text
    assert "all reachable states visited<br>results never seen: " in text
    assert "<td>3</td>" in text
    assert "Hugetlb: mutants 9 of 10 killed, 90 %" in text
    assert "verified" not in text.lower()


def test_the_same_again(view: Overview, text: str) -> None:
    assert html.page(view) == text


def test_markdown(view: Overview) -> None:
    told = markdown(view)
    rows = [line for line in told.splitlines() if line.startswith("| ")]
    assert rows[1] == "| | mainline 6.12 | sketch | as posted | sketch |"
    assert any(row.startswith('| "not NUMA aware" (Hildenbrand) | V5.') for row in rows)
    assert any(
        row.endswith("`promise_is_kept` | violated after 5 steps |") for row in rows
    )
    assert any("n/a: no failed" in row for row in rows)
    assert "5. touch(v1, 0) -> SIGBUS" in told
    assert told.count("```") % 2 == 0


def test_the_command(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(
        review, "shipped_specs", lambda: ("specs/hugetlb/hugetlb_cpuset.spec",)
    )
    monkeypatch.setattr(review, "scenario_cells", lambda *_: [])
    out = tmp_path / "review.html"
    call = ["review", "--engine", "explicit", "--html", str(out)]
    assert main([*call, "--markdown"]) == 0
    assert capsys.readouterr().out.startswith("# Review\n")
    assert '<svg role="img"' in out.read_text()
    assert main(call) == 0
    assert "# Review" not in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium: apt-get install chromium")
@pytest.mark.skipif(
    resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY,
    reason="Chromium reserves more address space than `ulimit -v` allows",
)
@pytest.mark.parametrize("wide", [390, 1280])
def test_in_a_browser(tmp_path: Path, text: str, wide: int) -> None:
    """The page loads, says nothing on its console, is not wider than the window,
    each run has pictures that take up room, and a filter hides rows."""
    probe = """<script>
    addEventListener('load', () => {
      const empty = [...document.querySelectorAll('svg')].filter(
        s => s.getBoundingClientRect().height < 20);
      const bare = [...document.querySelectorAll('article.trace')].filter(
        a => !a.querySelector('svg rect'));
      const spill = [...document.querySelectorAll('svg')].filter(s => {
        const b = s.getBBox(), v = s.viewBox.baseVal;
        return b.x < 0 || b.x + b.width > v.width || b.y + b.height > v.height; });
      const shown = () => [...document.querySelectorAll('#answers tbody tr')].filter(
        r => r.getBoundingClientRect().height > 0).length;
      const all = shown();
      const inks = new Set([...document.querySelectorAll('tr.v0 td+td')].map(
        d => getComputedStyle(d).color));
      const good = getComputedStyle(document.querySelector('tr.v3 td+td')).color;
      document.getElementById('d0').checked = true;
      const one = shown();
      document.getElementById('v0').checked = true;
      const some = shown(), page = document.documentElement;
      document.body.setAttribute('data-probe',
        `empty ${empty.length} bare ${bare.length} spill ${spill.length} ` +
        `red ${inks.size == 1 && !inks.has(good)} ` +
        `filter ${0 < some && some < one && one < all} wide ${page.scrollWidth > innerWidth}`);
    });</script>"""
    page = tmp_path / "review.html"
    page.write_text(text.replace("</body>", probe + "</body>"))
    assert CHROMIUM is not None
    ran = subprocess.run(
        [
            CHROMIUM,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--dump-dom",
            f"--window-size={wide},900",
            "--enable-logging=stderr",
            f"--user-data-dir={tmp_path / 'profile'}",
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (
        'data-probe="empty 0 bare 0 spill 0 red true filter true wide false"'
        in ran.stdout
    ), ran.stdout[-300:]
    assert "CONSOLE" not in ran.stderr
