"""A spec's text to its syntax tree. The only home of lark.

What the grammar refuses is explained by `REFUSALS`: the first row that fits
the place says what to write instead. Every row has an example, and
tests/spec/test_parse.py checks that each example gets its own row.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from inspect import cleandoc
from pathlib import Path
from typing import NoReturn

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedCharacters, UnexpectedToken

from poolproof.checker.core.cache import is_own, own_folder
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.property import Kind
from poolproof.checker.core.system import Span
from poolproof.checker.spec.syntax import (
    Aggregate,
    Argument,
    Assertion,
    Await,
    Binary,
    Binder,
    Bounds,
    Call,
    Claim,
    Compare,
    Display,
    Expect,
    Expression,
    Fair,
    IfElse,
    Index,
    Invocation,
    Junction,
    Let,
    Literal,
    Measure,
    Name,
    Number,
    On,
    Program,
    Range,
    Relation,
    Repeat,
    Scenario,
    Setting,
    Signal,
    Spec,
    Stage,
    Unary,
    Word,
    start,
)
from poolproof.model.language import nearest_name

GRAMMAR = Path(__file__).with_name("grammar.lark")


def _aggregates() -> str:
    """The names of the aggregates as the grammar has them: `sum|count|...`."""
    terminal = r"^AGGREGATE\S* /\((.*?)\)"
    found = re.search(terminal, GRAMMAR.read_text(encoding="utf-8"), re.MULTILINE)
    assert found is not None
    return found[1]


_AGGREGATES = _aggregates()

TAKEN = ("result", "len", "min", "max", "unchanged", *_AGGREGATES.split("|"))
"""Names that a spec cannot give to anything of its own."""


def parse(path: str | Path) -> Spec:
    """The spec in a file. Raises UserError for whatever is no spec."""
    file = str(path)
    head = Span(file, 1, 1)
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError:
        raise UserError(head, "there is no such file") from None
    except IsADirectoryError:
        raise UserError(head, "this is a directory: name a .spec file in it") from None
    except (OSError, ValueError) as e:
        reason = getattr(e, "strerror", None) or str(e)
        raise UserError(head, f"cannot be read: {reason}") from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as e:
        before = data[: e.start].decode("utf-8-sig", "replace")
        raise UserError(_place(file, before, len(before)), _JUNK) from None
    return parse_text(text, file)


_JUNK = "this is not text: a spec is UTF-8"


def parse_text(text: str, file: str = "<spec>") -> Spec:
    """The spec that ``text`` is; ``file`` is what messages call it."""
    junk = re.search(r"[^\S\t\n\r\f ]|[\x00-\x08\x0e-\x1f\x7f]", text)
    if junk:
        raise UserError(_place(file, text, junk.start()), _JUNK)
    if not text.strip():
        raise UserError(
            Span(file, 1, 1), 'the file is empty: a spec starts with `spec "title"`'
        )
    try:
        tree = _lark().parse(text)
    except UnexpectedToken as e:
        ended = e.token.type == "$END"
        at = len(text.rstrip()) if ended else e.token.start_pos or 0
        _refuse(text, file, at, e.accepts)
    except UnexpectedCharacters as e:
        session = e.interactive_parser
        wanted: set[str] = session.accepts()  # type: ignore[no-untyped-call]
        _refuse(text, file, e.pos_in_stream or 0, wanted)
    try:
        return _Builder(file).spec(tree)
    except RecursionError:
        raise UserError(
            Span(file, 1, 1), "a formula is nested too deeply to be read"
        ) from None


@cache
def _lark() -> Lark:
    """The parser; lark keeps its tables in a file that names the grammar's
    hash, which makes every command a fifth of a second faster."""
    kept: bool | str = False
    with contextlib.suppress(OSError):  # lark unpickles what is there
        file = own_folder() / "spec-grammar"
        if os.access(file.parent, os.W_OK):
            if not is_own(file):
                file.unlink(missing_ok=True)
            os.close(os.open(file, os.O_CREAT | os.O_WRONLY, 0o600))
            kept = str(file)
    return Lark(
        GRAMMAR.read_text(encoding="utf-8"),
        parser="lalr",
        lexer="basic",
        propagate_positions=True,
        maybe_placeholders=False,
        cache=kept,
    )


def _place(file: str, text: str, offset: int) -> Span:
    before = text[:offset]
    return Span(file, before.count("\n") + 1, offset - before.rfind("\n"))


# --- what the grammar refuses ---------------------------------------------


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


_AGGREGATE = rf"\b({_AGGREGATES})"
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
        'text stands in double quotes: "..."',
        "spec hugetlb",
        wanted=("STRING",),
        found=r"'.*|[A-Za-z].*",
        after=r"\b(spec|source)",
    ),
    Refusal(
        "text stands in double quotes, not in single ones",
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
        wanted=("INT",),
        only=True,
    ),
    Refusal(
        "a bound is set to a number, as in `bounds V = 2`",
        'spec "s" bounds V = many',
        after="=",
        wanted=("INT",),
        only=True,
    ),
    Refusal(
        "`{found}` is no number: write whole decimal ones, like 0 or 24",
        'spec "s" invariant a: resv < 0x10',
        found=r"[0-9].+",
    ),
    # items
    Refusal(
        "`always` is what an invariant says: write `invariant name: formula`",
        'spec "s" always a: true',
        found="always",
        wanted=("LET",),
    ),
    Refusal(
        "what follows a state is asked with `leadsto name: p leads to q` or "
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
        "fairness is stated of a `leadsto` or `eventually` property, after its "
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
        "`{found}` cannot stand in a task: it calls actions, `await`s and `signal`s "
        "others, and can `repeat p in 0..3: ...`",
        'spec "s" scenario a: task old: if free == 0',
        found=r"[\w(\"'{].*",
        after=r"\btask\s+\w+\s*:",
    ),
    Refusal(
        "`{found}` is a word of the language: choose another name",
        'spec "s" invariant reachable: true',
        found=rf"{_ITEMS}|and|or|not|implies|imply|iff|in|if|else|true|false|none",
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
        "the prime stands right after the name: `free'[n]`",
        'spec "s" step a: free[n]\' == 0',
        found="'",
    ),
    Refusal(
        "write `all(v in VMAS: ...)`, with parentheses",
        'spec "s" invariant a: all v in VMAS: live[v]',
        found=r"\w+",
        after=rf"\b({_AGGREGATES}|forall|exists)",
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


def _refuse(text: str, file: str, at: int, wanted: Iterable[str]) -> NoReturn:
    """Raises the UserError of the first row that fits the place."""
    at, found = _found(text, at)
    wanted = frozenset(wanted)
    before = _without_comments(text[:at]).rstrip()
    near = _nearest(found, wanted)
    for row in REFUSALS:
        if (
            re.fullmatch(row.found, found)
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
            raise UserError(_place(file, text, at), message)
    raise AssertionError("the last row fits everything")


def _found(text: str, at: int) -> tuple[int, str]:
    """What stands at an offset: (where it begins, an operator with all its
    characters, a word, a number, a string to the end of the line)."""
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
    words = {w.text for w in _keywords() if w.type in wanted}
    return nearest_name(found, sorted(words), 0.75) or ""


@dataclass(frozen=True)
class _Keyword:
    type: str
    text: str


@cache
def _keywords() -> tuple[_Keyword, ...]:
    return tuple(
        _Keyword(t.name, t.pattern.value)
        for t in _lark().terminals
        if t.pattern.type == "str" and t.pattern.value.isalpha()
    )


def _needed(wanted: frozenset[str]) -> str:
    """What could stand here, in words."""
    texts = {
        t.name: t.pattern.value.replace("\\", "")
        for t in _lark().terminals
        if t.pattern.type == "str"
    }
    left = set(wanted)
    found: list[str] = []
    for words, terminals in _GROUPS:
        if left.issuperset(terminals[:2]):
            found.append(words)
            left.difference_update(terminals)
    found += sorted(f"`{texts[t]}`" for t in left if t in texts)
    return " or ".join(filter(None, (", ".join(found[:-1]), found[-1])))


_SOFT = (
    "SIZE",
    "EARLY",
    "TASK",
    "AWAIT",
    "SIGNAL",
    "REPEAT",
    "ENVIRONMENT",
    "ANYTIME",
)

_GROUPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "a formula",
        (
            "NAME",
            "LPAR",
            "INT",
            "AGGREGATE",
            "LBRACE",
            "MINUS",
            "NOT",
            "TRUE",
            "FALSE",
            "NONE",
            "SOURCE",
            "ON",
            "AT",
            "WITHOUT",
            "WITH",
            "HOLDS",
            "VIOLATED",
            "UNREACHABLE",
            "UNKNOWN",
            "LEADS",
            "TO",
            "FAIR",
            "STRONGLY",
            *_SOFT,
        ),
    ),
    (
        "a name",
        (
            "NAME",
            "AT",
            "SOURCE",
            "ON",
            "WITHOUT",
            "WITH",
            "HOLDS",
            "VIOLATED",
            "UNREACHABLE",
            "UNKNOWN",
            "LEADS",
            "TO",
            "FAIR",
            "STRONGLY",
            *_SOFT,
        ),
    ),
    (
        "an operator",
        (
            "EQ",
            "LT",
            "AND",
            "OR",
            "NE",
            "LE",
            "GE",
            "GT",
            "IN",
            "NOT",
            "IMPLIES",
            "IMPLY",
            "IFF",
            "BAR",
            "AMP",
            "PLUS",
            "MINUS",
            "STAR",
            "FLOOR",
            "PERCENT",
            "IF",
            "LPAR",
            "LSQB",
            "PRIME",
        ),
    ),
    (
        "an operator",
        (
            "PLUS",
            "MINUS",
            "BAR",
            "AMP",
            "STAR",
            "FLOOR",
            "PERCENT",
            "LPAR",
            "LSQB",
            "PRIME",
        ),
    ),
    (
        "an item",
        (
            "LET",
            "INVARIANT",
            "STEP",
            "REACHABLE",
            "_EVENTUALLY",
            "LEADSTO",
            "SCENARIO",
        ),
    ),
    ("a number", ("INT",)),
    ("text in double quotes", ("STRING",)),
    ('a """docstring"""', ("DOC",)),
    ("the end of the file", ("$END",)),
)


# --- the tree -------------------------------------------------------------


class _Builder:
    """lark's tree to the syntax tree, with what no grammar can check."""

    def __init__(self, file: str) -> None:
        self.file = file

    def at(self, token: Token) -> Span:
        return Span(self.file, token.line or 1, token.column or 1)

    def word(self, token: Token) -> Word:
        return Word(str(token), self.at(token))

    def own(self, token: Token, what: str) -> Word:
        """A name that the spec gives to something."""
        word = self.word(token)
        if "." in word.text:
            raise UserError(word.span, f"{what} is one word, without dots")
        if word.text in TAKEN:
            raise UserError(
                word.span,
                f"`{word.text}` is a word of the language: choose another name",
            )
        return word

    # -- items --

    def spec(self, tree: Tree[Token]) -> Spec:
        title, *parts = tree.children
        doc = ""
        designs: list[Word] = []
        sources: list[str] = []
        bounds: list[Bounds] = []
        lets: list[Let] = []
        claims: list[Claim] = []
        scenarios: list[Scenario] = []
        assertions: list[Assertion] = []
        for part in parts:
            match part:
                case Token(type="DOC"):
                    doc = cleandoc(str(part)[3:-3])
                case Tree(data="designs", children=[names]):
                    designs += self.names(names)
                case Tree(data="origin", children=[text]):
                    sources.append(self.text(text))
                case Tree(data="bounds"):
                    bounds.append(self.bounds(part))
                case Tree(data="let"):
                    lets.append(self.let(part))
                case Tree(data="claim"):
                    claims.append(self.claim(part))
                case Tree(data="liveness"):
                    claims.append(self.liveness(part))
                case Tree(data="assertion"):
                    assertions.append(self.assertion(part))
                case Tree(data="scenario"):
                    scenarios.append(self.scenario(part))
        once(designs, "is named twice")
        once((d.name for d in lets), "is defined twice")
        once((c.name for c in claims), "is the name of two properties")
        once((c.name for c in scenarios), "is the name of two scenarios")
        once((a.name for a in assertions), "stands twice: put the lines together")
        lines = [*(c.expects for c in claims), *(a.expects for a in assertions)]
        expected = [d for expects in lines for e in expects for d in e.designs]
        for word in expected if designs else ():
            if word.text not in {d.text for d in designs}:
                raise UserError(
                    word.span,
                    f"`{word.text}` is not among the designs of this spec: "
                    + ", ".join(d.text for d in designs),
                )
        once(
            (Word(b.label, b.span) for b in bounds),
            "is the label of two bounds: write `bounds wide: V = 3`",
        )
        return Spec(
            self.file,
            self.text(title),
            doc,
            tuple(designs),
            "; ".join(sources),
            tuple(bounds),
            tuple(lets),
            tuple(claims),
            tuple(scenarios),
            tuple(assertions),
        )

    def text(self, tree: Token | Tree[Token]) -> str:
        return "".join(re.sub(r"\\(.)", r"\1", str(t)[1:-1]) for t in _tokens(tree))

    def names(self, tree: Token | Tree[Token]) -> list[Word]:
        return [self.word(t) for t in _tokens(tree)]

    def bounds(self, tree: Tree[Token]) -> Bounds:
        label = ""
        settings: list[Setting] = []
        without: list[Word] = []
        having: list[Word] = []
        for part in tree.children:
            match part:
                case Tree(data="label", children=[Token() as name]):
                    label = self.own(name, "a label").text
                case Tree(data="setting", children=[Token() as name, value]):
                    word = self.word(name)
                    number = _integer(str(value), word.span, _SIZE)
                    settings.append(Setting(word, number))
                case Tree(data="without", children=[names]):
                    without += self.names(names)
                case Tree(data="having", children=[names]):
                    having += self.names(names)
        once((s.name for s in settings), "is set twice")
        once((*without, *having), "is named twice")
        span = Span(self.file, tree.meta.line, tree.meta.column)
        return Bounds(label, tuple(settings), tuple(without), tuple(having), span)

    def let(self, tree: Tree[Token]) -> Let:
        name, *parameters, body = tree.children
        assert isinstance(name, Token)
        words = [self.own(t, "a parameter") for p in parameters for t in _tokens(p)]
        once(words, "is the name of two parameters")
        return Let(self.own(name, "a definition"), tuple(words), self.expr(body))

    def claim(self, tree: Tree[Token]) -> Claim:
        title, on, formula = "", None, None
        sources: list[str] = []
        expects: list[Expect] = []
        kind_tree, name, *parts = tree.children
        kind = Kind(str(_tokens(kind_tree)[0]))
        assert isinstance(name, Token)
        for part in parts:
            match part:
                case Tree(data="text"):
                    title = self.text(part)
                case Tree(data="on"):
                    on = self.on(part, kind)
                case Tree(data="origin", children=[text]):
                    sources.append(self.text(text))
                case Tree(data="expect"):
                    expects.append(self.expect(part, kind))
                case _:
                    formula = self.expr(part)
        assert formula is not None
        word = self.claimed(name, expects)
        return Claim(kind, word, title, on, formula, "; ".join(sources), tuple(expects))

    def claimed(self, name: Token, expects: list[Expect]) -> Word:
        """The property's name; what is expected of it must be clear."""
        word = self.word(name)
        if "." in word.text:
            raise UserError(word.span, "a property's name is one word, without dots")
        self.clear(expects)
        return word

    def clear(self, expects: list[Expect]) -> None:
        """Raises UserError where two lines say what is expected of a design."""
        named = [d for e in expects for d in e.designs]
        once(named, "has two expectations")
        once(
            (Word("expect", e.span) for e in expects if not e.designs),
            "stands twice: say which designs, as in `expect holds for Hugetlb`",
        )

    def assertion(self, tree: Tree[Token]) -> Assertion:
        name, *lines = tree.children
        assert isinstance(name, Token)
        expects = [self.expect(t, Kind.INVARIANT) for t in lines if isinstance(t, Tree)]
        self.clear(expects)
        return Assertion(self.word(name), tuple(expects))

    def liveness(self, tree: Tree[Token]) -> Claim:
        title = ""
        sources: list[str] = []
        expects: list[Expect] = []
        fair: list[Fair] = []
        formulas: list[Expression] = []
        parts = [t for t in tree.children if str(t) != "leadsto"]
        name = parts.pop(0)
        assert isinstance(name, Token)
        for part in parts:
            match part:
                case Tree(data="text"):
                    title = self.text(part)
                case Tree(data="origin", children=[text]):
                    sources.append(self.text(text))
                case Tree(data="expect"):
                    expects.append(self.expect(part, Kind.LEADS_TO))
                case Tree(data="fair", children=[*strongly, names]):
                    fair += [Fair(w, bool(strongly)) for w in self.names(names)]
                case _:
                    formulas.append(self.expr(part))
        word = self.claimed(name, expects)
        once((f.action for f in fair), "is named twice")
        first: Expression = Literal("true", word.span)
        if len(formulas) == 2:
            first = formulas[0]
        return Claim(
            Kind.LEADS_TO,
            word,
            title,
            None,
            first,
            "; ".join(sources),
            tuple(expects),
            formulas[-1],
            tuple(fair),
        )

    def on(self, tree: Tree[Token], kind: Kind) -> On:
        action, *parts = tree.children
        assert isinstance(action, Token)
        if not kind.of_steps:
            raise UserError(
                self.at(action),
                f"`on` is for steps: {kind.noun} speaks of states, whatever led there",
            )
        arguments: list[Argument] = []
        for part in parts:
            first, *rest = _tokens(part)
            if "_" in (first, *rest):
                raise UserError(
                    self.at(first),
                    "`_` is not needed: parameters go by name, so leave out those "
                    "you do not need",
                )
            alias = self.own(rest[0] if rest else first, "a parameter")
            arguments.append(Argument(self.word(first), alias))
        once((a.parameter for a in arguments), "is named twice")
        once((a.alias for a in arguments), "is the name of two parameters")
        return On(self.word(action), tuple(arguments))

    def expect(self, tree: Tree[Token], kind: Kind) -> Expect:
        verdict, depth = "", None
        designs: list[Word] = []
        span = Span(self.file, tree.meta.line, tree.meta.column)
        for part in tree.children:
            match part:
                case Tree(data="verdict"):
                    token = _tokens(part)[0]
                    verdict, span = str(token), self.at(token)
                case Tree(data="names"):
                    designs = self.names(part)
                case Token():
                    depth = _integer(str(part), self.at(part))
        possible = kind.outcomes
        if verdict not in (*possible, "vacuous", "unknown"):
            raise UserError(
                span,
                f"{kind.noun} is {possible[0]}, {possible[1]}, vacuous or unknown"
                if kind.wants_witness
                else f"{kind.noun} holds, is violated, vacuous or unknown",
            )
        if depth is not None and verdict not in ("violated", "reachable"):
            raise UserError(
                span,
                f"`{verdict}` has no trace: only violated and reachable are `at` "
                "a number of steps",
            )
        return Expect(verdict, depth, tuple(designs), span)

    # -- scenarios --

    def scenario(self, tree: Tree[Token]) -> Scenario:
        title = ""
        sources: list[str] = []
        designs: list[Word] = []
        bounds: list[Bounds] = []
        measures: list[Measure] = []
        early: list[Word] = []
        programs: list[Program] = []
        around: dict[str, list[Invocation]] = {"environment": [], "anytime": []}
        name, *parts = tree.children
        assert isinstance(name, Token)
        for part in parts:
            match part:
                case Tree(data="text"):
                    title = self.text(part)
                case Tree(data="origin", children=[text]):
                    sources.append(self.text(text))
                case Tree(data="designs", children=[names]):
                    designs += self.names(names)
                case Tree(data="bounds"):
                    bounds.append(self.bounds(part))
                case Tree(data="measure", children=[Token() as bound, lo, hi]):
                    word = self.word(bound)
                    ends = [_integer(str(end), word.span, _SIZE) for end in (lo, hi)]
                    measure = Measure(word, ends[0], ends[1])
                    if measure.lo > measure.hi:
                        raise UserError(word.span, "the least size comes first: 0..9")
                    measures.append(measure)
                case Tree(data="early", children=[names]):
                    early += self.names(names)
                case Tree(data="program", children=[Token() as task, *stages]):
                    own = self.own(task, "a task's name")
                    programs.append(Program(own, self.stages(stages)))
                case Tree(data="environment", children=[word, *calls]):
                    around[str(word)] += [
                        self.invocation(c) for c in calls if isinstance(c, Tree)
                    ]
        word = self.own(name, "a scenario's name")
        once(designs, "is named twice")
        once(early, "is named twice")
        once((p.task for p in programs), "is the name of two tasks")
        if len(bounds) > 1:
            raise UserError(bounds[1].span, "a scenario has one `bounds` line")
        if len(measures) > 1:
            raise UserError(measures[1].bound.span, "a scenario has one `size`")
        return Scenario(
            word,
            title,
            "; ".join(sources),
            tuple(designs),
            bounds[0] if bounds else None,
            measures[0] if measures else None,
            tuple(early),
            tuple(programs),
            tuple(around["environment"]),
            tuple(around["anytime"]),
        )

    def stages(self, trees: Iterable[Token | Tree[Token]]) -> tuple[Stage, ...]:
        found: list[Stage] = []
        for tree in trees:
            match tree:
                case Tree(data="await", children=[Token() as name]):
                    found.append(Await(self.word(name)))
                case Tree(data="signal", children=[Token() as name]):
                    found.append(Signal(self.own(name, "a signal")))
                case Tree(data="repeat", children=[Token() as name, lo, hi, *body]):
                    ends = self.exprs([lo, hi])
                    over = Range(ends[0], ends[1], start(ends[0]))
                    own = self.own(name, "a bound name")
                    found.append(Repeat(own, over, self.stages(body)))
                case Tree(data="invocation"):
                    found.append(self.invocation(tree))
        return tuple(found)

    def invocation(self, tree: Tree[Token]) -> Invocation:
        name, *arguments = tree.children
        assert isinstance(name, Token)
        found: list[Expression | Range] = []
        for argument in arguments:
            assert isinstance(argument, Tree)
            ends = self.exprs(argument.children)
            found.append(
                ends[0] if len(ends) == 1 else Range(ends[0], ends[1], start(ends[0]))
            )
        return Invocation(self.word(name), tuple(found))

    # -- expressions --

    def expr(self, tree: Token | Tree[Token]) -> Expression:
        assert isinstance(tree, Tree)
        first = Span(self.file, tree.meta.line, tree.meta.column)
        match tree.data, tree.children:
            case "number", [Token() as digits]:
                return Number(_integer(digits, first), first)
            case "literal", [Token() as word]:
                return Literal(str(word), first)
            case "reference", [Token() as word, *prime]:
                return Name(str(word), bool(prime), first)
            case "index", [table, *at]:
                return Index(self.name(table), self.exprs(at), first)
            case "call", [function, *arguments]:
                return Call(self.name(function), self.exprs(arguments), first)
            case "aggregate", [Token() as word, *binders, body]:
                found = tuple(self.binder(b) for b in binders)
                once((w for b in found for w in b.names), "is bound twice")
                return Aggregate(str(word), found, self.expr(body), first)
            case "display", [_, *elements]:
                return Display(self.exprs(elements), first)
            case ("and" | "or") as word, parts:
                return Junction(str(word), self.exprs(parts), first)
            case "unary", [Token() as word, operand]:
                return Unary(str(word), self.expr(operand), first)
            case "binary", [left, Token() as word, right]:
                return Binary(
                    "implies" if word == "imply" else str(word),
                    self.expr(left),
                    self.expr(right),
                    self.at(word),
                )
            case "compare", parts:
                relations = tuple(self.relation(r) for r in parts[1::2])
                return Compare(self.exprs(parts[::2]), relations, relations[0].span)
            case "if_else", [then, condition, otherwise]:
                return IfElse(
                    self.expr(then), self.expr(condition), self.expr(otherwise), first
                )
        raise AssertionError(f"the grammar has a rule {tree.data} that is not built")

    def exprs(self, trees: Iterable[Token | Tree[Token]]) -> tuple[Expression, ...]:
        return tuple(self.expr(t) for t in trees)

    def name(self, tree: Token | Tree[Token]) -> Name:
        name = self.expr(tree)
        assert isinstance(name, Name)
        return name

    def relation(self, tree: Token | Tree[Token]) -> Relation:
        words = _tokens(tree)
        return Relation(" ".join(words), self.at(words[0]))

    def binder(self, tree: Token | Tree[Token]) -> Binder:
        assert isinstance(tree, Tree)
        names, domain = tree.children
        assert isinstance(domain, Tree)
        words = tuple(self.own(t, "a bound name") for t in _tokens(names))
        ends = self.exprs(domain.children)
        over: Range | Expression = ends[0]
        if len(ends) == 2:
            over = Range(ends[0], ends[1], start(ends[0]))
        return Binder(words, over, words[0].span)


def _tokens(tree: Token | Tree[Token]) -> list[Token]:
    """The words of a tree that has nothing but words."""
    if isinstance(tree, Token):
        return [tree]
    return [t for t in tree.children if isinstance(t, Token)]


_DIGITS, _SIZE = 18, 30
"""Digits of a number in a formula, and of a bound, which has a limit itself."""


def _integer(digits: str, span: Span, most: int = _DIGITS) -> int:
    if len(digits) > most:
        raise UserError(span, f"a number has at most {most} digits")
    return int(digits)


def once(words: Iterable[Word], complaint: str) -> None:
    """Raises UserError at the second place of a name."""
    seen: set[str] = set()
    for word in words:
        if word.text in seen:
            shown = f"`{word.text}` " if word.text else ""
            raise UserError(word.span, shown + complaint)
        seen.add(word.text)


def examples() -> Iterator[tuple[Refusal, Spec | UserError]]:
    """Every row of the table with what its example comes to."""
    for row in REFUSALS:
        try:
            yield row, parse_text(row.example)
        except UserError as mistake:
            yield row, mistake
