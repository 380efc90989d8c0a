# SPDX-License-Identifier: GPL-2.0-only
"""A review is the same from one process, from two, and from the cache."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from poolproof.checker.commands.main import main
from poolproof.checker.engines import registry

pytestmark = pytest.mark.slow
ONE = ("review", "--design", "Thp", "--all")


def printed(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    assert main([*ONE, *argv]) == 0
    out, err = capsys.readouterr()
    assert not err
    return out


def test_however_it_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    alone = printed(capsys, "--jobs", "1")
    assert re.search(r"^(\d+) properties, \1 as expected$", alone, re.MULTILINE)
    assert printed(capsys, "--jobs", "2") == alone
    monkeypatch.delenv("POOLPROOF_NO_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert printed(capsys, "--jobs", "2") == alone

    def searched(*_: object) -> None:
        raise AssertionError("this is in the cache")

    monkeypatch.setattr(registry, "ask", searched)
    assert printed(capsys, "--jobs", "1") == alone
