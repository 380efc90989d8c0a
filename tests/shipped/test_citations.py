# SPDX-License-Identifier: GPL-2.0-only
"""Every kernel function that a design cites exists in the release it names."""

from __future__ import annotations

from collections.abc import Iterable

from poolproof.checker.driver.citations import Citation, all_citations, citations
from poolproof.checker.driver.drift import USUAL, release_named
from poolproof.checker.linux.anchors import FILE as ANCHORS
from poolproof.checker.linux.anchors import anchors_text, stored_anchors
from poolproof.model.language import Design, Int, action, var

UNSTORED = {"7.0"}
"""Releases that designs name and whose source was not to be had. Their functions
exist in some stored version."""

RENEW = "poolproof anchors --tree DIR --store, with a tree of each stored release"


def dead(some: Iterable[Citation]) -> list[str]:
    """The citations of functions that do not exist."""
    anchors, found = stored_anchors(), []
    for c in some:
        release = release_named(c) or USUAL
        version = anchors.version(release)
        known = anchors.digests.get(c.name, {})
        there = version in known or (release in UNSTORED and bool(known))
        if c.written and not there and c.name not in anchors.proposed:
            found.append(f"{c.span}: {c.name} is not in {release}")
    return found


def test_each_cited_function_exists_in_the_release_that_is_named() -> None:
    assert dead(all_citations()) == [], RENEW


def test_the_designs_name_no_other_release_without_source() -> None:
    anchors = stored_anchors()
    named = {r for c in all_citations() if (r := release_named(c))}
    assert {r for r in named if anchors.version(r) is None} <= UNSTORED


class Wrong(Design):
    """As in v6.1."""

    level = var(Int(0, 1))

    @action(kernel="mm/hugetlb.c:no_such_function")
    def nothing(self) -> None:
        """mm/hugetlb.c:region_chg, which v7.2 has too."""

    @action(kernel="mm/vma.c:__mmap_region")
    def too_new(self) -> None:
        self.level = 1


def test_a_citation_of_nothing_is_found() -> None:
    assert [text.partition(": ")[2] for text in dead(citations(Wrong))] == [
        "mm/hugetlb.c:no_such_function is not in 7.2",
        "mm/vma.c:__mmap_region is not in 6.1",
    ]


def test_proposed_functions_are_cited_and_in_no_stored_version() -> None:
    anchors, cited = stored_anchors(), {c.name for c in all_citations()}
    assert {*anchors.proposed} <= cited
    assert not {*anchors.proposed} & {*anchors.digests}


def test_most_of_what_is_cited_is_stored_for_several_versions() -> None:
    """Else drift would have nothing to compare."""
    anchors = stored_anchors()
    assert {"6.1", "6.12"} <= {v.rpartition(".")[0] for v in anchors.versions}
    both = [d for d in anchors.digests.values() if len(d) > 1]
    assert len(both) > 200
    assert any(len(set(d.values())) > 1 for d in both)


def test_the_file_is_as_it_is_written() -> None:
    assert ANCHORS.read_text(encoding="utf-8") == anchors_text(stored_anchors())
