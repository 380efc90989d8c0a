# SPDX-License-Identifier: GPL-2.0-only
"""Which specs a user means, and which of their properties."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from poolproof.checker.core.diagnostic import UserError, together
from poolproof.checker.driver.designs import designs_for, find_spec
from poolproof.checker.driver.sources import files_of
from poolproof.checker.spec import Spec, parse
from poolproof.model.language import did_you_mean

Test = Callable[[str], bool]

TOOLS = {
    ".trace": "{0}: this is a stored run: poolproof trace {0}",
    ".py": "{0}: this is a design: poolproof check SPEC --design {0}",
}
"""The advice for a file that `check` does not read, by its ending."""


def specs(names: Sequence[str], keywords: str = "") -> list[Spec]:
    """Return the specs that the names mean, each a file, a folder of .spec files, a
    shipped spec, or one of these and a property (``my.spec::low``), with those of
    their properties that ``keywords`` match, like ``hole and not fork``. Raise
    UserError for all mistakes at once."""
    matches = matcher(keywords)
    mistakes: list[UserError] = []
    found: dict[str, Spec] = {}
    for name in names:
        place, _, prop = name.partition("::")
        try:
            for file in _files(place):
                spec = parse(file)
                mine = _only(spec, prop) if prop else spec
                if file in found:
                    mine = _both(spec, found[file], mine)
                found[file] = mine
        except UserError as mistake:
            mistakes.append(mistake)
    if mistakes:
        raise together(mistakes)
    if not keywords:
        return list(found.values())
    some = [_matching(spec, matches) for spec in found.values()]
    if not any(spec.claims for spec in some):
        raise UserError(None, f"-k {keywords}: no property of these specs matches")
    return [spec for spec in some if spec.claims]


def _files(place: str) -> list[str]:
    path = Path(place)
    if not path.is_dir():
        if path.suffix in TOOLS:
            raise UserError(None, TOOLS[path.suffix].format(place))
        return [find_spec(place)]
    files = sorted(str(p) for p in path.rglob("*.spec") if p.is_file())
    if not files:
        raise UserError(None, f"{place}: there is no .spec file in this folder")
    return files


def _only(spec: Spec, name: str) -> Spec:
    names = tuple(claim.name.text for claim in spec.claims)
    if name not in names:
        raise UserError(
            None,
            f"{spec.file}::{name}: there is no such property{did_you_mean(name, names)}"
            f"; there are {', '.join(names) or 'none'}",
        )
    return replace(spec, claims=tuple(c for c in spec.claims if c.name.text == name))


def _both(spec: Spec, one: Spec, other: Spec) -> Spec:
    """Return the spec with the properties of both, in its order."""
    names = {c.name.text for some in (one, other) for c in some.claims}
    return replace(spec, claims=tuple(c for c in spec.claims if c.name.text in names))


def _matching(spec: Spec, matches: Test) -> Spec:
    claims = (c for c in spec.claims if matches(f"{spec.file}::{c.name.text}"))
    return replace(spec, claims=tuple(claims))


# --- keywords -------------------------------------------------------------


_SIGNS = ("and", "or", "not", "(", ")")


def matcher(keywords: str) -> Test:
    """Return the test that keywords are: words that must occur in FILE::PROPERTY, in
    either case, joined by `and`, `or`, `not` and brackets. Raise UserError."""
    tokens = re.findall(r"[()]|[^\s()]+", keywords)
    if not tokens:
        return lambda text: True
    _check_order(keywords, tokens)
    # joined so, they mean the same in Python
    parts = (t if t in _SIGNS else f"{t.lower()!r} in text" for t in tokens)
    code = compile(" ".join(parts), "-k", "eval")
    return lambda text: bool(eval(code, {"text": text.lower()}))


def _check_order(keywords: str, tokens: Sequence[str]) -> None:
    """Raise UserError for a token that cannot follow those before it."""
    depth, begins = 0, True
    for token in (*tokens, ""):
        if begins:
            good = token not in ("and", "or", ")", "")
        elif token == ")":
            good = depth > 0
        else:
            good = token in ("and", "or") or not (token or depth)
        if not good:
            found = f"`{token}`" if token else "the end"
            raise UserError(
                None,
                f"-k {keywords}: {found} is not expected; write like hole and not fork",
            )
        depth += (token == "(") - (token == ")")
        begins = token in ("and", "or", "not", "(")


# --- what changed ---------------------------------------------------------


def changed_since(
    some: Sequence[Spec], revision: str, given: Sequence[str]
) -> list[Spec]:
    """Return the specs that changed since a revision of the git repository here,
    themselves or a file that one of their designs (or of the ``given`` ones) depends
    on. A design whose files are not known counts as changed. Raise UserError."""
    changed = _changed(revision)

    def is_changed(spec: Spec) -> bool:
        if Path(spec.file).resolve() in changed:
            return True
        for known in designs_for(spec, given):
            files = files_of(known.cls)
            if files is None or any(file.resolve() in changed for file in files):
                return True
        return False

    return [spec for spec in some if is_changed(spec)]


def _changed(revision: str) -> set[Path]:
    root = Path(_git(revision, "rev-parse", "--show-toplevel").strip())
    diff = _git(revision, "diff", "--name-only", "-z", revision, "--")
    new = _git(
        revision,
        "ls-files",
        "--others",
        "--exclude-standard",
        "--full-name",
        "-z",
        root,
    )
    return {(root / name).resolve() for name in (diff + new).split("\0") if name}


def _git(revision: str, *arguments: str | Path) -> str:
    try:
        done = subprocess.run(
            ["git", *arguments], capture_output=True, text=True, check=False
        )
    except OSError as e:
        raise UserError(None, f"--since {revision}: git: {e.strerror}") from None
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["git fails"]
        raise UserError(None, f"--since {revision}: {said[0]}")
    return done.stdout
