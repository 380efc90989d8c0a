# SPDX-License-Identifier: GPL-2.0-only
"""Random designs and specs through the whole tool, engine by engine.

    python -m tests.common.random_run --count 20000 --seed 1 [--engines explicit,bmc]

Each text (tests/common/random_texts.py) is checked by every engine, as a user would
do it, and what is printed is compared with the truth. --every NAME=N asks an engine
of one text in N. Texts with an odd seed have pages: ints that may be only indices.
Prints a line for each disagreement and one line at the end; the exit code is 1
if there was one.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import re
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from poolproof.checker.commands.main import main as poolproof
from tests.common.random_texts import Texts, Truth, texts, truth

ENGINES = ("explicit", "native", "bmc", "prove")

_REFUSED = r"\S+:\d+:\d+: (`[^`]+` is not in \S+, which|`none` is the absent element)"
"""How a text is refused in which an expression comes to a constant."""


def check(
    t: Texts, right: Truth, engine: str, folder: Path, name: str
) -> list[str] | None:
    """What an engine says of the text that is not so; None where the text is
    refused at a line of it."""
    design, spec = folder / f"{name}.py", folder / f"{name}.spec"
    design.write_text(t.design())
    spec.write_text(t.spec())
    out = folder / f"{name}.json"
    call = [
        "check",
        str(spec),
        "--design",
        f"{design}:Random",
        "--engine",
        engine,
        "--budget",
        "20",
        "--json",
        "-o",
        str(out),
    ]
    if engine in ("explicit", "native"):
        call.append("--indices")
    if engine == "bmc":
        call += ["--depth", str(right.depth + 1)]
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
        try:
            code = poolproof(call)
        except SystemExit as e:
            code = e.code if isinstance(e.code, int) else 2
    if said.getvalue():
        first, *_ = said.getvalue().strip().splitlines()  # the place is shown below it
        if code == 2 and re.match(_REFUSED, first):
            return None
        return [f"exit {code}: {first}"]
    (answer,) = json.loads(out.read_text())["checks"]
    return _wrong(t, right, engine, answer)


_NOT = ("reachable", "reached")
"""What a witness may be called."""


def _wrong(t: Texts, right: Truth, engine: str, answer: dict[str, Any]) -> list[str]:
    wrong = [f"mistake in the spec: {m}" for m in answer["mistakes"]]
    shallow = right.defect is not None
    if shallow and engine == "explicit" and not answer["defects"]:
        wrong.append(f"no defect, and there is one after {right.defect} steps")
    for defect in answer["defects"]:
        steps = len(defect["trace"]["steps"])
        if right.defect is None or steps + 1 < right.defect:
            wrong.append(f"a defect after {steps} steps: {defect['message']}")
    kinds = {p.name: p.kind for p in t.asked}
    for p in answer["properties"]:
        name, kind, found = p["name"], kinds[p["name"]], right.found.get(p["name"])
        if name in right.too_many:
            continue
        for said in p["verdicts"]:
            verdict = {**said, **said.get("of", {})}  # vacuous, else this
            word, steps = verdict["verdict"], verdict.get("steps")
            where = f"{verdict['engine']}: {kind} {name}: {word} {steps}, truth {found}"
            if word in ("violated", *_NOT):
                short = verdict.get("shortest", True) and kind != "leadsto"
                if found is None or (short and steps != found):
                    wrong.append(where)
            elif word in ("holds", "inductive", "unreachable"):
                if found is not None:
                    wrong.append(where)
            elif word == "unknown" and not shallow and _decides(engine, kind, found):
                wrong.append(f"{where}: {verdict['reason']}")
    if engine in ("explicit", "native") and not shallow:
        wrong += (
            f"{outcome['states']} states of {right.states}"
            for outcome in answer["engines"]
            if outcome["engine"] == "explicit" and outcome["states"] > right.states
        )
    return wrong


def _decides(engine: str, kind: str, found: int | None) -> bool:
    """Whether the engine must have an answer."""
    if engine == "bmc":
        return kind != "leadsto" and found is not None
    return engine != "prove"


def main() -> int:
    options = argparse.ArgumentParser(prog="python -m tests.common.random_run")
    options.add_argument("--count", type=int, default=20_000)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--engines", default=",".join(ENGINES))
    options.add_argument("--every", action="append", default=[], metavar="ENGINE=N")
    options.add_argument("--keep", metavar="DIR", help="write what disagrees to DIR")
    chosen = options.parse_args()
    every = {k: int(n) for k, n in (e.split("=") for e in chosen.every)}
    asked: Counter[str] = Counter()
    done = wrong = 0
    stopped: list[int] = []
    for sign in (signal.SIGINT, signal.SIGTERM):  # the text at hand is the last
        signal.signal(sign, lambda number, _: stopped.append(number))
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        for seed in range(chosen.seed, chosen.seed + chosen.count):
            if stopped:
                break
            done += 1
            t = texts(seed, pages=seed % 2 == 1)
            right = truth(t)
            if not right.complete:
                asked["too large"] += 1
                continue
            for engine in chosen.engines.split(","):
                if seed % every.get(engine, 1):
                    continue
                lines = check(t, right, engine, Path(name), f"t{seed}_{engine}")
                asked["refused" if lines is None else engine] += 1
                for line in lines or ():
                    wrong += 1
                    print(f"seed {seed}, {engine}: {line}", flush=True)
                    if chosen.keep:
                        kept = Path(chosen.keep) / f"random{seed}"
                        kept.with_suffix(".py").write_text(t.design())
                        kept.with_suffix(".spec").write_text(t.spec())
                for path in Path(name).iterdir():
                    if path.is_file():
                        path.unlink()
    refused = {e: asked.pop(e) for e in ("refused", "too large") if e in asked}
    counts = ", ".join(
        [
            *(f"{n} by {e}" for e, n in asked.items()),
            *(f"{n} {e}" for e, n in refused.items()),
        ]
    )
    print(
        f"{done} random systems from seed {chosen.seed}: {counts}; "
        f"{wrong} disagreements, {time.monotonic() - begin:.0f} s"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
