# SPDX-License-Identifier: GPL-2.0-only
"""What the package needs: ranges, and the exact set that make installs."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def pinned() -> dict[str, Version]:
    """The exact version of each package in constraints.txt."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    found = [Requirement(line) for line in lines if not line.startswith("#")]
    assert all(str(r.specifier).startswith("==") for r in found)
    return {r.name.lower(): Version(str(r.specifier)[2:]) for r in found}


def test_the_exact_set_is_within_the_ranges() -> None:
    extras = PROJECT["optional-dependencies"].values()
    wanted = [*PROJECT["dependencies"], *(text for some in extras for text in some)]
    exact = pinned()
    for requirement in map(Requirement, wanted):
        assert exact[requirement.name.lower()] in requirement.specifier
        assert ">=" in str(requirement.specifier)


def test_a_library_has_an_upper_bound() -> None:
    for requirement in map(Requirement, PROJECT["dependencies"]):
        assert "<" in str(requirement.specifier).replace("<=", "")


def test_make_installs_the_exact_set() -> None:
    makefile = (ROOT / "Makefile").read_text()
    installs = [line for line in makefile.splitlines() if "pip install" in line]
    assert len(installs) > 0
    assert all("-c constraints.txt" in line for line in installs)


SOURCES = ("py", "c", "h", "cpp", "in", "lark", "spec", "scenario", "toml", "tla")
FOLDERS = ("bench", "checker", "model", "specs", "tests")
FIXTURES = re.compile(r"tests/golden/(\w+_errors|cli)/")
"""Inputs with their messages: a line more would be another input."""


def test_each_source_file_says_its_licence() -> None:
    line = f"SPDX-License-Identifier: {PROJECT['license']}"
    files = [p for folder in FOLDERS for p in (ROOT / folder).rglob("*.*")]
    mine = [
        p
        for p in files
        if p.suffix[1:] in SOURCES and not FIXTURES.match(str(p.relative_to(ROOT)))
    ]
    assert len(mine) > 400
    without = [str(p) for p in mine if line not in p.read_text()[:200]]
    assert without == []
