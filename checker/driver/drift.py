# SPDX-License-Identifier: GPL-2.0-only
"""Whether the functions that designs cite are still what the designs were
written after."""

from __future__ import annotations

import difflib
import inspect
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from poolproof.checker.driver.citations import Citation
from poolproof.checker.linux.anchors import Anchors, Source

RELEASE = re.compile(r"\b(?:v|Linux )(\d+\.\d+)\b")

USUAL = "6.12"
"""The release that a citation means where no docstring names one."""


def release_named(citation: Citation) -> str | None:
    """Return the release that the docstring of the citing method names, that of
    its class, of its module, or of a package that has this; else None."""
    for text in _docstrings(citation):
        if found := RELEASE.search(text):
            return found[1]
    return None


def _docstrings(citation: Citation) -> Iterator[str]:
    if citation.method is not None:
        yield citation.method.__doc__ or ""
    yield inspect.cleandoc(citation.owner.__doc__ or "")
    name = citation.owner.__module__
    while name:
        module = sys.modules.get(name)
        yield (module.__doc__ or "") if module else ""
        name = name.rpartition(".")[0]


def version_meant(citation: Citation, anchors: Anchors) -> str | None:
    """Return the stored version that the citation means: of the release that is
    named, if it has such a function; else of the usual release, or the newest that
    has one. None: no stored version has one."""
    releases = [release_named(citation), USUAL]
    wanted = [anchors.version(r) for r in releases if r]
    for version in (*wanted, *reversed(anchors.versions)):
        if version is not None and anchors.has(citation.name, version):
            return version
    return None


@dataclass(frozen=True)
class Drift:
    """A cited function that a tree has otherwise than the cited version. ``gone``:
    it has none of that name in the file; ``like`` are the stored versions that it
    is as in."""

    name: str
    version: str
    gone: bool
    like: tuple[str, ...]
    citations: tuple[Citation, ...]


@dataclass(frozen=True)
class DriftCount:
    """The number of cited functions that are as in the version that is cited, and those
    that are not."""

    same: int
    drifted: tuple[Drift, ...]


def compared(
    source: Source, citations: Sequence[Citation], anchors: Anchors
) -> DriftCount:
    """Return how the tree's functions stand to the stored ones."""
    meant: dict[tuple[str, str], list[Citation]] = {}
    for c in citations:
        version = version_meant(c, anchors)
        if version is not None:
            meant.setdefault((c.name, version), []).append(c)
    drifted = []
    for (name, version), some in sorted(meant.items()):
        digest = source.digest(name)
        if digest != anchors.digests[name][version]:
            like = anchors.versions_with(name, digest)
            drifted.append(Drift(name, version, not digest, like, tuple(some)))
    return DriftCount(len(meant) - len(drifted), tuple(drifted))


def difference(name: str, old: Source, new: Source) -> list[str]:
    """Return the lines of a unified diff of the function, without file names."""
    lines = difflib.unified_diff(old.text(name), new.text(name), lineterm="", n=3)
    return list(lines)[2:]
