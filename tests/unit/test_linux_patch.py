# SPDX-License-Identifier: GPL-2.0-only
"""Patches as they come: diffs, mails, threads; and those that are refused."""

from __future__ import annotations

import base64
import quopri

import pytest

from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.linux.patch import read_patches
from tests.common.diffs import diff, mail

BEFORE = "int f(void)\n{\n\treturn 1;\n}\n"
AFTER = "int f(void)\n{\n\treturn 2;\n}\n"
DIFF = diff(BEFORE, AFTER)
RENAME = (
    "diff --git a/mm/a.c b/mm/b.c\nsimilarity index 100%\n"
    "rename from mm/a.c\nrename to mm/b.c\n"
)
BINARY = "diff --git a/x.png b/x.png\nBinary files a/x.png and b/x.png differ\n"


def subjects(text: str) -> list[str]:
    return [p.subject for p in read_patches(text.encode(), "x")]


def test_a_bare_diff() -> None:
    (patch,) = read_patches(DIFF.encode(), "x")
    (file,) = patch.files
    (hunk,) = file.hunks
    assert (patch.subject, file.path) == ("", "mm/pool.c")
    assert [s + t for s, t in hunk.lines if s != " "] == [
        "-\treturn 1;",
        "+\treturn 2;",
    ]
    assert "\n".join(hunk.after()) + "\n" == AFTER


def test_a_mail_has_a_subject_and_a_signature_is_no_part_of_it() -> None:
    text = mail("[PATCH v2] mm: fix\n a pool", f"Why.\n---\n{DIFF}-- \n2.43.0\n")
    (patch,) = read_patches(text.encode(), "x")
    assert patch.subject == "mm: fix a pool"
    assert len(patch.files[0].hunks[0].lines) == 5


@pytest.mark.parametrize("coding", ["quoted-printable", "base64"])
def test_mails_are_decoded(coding: str) -> None:
    raw = f"Grüße\n---\n{DIFF}".encode()
    coded = base64.encodebytes(raw) if coding == "base64" else quopri.encodestring(raw)
    headers = (
        "Content-Type: text/plain; charset=utf-8\n"
        f"Content-Transfer-Encoding: {coding}\n"
    )
    text = mail("[PATCH] mm: fix", coded.decode(), headers)
    assert read_patches(text.encode(), "x")[0].files[0].hunks


def test_lines_that_end_as_in_mails_and_other_encodings() -> None:
    raw = DIFF.replace("\n", "\r\n").encode() + "\r\nGrüße".encode("latin-1")
    (patch,) = read_patches(raw, "x")
    assert patch.files[0].hunks[0].after()[0] == "int f(void)"


def test_a_thread_is_its_newest_patches_without_cover_and_replies() -> None:
    quoted = "".join(f"> {line}\n" for line in DIFF.splitlines())
    thread = (
        mail("[PATCH 1/1] mm: old", DIFF)
        + mail("[PATCH v3 0/2] mm: cover", " 1 file changed, 1 insertion(+)")
        + mail("[PATCH v3 1/2] mm: one", DIFF)
        + mail("Re: [PATCH v3 1/2] mm: one", quoted + "No.\n")
        + mail("[PATCH v3 2/2] mm: two", DIFF)
    )
    assert subjects(thread) == ["mm: one", "mm: two"]


def test_a_rename_with_a_change_is_read() -> None:
    text = (
        "diff --git a/mm/a.c b/mm/b.c\nsimilarity index 90%\nrename from mm/a.c\n"
        "rename to mm/b.c\n--- a/mm/a.c\n+++ b/mm/b.c\n"
        "@@ -1,3 +1,3 @@\n int f(void)\n {\n-\treturn 1;\n+\treturn 2;\n"
    )
    (file,) = read_patches(text.encode(), "x")[0].files
    assert (file.before, file.after) == ("mm/a.c", "mm/b.c")


SHORT = DIFF[: DIFF.index("+\treturn")]
STAT = "---\n mm/pool.c | 4 ++--\n 1 file changed, 2 insertions(+), 2 deletions(-)\n\n"


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"", "nothing in it"),
        (b" \n\n", "nothing in it"),
        (b"a letter\n", "no diff in it"),
        (b"\x1f\x8b\x08\x00", "a binary file"),
        (DIFF.encode("utf-16"), "UTF-16"),
        (SHORT.encode(), "cut off, or its lines were broken: mm/pool.c, @@ -1,4 +1,4"),
        (DIFF.replace("\treturn 2;", "\nreturn 2;").encode(), "cut off"),
        (mail("[PATCH] mm: fix", STAT + DIFF).encode(), "diffstat counts 2 lines"),
        (BINARY.encode(), "binary files only (x.png)"),
        (RENAME.encode(), "renames files only (mm/a.c to mm/b.c)"),
    ],
)
def test_a_bad_patch_is_one_clear_line(raw: bytes, says: str) -> None:
    with pytest.raises(UserError) as error:
        read_patches(raw, "fix.patch")
    message = str(error.value)
    assert says in message
    assert message.startswith("fix.patch: ")
    assert "\n" not in message


def test_binary_files_and_renames_beside_code_are_passed_over() -> None:
    (patch,) = read_patches((BINARY + RENAME + DIFF).encode(), "x")
    assert [f.path for f in patch.files if f.hunks] == ["mm/pool.c"]
