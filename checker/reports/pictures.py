# SPDX-License-Identifier: GPL-2.0-only
"""A run as pictures in HTML, one for each step.

Tables of two indices are strips, counters bars, all else labelled cells; what a
step changed has a frame. Every picture has a title and a description in words.
Nothing here knows what a huge page is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import product

from poolproof.checker.core.compiled import Compiled
from poolproof.checker.core.ir import INT, show_raw
from poolproof.checker.core.system import Cell, State, TransitionSystem, Variable
from poolproof.checker.core.verdict import Step
from poolproof.checker.evidence.replay import Replay, show_step
from poolproof.checker.reports.lanes import Lanes
from poolproof.checker.reports.text import is_strips, letters


def pictures(compiled: Compiled, replayed: Replay) -> Iterator[str]:
    """Return the initial state and each step, with its call, in the lane of its
    task."""
    system, lanes = compiled.system, Lanes(compiled)
    drawn = [v for v in _drawn(system, replayed.states) if v.name not in lanes.hidden]
    tops = _tops(system, drawn, replayed.states)
    fixed = [
        _fixed(system, v, replayed.trace.initial)
        for v in system.variables
        if v not in drawn and v.name not in lanes.hidden
    ]
    keys = dict.fromkeys(_key(v) for v in drawn if is_strips(v))
    yield '<ol class="run"><li><span class="call">start</span>'
    yield _figure(system, drawn, tops, replayed.trace.initial, None, "the start")
    yield "</li>"
    before = replayed.trace.initial
    for number, taken in enumerate(replayed.taken, 1):
        call = f"{number}. {show_step(system, taken.step, taken.result)}"
        kernel = system.action_by_name[taken.step.action].kernel.rpartition(":")[2]
        if number - 1 == replayed.trace.loop:
            yield '<li class="soft">from here on for ever:</li>'
        yield f"<li>{_lane(lanes, taken.step)}"
        yield f'<span class="call">{escape(call)}</span> '
        yield f'<span class="soft">{escape(kernel)}</span>'
        note = lanes.note(taken.step, taken.state)
        yield (
            f'<br><span class="soft">{escape(note)}</span></div>'
            if note
            else ("</div>" if lanes.names else "")
        )
        yield _figure(system, drawn, tops, taken.state, before, call)
        yield "</li>"
        before = taken.state
    if replayed.failing is not None:
        call = show_step(system, replayed.failing)
        yield f'<li><span class="call">{escape(call)}</span></li>'
    yield "</ol>"
    if keys:
        yield f'<p class="soft">In the strips: {escape("; ".join(keys))}.</p>'
    if fixed:
        yield f'<p class="soft">Never changed here: {escape(", ".join(fixed))}.</p>'


def _lane(lanes: Lanes, step: Step) -> str:
    """The beginning of a step in its task's lane; nothing without lanes."""
    if not lanes.names:
        return ""
    lane = lanes.lane(step)
    heads = "".join(
        f'<span class="lane{" now" if k == lane else ""}">{escape(name)}</span>'
        for k, name in enumerate(lanes.names)
    )
    indent = f"{100 * (lane or 0) // len(lanes.names)}%"
    return f'<div class="lanes">{heads}</div><div style="margin-left:{indent}">'


def _key(v: Variable) -> str:
    letter = letters(v.element) or {}
    return ", ".join(f"{a} is {show_raw(v.element, raw)}" for raw, a in letter.items())


def _fixed(system: TransitionSystem, v: Variable, state: State) -> str:
    """Return a variable that keeps its value, with the value if it is short."""
    raws = [state[k] for k, c in enumerate(system.cells) if c.variable is v]
    if len(set(raws)) > 1:
        return v.name
    each = " (each)" if len(raws) > 1 else ""
    return f"{v.name} = {show_raw(v.element, raws[0])}{each}" if raws else v.name


def _drawn(system: TransitionSystem, states: Sequence[State]) -> list[Variable]:
    """Return the variables that change somewhere in the run, strips first; all of them,
    if none does."""
    moved = {
        c.variable.name
        for k, c in enumerate(system.cells)
        if len({s[k] for s in states}) > 1
    }
    some = [v for v in system.variables if not moved or v.name in moved]
    return sorted(some, key=lambda v: not is_strips(v))


def _tops(
    system: TransitionSystem, drawn: Sequence[Variable], states: Sequence[State]
) -> dict[str, int]:
    """Return the length of each counter's full bar: its range, or its maximum."""
    tops: dict[str, int] = {}
    for v in drawn:
        if v.element is not INT:
            continue
        seen = max(
            s[k] for s in states for k, c in enumerate(system.cells) if c.variable is v
        )
        high = v.hi.data if v.hi is not None and v.hi.is_const else seen
        tops[v.name] = max(1, seen, high if high <= 4 * max(seen, 4) else seen)
    return tops


# --- one picture ----------------------------------------------------------

_WIDTH, _MARGIN, _CELL, _LETTER = 760, 8, 20, 7.3


@dataclass
class _Pen:
    """The position of the next mark. Marks that do not fit go on a new line."""

    left: float
    x: float = 0.0
    y: float = float(_MARGIN)

    def line(self) -> None:
        self.x, self.y = self.left, self.y + _CELL + 8

    def room(self, wide: float) -> None:
        if self.x + wide > _WIDTH - _MARGIN and self.x > self.left:
            self.line()


def _figure(
    system: TransitionSystem,
    drawn: Sequence[Variable],
    tops: Mapping[str, int],
    state: State,
    before: State | None,
    title: str,
) -> str:
    """The state as a picture; what differs from ``before`` has a frame."""
    pen = _Pen(_MARGIN + _LETTER * max((len(v.name) for v in drawn), default=0) + 14)
    marks: list[str] = []
    changes: list[str] = []
    for v in drawn:
        pen.x = pen.left
        marks.append(_text(_MARGIN, pen.y, v.name, "name"))
        for row in _rows(v):
            cells = [system.cell_of[v.name, index] for index in row]
            wide = _row_width(v, row, tops)
            pen.room(wide)
            raw = [state[k] for k in cells]
            new = [before is not None and before[k] != state[k] for k in cells]
            values = zip(raw, new, strict=True)
            marks += _row(v, _label(v, row), values, tops.get(v.name), pen)
            if before is not None:
                changes += [
                    _change(system.cells[k], before, state, k)
                    for k in cells
                    if before[k] != state[k]
                ]
        pen.line()
    high = pen.y + _MARGIN - 8
    words = "; ".join(changes) or ("nothing changes" if before else "as it begins")
    return (
        f'<figure><svg role="img" viewBox="0 0 {_WIDTH} {high:g}" width="{_WIDTH}" '
        f'height="{high:g}"><title>{escape(title)}</title>'
        f"<desc>{escape(words)}</desc>{''.join(marks)}</svg></figure>"
    )


def _change(cell: Cell, before: State, after: State, k: int) -> str:
    sort = cell.variable.element
    return f"{cell.name} {show_raw(sort, before[k])} becomes {show_raw(sort, after[k])}"


def _rows(v: Variable) -> list[list[tuple[int, ...]]]:
    """Return the cells in groups: those of a strip together, each other one alone."""
    if is_strips(v):
        return [[(row, k) for k in v.index[1]] for row in v.index[0]]
    return [[index] for index in product(*v.index)]


def _label(v: Variable, row: Sequence[tuple[int, ...]]) -> str:
    index = row[0][:1] if is_strips(v) else row[0]
    return ",".join(show_raw(d.sort, i) for d, i in zip(v.index, index, strict=False))


def _widest(v: Variable) -> int:
    labels = getattr(v.element, "labels", None)
    if labels:
        return max(map(len, labels))
    size = getattr(v.element, "size", None)
    if size is not None:
        return max(4, len(show_raw(v.element, size - 1)))
    domain = getattr(v.element, "domain", None)
    if domain is not None:
        return len(show_raw(v.element, (1 << len(domain)) - 1))
    return 5


_BAR = 80


def _row_width(
    v: Variable, row: Sequence[tuple[int, ...]], tops: Mapping[str, int]
) -> float:
    label = len(_label(v, row)) * _LETTER + 6
    if is_strips(v):
        return label + len(row) * (_CELL + 2) + 14
    if v.name in tops:
        return label + _BAR + 42
    return label + _widest(v) * _LETTER + 12 + 14


def _row(
    v: Variable,
    label: str,
    values: Iterable[tuple[int, bool]],
    top: int | None,
    pen: _Pen,
) -> Iterator[str]:
    """Draw cells of a variable: their values, and whether each is new. Numbers up
    to ``top`` are bars."""
    if label:
        yield _text(pen.x, pen.y, label, "name")
        pen.x += len(label) * _LETTER + 6
    for raw, new in values:
        if top is not None:
            share = max(0, min(1, raw / top)) * _BAR
            yield _box(pen.x, pen.y + 4, _BAR, _CELL - 8, "track")
            yield _box(pen.x, pen.y + 4, share, _CELL - 8, "fill") if share else ""
            if new:
                yield _box(pen.x - 2, pen.y + 2, _BAR + 4, _CELL - 4, "new")
            yield _text(pen.x + _BAR + 6, pen.y, str(raw), "")
            pen.x += _BAR + 42
            continue
        letter = letters(v.element)
        small = is_strips(v) and letter is not None
        text = (letter or {}).get(raw, "?") if small else show_raw(v.element, raw)
        wide = _CELL if small else _widest(v) * _LETTER + 12
        empty = text == "{}" or (letter or {}).get(raw) == "."
        yield _box(pen.x, pen.y, wide, _CELL, f"cell k{0 if empty else 1 + raw % 7}")
        if new:
            yield _box(pen.x, pen.y, wide, _CELL, "new")
        yield _text(pen.x + 6, pen.y, text, "")
        pen.x += wide + (2 if small else 14)
    if is_strips(v):
        pen.x += 14


def _box(x: float, y: float, wide: float, high: float, kind: str) -> str:
    return (
        f'<rect class="{kind}" x="{x:g}" y="{y:g}" width="{wide:g}" '
        f'height="{high:g}" rx="2"/>'
    )


def _text(x: float, y: float, text: str, kind: str) -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text{named} x="{x:g}" y="{y + 14:g}">{escape(text)}</text>'
