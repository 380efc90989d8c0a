# SPDX-License-Identifier: GPL-2.0-only
"""What the grammar refuses, and what to write instead.

The message is that of the first row of `REFUSALS` that fits the place. Every row
has an example, and tests/golden/test_spec_errors.py checks that each example gets
its own row.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.user_file import place
from poolproof.checker.spec.grammar import AGGREGATES, reserved, soft, terminals
from poolproof.model.language import nearest_name


@dataclass(frozen=True)
class Refusal:
    """One way to be wrong, and what to write instead.

    ``found`` must match all of the operator or word where reading stopped
    (empty: the end of the file), ``after`` the end of the text before it, and
    reading could have gone on with each of the terminals ``wanted`` (with
    ``only``: with nothing else). In the message, {found} is that text, {near}
    the nearest word that could stand there (a row that uses it needs one),
    {needed} a list of what could.
    """

    message: str
    example: str
    found: str = r"[\s\S]*"
    after: str = ""
    wanted: tuple[str, ...] = ()
    only: bool = False


_RESERVED = "<reserved>"
"""In ``found``: any keyword that is no name."""

_AGGREGATE = rf"\b({AGGREGATES})"
_ITEMS = (
    r"let|invariant|step|reachable|eventually|leadsto|scenario|expect|spec|for|bounds"
    r"|source"
)
_KINDS = "invariant|step|reachable|eventually|leadsto"

REFUSALS: tuple[Refusal, ...] = (
    # the head
    Refusal(
        'a spec starts with `spec "title"`',
        "invariant a: true",
        wanted=("SPEC",),
    ),
    Refusal(
        'this string has no end: close it with " on the same line',
        'spec "hugetlb',
        found=r'"(?!"")[^"]*',
    ),
    Refusal(
        'this text has no end: close it with """',
        'spec "s" """What it promises.',
        found=r'"""[\s\S]*',
    ),
    Refusal(
        'text is written in double quotes: "..."',
        "spec hugetlb",
        wanted=("STRING",),
        found=r"'.*|[A-Za-z].*",
        after=r"\b(spec|source)",
    ),
    Refusal(
        "text is written in double quotes, not in single ones",
        "spec \"s\" invariant a 'I1': true",
        found=r"'",
        wanted=("STRING",),
    ),
    Refusal(
        "`{found}` belongs to the head: above the first let, invariant, step "
        "or reachable",
        'spec "s" let x = 1 bounds V = 2',
        found="for|bounds",
        wanted=("LET",),
    ),
    Refusal(
        "a bound is a size: a whole number, not below 0",
        'spec "s" bounds V = -1',
        found=r"-.*",
        after="=",
        wanted=("INT", "AMOUNT"),
        only=True,
    ),
    Refusal(
        "a bound is set to a number, as in `bounds V = 2`",
        'spec "s" bounds V = many',
        after="=",
        wanted=("INT", "AMOUNT"),
        only=True,
    ),
    Refusal(
        "a page has a size with its unit: `pages of 2 MiB`, `pages of 1 GiB`",
        'spec "s" pages of 1 GB bounds P = 2',
        after=r"\bof",
        wanted=("AMOUNT",),
        only=True,
    ),
    Refusal(
        "`{found}` is not a number: write whole decimal ones, like 0 or 24",
        'spec "s" invariant a: resv < 0x10',
        found=r"[0-9].+",
    ),
    # items
    Refusal(
        "an invariant always holds: write `invariant name: formula`",
        'spec "s" always a: true',
        found="always",
        wanted=("LET",),
    ),
    Refusal(
        "write what must follow as `leadsto name: p leads to q` or "
        "`eventually name: q`",
        'spec "s" leads a: true leads to false',
        found="leads|until|finally|liveness|response",
        wanted=("LET",),
    ),
    Refusal(
        "a `leadsto` property says `p leads to q`: the second half is missing",
        'spec "s" leadsto a: resv > 0',
        found=rf"{_ITEMS}|fair|strongly|",
        wanted=("LEADS",),
        only=True,
    ),
    Refusal(
        "`to` must follow: `p leads to q`",
        'spec "s" leadsto a: resv > 0 leads resv == 0',
        wanted=("TO",),
        only=True,
    ),
    Refusal(
        "fairness is stated in a `leadsto` or `eventually` property, after its "
        "formula: `fair recall` or `strongly fair recall`",
        'spec "s" invariant a: resv == 0 fair mmap',
        found="fair|weakly|strongly|fairness",
    ),
    Refusal(
        "a scenario is made of tasks: `task old: reserve(v0, 2) fault(v0, 0, _)`",
        'spec "s" scenario a: true',
        after=r"\bscenario\s+\w+\s*(\"[^\"]*\"\s*)?:",
    ),
    Refusal(
        "`{found}` is not allowed in a task: write calls of actions, `await`, "
        "`signal` and `repeat p in 0..3: ...`",
        'spec "s" scenario a: task old: if free == 0',
        found=r"[\w(\"'{].*",
        after=r"\btask\s+\w+\s*:",
    ),
    Refusal(
        "`{found}` is a word of the language: choose another name",
        'spec "s" invariant reachable: true',
        found=_RESERVED,
        after=rf"\b({_KINDS}|let|for|bounds|without|with|on)",
        wanted=("NAME",),
    ),
    Refusal(
        "`{found}` is unknown here (did you mean `{near}`?)",
        'spec "s" invarient a: true',
        found=r"[A-Za-z].*",
    ),
    Refusal(
        "a property has a name: `invariant resv_exact: ...`",
        'spec "s" invariant: true',
        found=":",
        after=rf"\b({_KINDS})",
    ),
    Refusal(
        "a property's name is one word; a title follows it in double quotes",
        'spec "s" invariant "the promise": true',
        found='".*',
        after=rf"\b({_KINDS})",
    ),
    Refusal(
        "a `:` is missing before the formula",
        'spec "s" invariant a resv == 0',
        found=r"[^:=]*",
        wanted=("COLON", "STRING"),
    ),
    Refusal(
        "a `:` is missing before the formula",
        'spec "s" step a "title" on mmap result == OK',
        found=r"[^:=]*",
        wanted=("COLON",),
        after=r"\"|\bon\s+\w+|\bon\s+\w+\s*\([^()]*\)",
    ),
    Refusal(
        "write `:` before a property's formula; `=` is for let",
        'spec "s" invariant a = resv == 0',
        found="=+",
        wanted=("COLON", "STRING"),
    ),
    Refusal(
        "a definition is written with one `=`: `let name = formula`",
        'spec "s" let a == 1',
        found="==",
        wanted=("EQUAL",),
    ),
    Refusal(
        "a definition is written with `=`: `let name = formula`",
        'spec "s" let a: 1',
        found=":|:=",
        wanted=("EQUAL",),
        after=r"\blet\s+[\w.]+(\s*\([^()]*\))?",
    ),
    Refusal(
        "`expect` says one of: holds, violated [at N], reachable [at N], "
        "unreachable, vacuous, unknown",
        'spec "s" invariant a: true expect success',
        wanted=("HOLDS", "REACHABLE"),
    ),
    Refusal(
        "`at` takes the number of steps, as in `violated at 5`",
        'spec "s" invariant a: true expect violated at depth',
        after=r"\bat",
        wanted=("INT",),
        only=True,
    ),
    Refusal(
        "this property has no formula: write it before `expect`",
        'spec "s" invariant a: expect holds',
        found=rf"{_ITEMS}|",
        after=r":|\"",
        wanted=("NAME", "LPAR", "SOURCE"),
    ),
    # operators of other languages
    Refusal(
        "a comment starts with `#`",
        'spec "s" // the promise',
        found=r"//.*|/\*.*",
        wanted=("LET",),
    ),
    Refusal(
        "a comment starts with `#`; `//` divides",
        'spec "s" invariant a: resv == 0 // nothing promised',
        found=r"\w+",
        after=r"//[ \t]*[A-Za-z]\w*",
    ),
    Refusal(
        "write `and` for `{found}`",
        'spec "s" invariant a: resv == 0 && free == 0',
        found="&&|/\\\\",
    ),
    Refusal(
        "write `or` for `{found}`",
        'spec "s" invariant a: resv == 0 || free == 0',
        found=r"\|\||\\/",
    ),
    Refusal(
        "write `implies` for `{found}`",
        'spec "s" invariant a: resv == 0 => free == 0',
        found=r"-+>|=+>",
    ),
    Refusal(
        "write `iff` for `{found}`",
        'spec "s" invariant a: resv == 0 <=> free == 0',
        found=r"<[-=]+>",
    ),
    Refusal(
        "write `not` for `!`",
        'spec "s" invariant a: !sigbus',
        found=r"[^!]*![^=]*",
    ),
    Refusal(
        "`=` defines; to compare write `==`",
        'spec "s" invariant a: resv = 0',
        found=r"=|=[^=>].*|===+|:=",
        wanted=("AND",),
    ),
    Refusal(
        "write `//`: division is of whole numbers, and rounds down",
        'spec "s" invariant a: resv / 2 == 0',
        found="/",
    ),
    Refusal(
        "there are no powers: write the product out",
        'spec "s" invariant a: resv ** 2 == 0',
        found=r"\*\*",
    ),
    Refusal(
        "no `;` is needed: the next keyword starts the next item",
        'spec "s" invariant a: true;',
        found=r";+",
    ),
    Refusal(
        "write `==` or `!=` for `is`",
        'spec "s" invariant a: x is none',
        found="is",
        wanted=("AND",),
    ),
    Refusal(
        "write `c implies a`, or `a if c else b`",
        'spec "s" invariant a: if resv == 0 then free == 0',
        found="if",
        wanted=("NAME", "LPAR"),
    ),
    Refusal(
        "an `if` has an `else`: `a if c else b`; or write `c implies a`",
        'spec "s" invariant a: resv == 0 if free == 0',
        wanted=("ELSE",),
        found=rf"{_ITEMS}||\)|then",
    ),
    Refusal(
        "the prime comes right after the name: `free'[n]`",
        'spec "s" step a: free[n]\' == 0',
        found="'",
    ),
    Refusal(
        "write `all(v in VMAS: ...)`, with parentheses",
        'spec "s" invariant a: all v in VMAS: live[v]',
        found=r"\w+",
        after=rf"\b({AGGREGATES}|forall|exists)",
        wanted=("AND",),
    ),
    Refusal(
        "the binders come first: `sum(n in NODES: free[n])`",
        'spec "s" invariant a: sum(free[n] for n in NODES) == 0',
        after=_AGGREGATE + r"\s*\(\s*[\w.]*'?",
    ),
    Refusal(
        "a `:` and what is aggregated are missing: `{aggregate}(n in NODES: ...)`",
        'spec "s" invariant a: sum(n in NODES) == 0',
        found=r"\)",
        wanted=("COLON", "COMMA", "_DOTS"),
    ),
    # structure
    Refusal(
        "a formula stops here, unfinished, before `{found}`",
        'spec "s" invariant a: resv == 0 and let b = 1',
        found=rf"{_ITEMS}|[)\]}},:]",
        wanted=("NAME", "LPAR"),
    ),
    Refusal(
        "the file ends in the middle of a formula",
        'spec "s" invariant a: resv == 0 and',
        found="",
        wanted=("NAME", "LPAR"),
    ),
    Refusal(
        "a `(` is not closed before this",
        'spec "s" invariant a: (resv == 0 invariant b: true',
        found=rf"{_ITEMS}|:|",
        wanted=("RPAR",),
    ),
    Refusal(
        "a `[` is not closed before this",
        'spec "s" invariant a: free[n == 0 invariant b: true',
        found=rf"{_ITEMS}|:|\)|",
        wanted=("RSQB",),
    ),
    Refusal(
        "a `{{` is not closed before this",
        'spec "s" invariant a: x in {y invariant b: true',
        found=rf"{_ITEMS}|:|\)|",
        wanted=("RBRACE",),
    ),
    Refusal(
        "this `{found}` closes nothing",
        'spec "s" invariant a: resv == 0)',
        found=r"[)\]}]",
    ),
    Refusal(
        "an operator is missing before `{found}`; a property has one formula: "
        "join two with `and`",
        'spec "s" invariant a: resv == 0 free == 2',
        found=r"[\w(\"'{].*",
        wanted=("AND",),
    ),
    Refusal(
        "an operator is missing before `not`; a property has one formula: join "
        "two with `and`",
        'spec "s" invariant a: resv == 0 not sigbus',
        after=r"\bnot",
        wanted=("IN",),
        only=True,
    ),
    Refusal(
        "a second `spec`: one file is one spec",
        'spec "s" spec "t"',
        found="spec",
    ),
    Refusal(
        "the file ends too early: {needed} must follow",
        'spec "s" for',
        found="",
    ),
    Refusal(
        "`{found}` cannot stand here: {needed} can",
        'spec "s" for 3',
    ),
)

_OPERATOR = r"[&|!<>=\-~/*+^%\\@$?;]"


def refusal(text: str, file: str, at: int, wanted: Iterable[str]) -> UserError:
    """Return the error for text whose reading stopped at an offset, where it
    could have gone on with the terminals ``wanted``."""
    at, found = _found(text, at)
    wanted = frozenset(wanted)
    before = _without_comments(text[:at]).rstrip()
    near = _nearest(found, wanted)
    for row in REFUSALS:
        if (
            re.fullmatch(row.found.replace(_RESERVED, reserved()), found)
            and wanted.issuperset(row.wanted)
            and not (row.only and len(wanted) > len(row.wanted))
            and (not row.after or re.search(f"(?:{row.after})$", before))
            and (near or "{near}" not in row.message)
        ):
            opened = re.findall(_AGGREGATE + r"\s*\(", before)
            message = row.message.format(
                found=found if len(found) < 25 else found[:21] + "...",
                near=near,
                needed=_needed(wanted),
                aggregate=opened[-1] if opened else "",
            )
            return UserError(place(file, text, at), message)
    raise AssertionError("the last row fits everything")


def _found(text: str, at: int) -> tuple[int, str]:
    """Return the text at an offset: an operator with all its characters, a word, a
    number, or a string to the end of the line."""
    if at >= len(text.rstrip()):
        return len(text.rstrip()), ""
    if re.match(_OPERATOR, text[at]):
        while at and re.match(_OPERATOR, text[at - 1]):
            at -= 1
    pattern = rf'{_OPERATOR}+|:=|"""[\s\S]*|".*|[A-Za-z_][\w.]*|[0-9][\w.]*|\S'
    match = re.compile(pattern).match(text, at)
    assert match is not None
    return at, match[0]


def _without_comments(text: str) -> str:
    strings = r'"""(?:[^"]|"(?!""))*"""|"(?:[^"\\\n]|\\.)*"'
    return re.sub(rf"({strings})|#.*", lambda m: m[1] or "", text)


def _nearest(found: str, wanted: frozenset[str]) -> str:
    """The keyword that could stand here and looks most like ``found``."""
    words = (t for name, t in terminals().items() if name in wanted)
    return nearest_name(found, sorted(w for w in words if w.isalpha()), 0.75) or ""


def _needed(wanted: frozenset[str]) -> str:
    """Return what could stand here, in words."""
    texts = terminals()
    left = set(wanted)
    found: list[str] = []
    for words, group in _groups():
        if left.issuperset(group[:2]):
            found.append(words)
            left.difference_update(group)
    found += sorted(f"`{texts[t]}`" for t in left if t in texts)
    if "NAME" in left and not found:
        found.append("a name")
    return " or ".join(filter(None, (", ".join(found[:-1]), *found[-1:])))


_ARITHMETIC = ("PLUS", "MINUS", "BAR", "AMP", "STAR", "FLOOR", "PERCENT")
_AFTER_NAMES = ("LPAR", "LSQB", "PRIME")
_LOGIC = ("AND", "OR", "NOT", "IMPLIES", "IMPLY", "IFF", "IF")
_RELATIONS = ("EQ", "LT", "NE", "LE", "GE", "GT", "IN")
_LITERALS = (
    "INT",
    "AMOUNT",
    "AGGREGATE",
    "LBRACE",
    "MINUS",
    "NOT",
    "TRUE",
    "FALSE",
    "NONE",
)
_ITEM = ("LET", "INVARIANT", "STEP", "REACHABLE", "_EVENTUALLY", "LEADSTO", "SCENARIO")


def _groups() -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return words for terminals that can stand together. The first two of
    each are what tells it from the others."""
    return (
        ("a formula", ("NAME", "LPAR", *_LITERALS, *soft())),
        ("a name", ("NAME", "AT", *soft())),
        ("an operator", (*_RELATIONS, *_LOGIC, *_ARITHMETIC, *_AFTER_NAMES)),
        ("an operator", (*_ARITHMETIC, *_AFTER_NAMES)),
        ("an item", _ITEM),
        ("a number", ("INT", "AMOUNT")),
        ("a number", ("INT",)),
        ("a size with its unit", ("AMOUNT",)),
        ("text in double quotes", ("STRING",)),
        ('a """docstring"""', ("DOC",)),
        ("the end of the file", ("$END",)),
    )
