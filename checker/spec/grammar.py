# SPDX-License-Identifier: GPL-2.0-only
"""The grammar's parser and its words. The home of lark, with tree.py."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import sys
from functools import cache
from importlib.util import cache_from_source
from pathlib import Path

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedCharacters, UnexpectedToken

from poolproof.checker.core.cache import is_own, own_folder

GRAMMAR = Path(__file__).with_name("grammar.lark")
_IN_CHECKOUT = (GRAMMAR.resolve().parents[2] / "pyproject.toml").exists()


def _aggregates() -> str:
    terminal = r"^AGGREGATE\S* /\((.*?)\)"
    found = re.search(terminal, GRAMMAR.read_text(encoding="utf-8"), re.MULTILINE)
    assert found is not None
    return found[1]


AGGREGATES = _aggregates()
"""The names of the aggregates as the grammar has them: `sum|count|...`."""


class Stopped(Exception):
    """The text stops being a spec at offset ``at``, where one of the terminals
    ``wanted`` could have followed."""

    def __init__(self, at: int, wanted: set[str]) -> None:
        super().__init__(f"stopped at {at}")
        self.at, self.wanted = at, wanted


def read_tree(text: str) -> Tree[Token]:
    """Return lark's tree of a spec. Raises Stopped."""
    try:
        return parser().parse(text)
    except UnexpectedToken as e:
        ended = e.token.type == "$END"
        at = len(text.rstrip()) if ended else e.token.start_pos or 0
        raise Stopped(at, e.accepts) from None
    except UnexpectedCharacters as e:
        session = e.interactive_parser
        raise Stopped(e.pos_in_stream or 0, session.accepts()) from None


def _tables_folder() -> Path:
    """Return where lark keeps its tables: in a checkout beside the grammar, where
    Python keeps bytecode; else in the user's cache, because pip would leave them
    behind. Raise OSError where there is no such folder."""
    bytecode = Path(cache_from_source(str(GRAMMAR))).parent
    if _IN_CHECKOUT and not sys.dont_write_bytecode:
        with contextlib.suppress(OSError):
            bytecode.mkdir(parents=True, exist_ok=True)
            if os.access(bytecode, os.W_OK):
                return bytecode
    return own_folder()


@cache
def parser() -> Lark:
    """Return the parser. lark keeps its tables in a file, which makes every
    command a third of a second faster. Each grammar has its own file, so two
    versions of poolproof do not overwrite each other's."""
    grammar = GRAMMAR.read_text(encoding="utf-8")
    kept: bool | str = False
    with contextlib.suppress(OSError):  # lark unpickles what is there
        digest = hashlib.sha256(grammar.encode()).hexdigest()[:16]
        file = _tables_folder() / f"spec-grammar-{digest}"
        if os.access(file.parent, os.W_OK):
            if not is_own(file):
                file.unlink(missing_ok=True)
            os.close(os.open(file, os.O_CREAT | os.O_WRONLY, 0o600))
            kept = str(file)
    return Lark(
        grammar,
        parser="lalr",
        lexer="basic",
        propagate_positions=True,
        maybe_placeholders=False,
        cache=kept,
    )


@cache
def terminals() -> dict[str, str]:
    """Return the text of each terminal that has only one."""
    return {
        t.name: t.pattern.value.replace("\\", "")
        for t in parser().terminals
        if t.pattern.type == "str"
    }


@cache
def soft() -> tuple[str, ...]:
    """Return the terminals of those keywords that are also names where no keyword can
    stand: the ones that the rule `name` lists."""
    rules = (r for r in parser().rules if r.origin.name == "name")
    return tuple(s.name for r in rules for s in r.expansion if s.name != "NAME")


@cache
def reserved() -> str:
    """Return a pattern of the keywords that are never names."""
    words = (t for name, t in terminals().items() if name not in soft())
    return "|".join(sorted(w for w in words if w.isalpha()))
