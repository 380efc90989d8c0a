# SPDX-License-Identifier: GPL-2.0-only
"""Small patches for tests."""

from __future__ import annotations

import difflib


def diff(before: str, after: str, path: str = "mm/pool.c") -> str:
    """Return what `diff -u` prints, without names of functions."""
    lines = difflib.unified_diff(
        before.splitlines(keepends=True),
        after.splitlines(keepends=True),
        f"a/{path}",
        f"b/{path}",
    )
    return f"diff --git a/{path} b/{path}\n" + "".join(lines)


def mail(subject: str, body: str, headers: str = "") -> str:
    """Return a mail as an mbox has it."""
    return (
        "From 0123456789 Mon Sep 17 00:00:00 2001\n"
        f"From: A Developer <a@example.org>\nSubject: {subject}\n"
        f"Date: Thu, 1 Jan 2026 00:00:00 +0000\n{headers}\n{body}\n"
    )


def outline(path: str, *hunks: tuple[int, str, int, int]) -> str:
    """Return a diff with the places of a patch and none of its text: each hunk has
    its first line, the function in its header, and how many lines it adds and
    removes, between two lines of context."""
    text = f"diff --git a/{path} b/{path}\n--- a/{path}\n+++ b/{path}\n"
    shift = 0
    for first, function, added, removed in hunks:
        text += (
            f"@@ -{first},{4 + removed} +{first + shift},{4 + added} @@ {function}\n"
            + " \tcontext();\n" * 2
            + "-\tremoved();\n" * removed
            + "+\tadded();\n" * added
            + " \tcontext();\n" * 2
        )
        shift += added - removed
    return text
