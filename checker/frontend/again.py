# SPDX-License-Identifier: GPL-2.0-only
"""What a method becomes at other sizes, without executing it again.

A method depends on few of a design's bounds and features. So all that its execution
asks about them is noted: whether a feature is on, what a bound is, the domain of a
variable, whether an index is certainly inside its domain. Where each of these
questions has the same answer, the method becomes the same.

Soundness: an execution sees the sizes through `Work` alone, and each part of `Work`
that depends on them is replaced by one that notes what it is asked.
tests/agreement/test_again.py compares with executions from scratch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, TypeVar

from poolproof.checker.core import interval
from poolproof.checker.core.ir import Domain, Expr
from poolproof.checker.core.ranges import Ranges
from poolproof.checker.frontend.actions import Work
from poolproof.model.language import Binding, Bound, Feature, Slot

Made = TypeVar("Made")


class Answers:
    """The sizes of a design, as answers to the questions of its methods."""

    def __init__(self, work: Work) -> None:
        self.work = work
        self.shapes: dict[str, Any] = {}

    def on(self, feature: Feature) -> bool:
        return self.work.binding.on(feature)

    def size(self, bound: Bound) -> Any:
        return self.work.binding.size(bound)

    def shape(self, name: str) -> Any:
        """Return what methods read of a slot; None if there is none. The ends of an
        integer's range are not part of it: methods ask only what is `inside`."""
        if name not in self.shapes:
            self.shapes[name] = self._shape_of(self.work.slots.get(name))
        return self.shapes[name]

    @staticmethod
    def _shape_of(slot: Slot | None) -> Any:
        if slot is None:
            return None
        if slot.off:
            return _shape((slot.index, slot.values, slot.start))
        values = slot.values
        if values.kind == "int" and not values.counter:
            values = replace(values, lo=None, hi=None)
        return _shape((slot.index, values))

    def inside(self, e: Expr, domain: Domain) -> bool:
        return self.work.ranges.inside(e, domain)


@dataclass(frozen=True, eq=False)
class _Shape:
    """What methods read of a slot. There is one for equal slots."""

    of: tuple[Any, ...]


_shape = cache(_Shape)


Question = tuple[Callable[..., Any], tuple[Any, ...]]
"""A method of `Answers`, and its arguments."""

Asked = dict[Question, Any]
"""The questions of an execution in their order, with the answers."""


class Results:
    """What methods became, each found by the answers that decide it."""

    def __init__(self) -> None:
        self.roots: dict[Any, _Decision] = {}

    def of(self, key: Any, answers: Answers, make: Callable[[Work], Made]) -> Made:
        """Return what ``make`` returns for the work: an earlier result, if its
        questions have the same answers now. ``key`` says which method it is about."""
        node: _Decision | None = self.roots.get(key)
        while node is not None:
            if node.question is None:
                made: Made = node.made
                return made
            ask, about = node.question
            node = node.then.get(ask(answers, *about))
        asked: Asked = {}
        made = make(_asking(answers, asked))
        self._keep(key, asked, made)
        return made

    def _keep(self, key: Any, asked: Asked, made: Any) -> None:
        node = self.roots.setdefault(key, _Decision())
        for question, answer in asked.items():
            node.question = question
            node = node.then.setdefault(answer, _Decision())
        node.made = made


@dataclass
class _Decision:
    """The next question and what follows from each answer, or what was made."""

    question: Question | None = None
    then: dict[Any, _Decision] = field(default_factory=dict)
    made: Any = None


@dataclass
class Methods:
    """The methods of a design at its sizes, with what methods became before."""

    work: Work
    results: Results

    def __post_init__(self) -> None:
        self.answers = Answers(self.work)

    def made(self, name: str, key: Any, make: Callable[[Work], Made]) -> Made:
        """Return what ``make`` returns for a method: an earlier result, if its
        questions have the same answers now. ``key`` distinguishes it from everything
        else that is made."""

        def named(work: Work) -> Made:
            return make(work.naming(name))

        return self.results.of(key, self.answers, named)


# --- asking ---------------------------------------------------------------


def _asking(answers: Answers, asked: Asked) -> Work:
    """Return the work, with parts that note what they are asked."""
    b = answers.work.binding
    return replace(
        answers.work,
        binding=_Binding(b.bounds, b.features, b.symbolic, b.open, asked),
        slots=_Slots(answers, asked),
        ranges=_Ranges(answers, asked),
    )


@dataclass(frozen=True)
class _Binding(Binding):
    asked: Asked = field(default_factory=dict, compare=False)

    def on(self, feature: Feature) -> bool:
        answer = self.asked[Answers.on, (feature,)] = super().on(feature)
        return answer

    def size(self, value: Any) -> Any:
        answer = super().size(value)
        if isinstance(value, Bound):
            self.asked[Answers.size, (value,)] = answer
        return answer


class _Slots(Mapping[str, Slot]):
    def __init__(self, answers: Answers, asked: Asked) -> None:
        self.answers, self.asked = answers, asked

    def __getitem__(self, name: str) -> Slot:
        self.asked[Answers.shape, (name,)] = self.answers.shape(name)
        return self.answers.work.slots[name]

    def __iter__(self) -> Iterator[str]:
        raise TypeError("no method depends on what slots there are")

    def __len__(self) -> int:
        raise TypeError("no method depends on how many slots there are")


class _Ranges(Ranges):
    def __init__(self, answers: Answers, asked: Asked) -> None:
        super().__init__(answers.work.ranges.variables)
        self.answers, self.asked = answers, asked

    def of(self, e: Expr) -> interval.Interval:
        raise TypeError(f"{e}: methods ask only what is inside a domain")

    def inside(self, e: Expr, domain: Domain) -> bool:
        if interval.inside(e.interval, domain):  # whatever the sizes are
            return True
        answer = self.answers.inside(e, domain)
        self.asked[Answers.inside, (e, domain)] = answer
        return answer
