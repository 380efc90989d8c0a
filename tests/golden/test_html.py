# SPDX-License-Identifier: GPL-2.0-only
"""The review as a page and as Markdown; in a browser where there is one."""

from __future__ import annotations

import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from poolproof.checker.commands import review
from poolproof.checker.commands.main import main
from poolproof.checker.core.verdict import Budget, Silent
from poolproof.checker.driver.check import CheckResult, Request, prepare, run
from poolproof.checker.driver.review import SCENARIOS, LeastPools
from poolproof.checker.driver.size import AtSize, Sized
from poolproof.checker.reports import html
from poolproof.checker.reports.markdown import markdown
from poolproof.checker.spec import parse
from poolproof.model.designs.hugetlb.linux_6_12 import Hugetlb

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
VOID = {"meta", "link", "br", "rect", "input"}


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
def sizes() -> LeastPools:
    spec = parse(SCENARIOS)
    found = {("cma", "GlobalPool"): Sized("blocks", (AtSize(3, 5), AtSize(4, 5)))}
    return LeastPools(spec, found)


@pytest.fixture(scope="module")
def text(done: list[CheckResult], sizes: LeastPools) -> str:
    return html.page(done, {Hugetlb: "9 of 10 killed, 90 %"}, sizes)


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


def test_changes_have_a_frame_and_are_told(text: str) -> None:
    assert 'class="new"' in text
    assert "h.resv_huge_pages 0 becomes 1" in text
    assert "In the strips: " in text


def test_cells_and_what_they_rest_on(text: str) -> None:
    assert "n/a: no failed" in text
    assert "mutants: 9 of 10 killed, 90 %" in text
    assert "all reachable states visited<br>results never seen: " in text
    assert "<td>3</td>" in text
    assert "verified" not in text.lower()


def test_the_same_again(done: list[CheckResult], sizes: LeastPools, text: str) -> None:
    assert html.page(done, {Hugetlb: "9 of 10 killed, 90 %"}, sizes) == text


def test_markdown(done: list[CheckResult], sizes: LeastPools) -> None:
    told = markdown(done, {}, sizes)
    rows = [line for line in told.splitlines() if line.startswith("| ")]
    assert "| `promise_is_kept` | violated after 5 steps |" in rows
    assert any("n/a: no failed" in row for row in rows)
    assert "| `cma` | 3 |" in rows
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
    out = tmp_path / "review.html"
    call = ["review", "--engine", "explicit", "--html", str(out)]
    assert main([*call, "--markdown"]) == 0
    assert capsys.readouterr().out.startswith("# Review\n")
    assert '<svg role="img"' in out.read_text()
    assert main(call) == 0
    assert "# Review" not in capsys.readouterr().out


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium: apt-get install chromium")
def test_in_a_browser(tmp_path: Path, text: str) -> None:
    """The page loads, says nothing on its console, and each run has pictures
    that take up room."""
    probe = """<script>
    addEventListener('load', () => {
      const empty = [...document.querySelectorAll('svg')].filter(
        s => s.getBoundingClientRect().height < 20);
      const bare = [...document.querySelectorAll('article.trace')].filter(
        a => !a.querySelector('svg rect'));
      const spill = [...document.querySelectorAll('svg')].filter(s => {
        const b = s.getBBox(), v = s.viewBox.baseVal;
        return b.x < 0 || b.x + b.width > v.width || b.y + b.height > v.height; });
      document.body.setAttribute('data-probe',
        `empty ${empty.length} bare ${bare.length} spill ${spill.length}`);
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
            "--enable-logging=stderr",
            f"--user-data-dir={tmp_path / 'profile'}",
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert 'data-probe="empty 0 bare 0 spill 0"' in ran.stdout, ran.stdout[-300:]
    assert "CONSOLE" not in ran.stderr
