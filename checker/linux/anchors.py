# SPDX-License-Identifier: GPL-2.0-only
"""The stored digests of kernel functions: anchors.toml, and what is done with it.

The file has no text of the kernel. For each function that designs cite it has a
digest (see `functions`) and the line where the name stands, for each release that
was looked at, and "-" where there is no such function. Functions of patches that
are not merged are listed with the mail that has them.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from poolproof.checker.core.remembered import Remembered
from poolproof.checker.linux.functions import CFunction, functions
from poolproof.checker.linux.tree import Tree, version_of

FILE = Path(__file__).with_name("anchors.toml")

ABSENT = "-"


@dataclass(frozen=True)
class Anchors:
    """Digests, and numbers of lines, by ``file:function`` and version
    (``6.12.117``), oldest version first; and the mails of proposed functions."""

    versions: tuple[str, ...]
    digests: Mapping[str, Mapping[str, str]]
    lines: Mapping[str, Mapping[str, int]]
    proposed: Mapping[str, str]

    def version(self, release: str) -> str | None:
        """Return the stored version of a release like ``6.12``."""
        wanted = release.split(".")[:2]
        return next((v for v in self.versions if v.split(".")[:2] == wanted), None)

    def has(self, name: str, version: str) -> bool:
        return version in self.digests.get(name, {})

    def versions_with(self, name: str, digest: str) -> tuple[str, ...]:
        """Return the versions in which the function is the same."""
        return tuple(v for v, d in self.digests.get(name, {}).items() if d == digest)


@cache
def stored_anchors() -> Anchors:
    """Return what anchors.toml says."""
    read = tomllib.loads(FILE.read_text(encoding="utf-8"))
    versions = tuple(read["versions"])
    rows = {
        name: {
            version: entry.split("@")
            for version, entry in zip(versions, row.split(), strict=True)
            if entry != ABSENT
        }
        for name, row in read["functions"].items()
    }
    return Anchors(
        versions,
        {n: {v: entry[0] for v, entry in row.items()} for n, row in rows.items()},
        {n: {v: int(entry[1]) for v, entry in row.items()} for n, row in rows.items()},
        read["proposed"],
    )


def anchored(old: Anchors, tree: Tree, names: Iterable[str]) -> Anchors:
    """Return the anchors with the tree's version in place of that of the same
    release, for these functions; one that is found nowhere is left out."""
    version, source = version_of(tree), Source(tree)
    kept = [v for v in old.versions if v.split(".")[:2] != version.split(".")[:2]]
    digests: dict[str, dict[str, str]] = {}
    lines: dict[str, dict[str, int]] = {}
    for name in sorted({*names, *old.digests}):
        found = {v: d for v, d in old.digests.get(name, {}).items() if v in kept}
        where = {v: old.lines[name][v] for v in found}
        if some := source.definitions(name):
            found[version] = source.digest(name)
            where[version] = some[0].line
        if found:
            digests[name], lines[name] = found, where
    versions = tuple(sorted([*kept, version], key=_number))
    return Anchors(versions, digests, lines, old.proposed)


def _number(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def anchors_text(anchors: Anchors) -> str:
    """Return what anchors.toml is to be."""
    versions = ", ".join(f'"{v}"' for v in anchors.versions)
    lines = [
        "# SPDX-License-Identifier: GPL-2.0-only",
        "# Digests of the kernel functions that designs cite, and their lines.",
        "# Written by `poolproof anchors --tree DIR --store`; see anchors.py.",
        f"versions = [{versions}]",
        "",
        "[functions]",
    ]
    for name, found in anchors.digests.items():
        row = (
            f"{found[v]}@{anchors.lines[name][v]}" if v in found else ABSENT
            for v in anchors.versions
        )
        lines.append(f'"{name}" = "{" ".join(row)}"')
    lines += ["", "# Functions of patches that are not merged.", "[proposed]"]
    lines += [f'"{name}" = "{mail}"' for name, mail in anchors.proposed.items()]
    return "\n".join(lines) + "\n"


# --- a tree ---------------------------------------------------------------

_WRAPPED = "_noprof"
"""The end of the name of what a macro of the same name wraps since 6.10."""


class Source:
    """The functions of a tree; each file is read once."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self._files = Remembered(self._file)

    def definitions(self, name: str) -> tuple[CFunction, ...]:
        """Return the definitions of ``file:function``."""
        file, _, function = name.partition(":")
        _, found = self._files[file]
        for wanted in (function, function + _WRAPPED):
            if some := tuple(f for f in found if f.name == wanted):
                return some
        return ()

    def digest(self, name: str) -> str:
        """Return a digest of all definitions, "" if there is none."""
        return "+".join(f.digest for f in self.definitions(name))

    def text(self, name: str) -> list[str]:
        """Return the lines of the definitions."""
        text, _ = self._files[name.partition(":")[0]]
        lines = text.split("\n")
        return [x for f in self.definitions(name) for x in lines[f.first - 1 : f.last]]

    def _file(self, path: str) -> tuple[str, tuple[CFunction, ...]]:
        text = self.tree.read(path) or ""
        return text, functions(text)
