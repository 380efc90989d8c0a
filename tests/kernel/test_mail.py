# SPDX-License-Identifier: GPL-2.0-only
"""A run as a mail: what is in it, and that it can be sent as it is."""

from __future__ import annotations

import email
import email.policy
import mailbox
from email.message import EmailMessage
from pathlib import Path

import pytest

from poolproof.checker.commands.main import main

TRACES = Path(__file__).parents[2] / "counterexamples"
HUGETLB = str(TRACES / "Hugetlb/hugetlb_mempolicy.promise_is_kept.trace")
OTHER = str(TRACES / "Vmas/vma_accounting.failed_in_part.trace")

POOL = '''
from poolproof.model.language import Design, Int, action, require, var


class Pool(Design):
    """A pool. Left out: everything else."""

    level = var(Int(0, 3))

    @action(kernel="mm/hugetlb.c:region_chg")
    def fill(self):
        require(self.level < 3)
        self.level += 1
'''
SPEC = """
spec "a pool"
for Pool
invariant low "it is never full": level < 3
reachable one "one is in it": level == 1
"""


def trace(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["trace", *arguments]) == 0
    out = capsys.readouterr().out
    assert all(len(line) <= 75 for line in text_of(out).splitlines())
    return out


def read(text: str) -> EmailMessage:
    message = email.message_from_string(text, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    assert not message.defects
    return message


def text_of(out: str) -> str:
    if not out.startswith("Subject: "):
        return out
    body = read(out).get_body()
    assert isinstance(body, EmailMessage)
    content = body.get_content()
    assert isinstance(content, str)
    return content


def test_a_bug_report_of_hugetlb(capsys: pytest.CaptureFixture[str]) -> None:
    """By hand: two pages, one on each node, both promised; the second task is bound
    to the node whose page is in use. hugetlb_fault stands at line 6362 of 6.12.117."""
    out = trace(capsys, HUGETLB, "--mail", "--ran", "6.12.117")
    assert read(out)["Subject"] == (
        "Hugetlb: violated: a fault on a promised page succeeds"
    )
    text = " ".join(text_of(out).split())
    for part in (
        "this is not so after 5 calls, the last of which is touch(v1, 0) -> SIGBUS.",
        "4. process 1: bind_task(MPOL_BIND, 1) -> OK",
        "5. process 1: *(volatile long *)PAGE(0) = 1 -> SIGBUS",
        "HugePages_Free 2 1 1 HugePages_Rsvd 0 1 1 node0 free 1 0 0",
        "touch hugetlb_fault(), mm/hugetlb.c:6362, 6.12.117",
        "result is SIGBUS",
        "At the end:",
        "the same on Hugetlb61 (Linux 6.1)",
        "Seen with the C program on 6.12.117.",
        "assumed: munmap and exit go VMA by VMA",
        "OOM kills in a memcg",
    ):
        assert part in text


def test_the_c_program_is_attached(capsys: pytest.CaptureFixture[str]) -> None:
    (attached,) = read(trace(capsys, HUGETLB, "--mail")).iter_attachments()
    assert attached.get_filename() == "promise_is_kept.c"
    assert main(["trace", HUGETLB, "--c"]) == 0
    assert attached.get_content() == capsys.readouterr().out


def test_a_design_without_system_calls_says_so(
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = trace(capsys, OTHER, "--mail")
    assert list(read(out).iter_attachments()) == []
    text = " ".join(text_of(out).split())
    assert "There is no C program: Vmas has no mapping to system calls" in text
    assert "mm.map_count[t0] 0 1 1" in text
    assert "__mmap_region(), mm/vma.c:2757, 7.2.13" in text


def test_a_quote_is_the_beginning_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    quoted = trace(capsys, HUGETLB, "--quote")
    assert text_of(trace(capsys, HUGETLB, "--mail")).startswith(quoted.rstrip("\n"))
    assert "At the end" not in quoted
    assert "mm/hugetlb.c:6362" in quoted


def test_check_mails_what_nobody_expected(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    design, spec, box = (tmp_path / n for n in ("pool.py", "pool.spec", "box"))
    design.write_text(POOL)
    spec.write_text(SPEC)
    asked = ["check", str(spec), "--design", str(design), "--engine", "explicit"]
    assert main([*asked, "--mail", "-o", str(box)]) == 1
    assert capsys.readouterr().out == ""
    (message,) = mailbox.mbox(box)
    assert message["Subject"] == "Pool: violated: it is never full"
    text = " ".join(str(message.get_payload()).split())
    assert "after 3 calls, the last of which is fill()." in text
    assert "region_chg(), mm/hugetlb.c:" in text
    assert "level 0 2 3" in text
    spec.write_text(SPEC.replace("level < 3", "level < 4"))
    assert main([*asked, "--mail"]) == 0
    assert capsys.readouterr().out == ""


def test_a_run_that_does_not_end_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    out = trace(capsys, str(TRACES / "GlobalPool/liveness.e7_limbo.trace"), "--quote")
    said = "this is not so where nothing happens any more after 4 calls, evict(f0)."
    assert said in " ".join(out.split())
