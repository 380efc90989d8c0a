# SPDX-License-Identifier: GPL-2.0-only
"""A design at several sizes, compiled one after the other with what its methods
became before, is what it is when it is compiled from scratch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from random import Random

import pytest

from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.driver.designs import DesignRef, shipped_designs
from poolproof.checker.frontend.again import Results
from poolproof.checker.frontend.design import _compile
from poolproof.model import language
from poolproof.model.language import (
    Binding,
    Bool,
    Bound,
    Design,
    Feature,
    Int,
    ModelError,
    Scalarset,
    action,
    bind,
    declared,
    observer,
    outside,
    require,
    table,
    var,
    with_needs,
)

N = Bound("N", 2)
MOST = Bound("MOST", 2)
TWICE = Feature("twice", default=False)
SPARE = Feature("spare", default=False)
NODES = Scalarset("NODES", N, "n")


class Rows(Design):
    """An action for each way to depend on a size."""

    left = table(NODES, Int(0, MOST))
    at = var(Int(0, MOST), init=0)
    first = table(Int(0, 2), Bool())
    spare = var(Int(0, 3), init=2, when=SPARE)
    met = var(language.Counter(MOST))

    @action
    def take(self, n: NODES) -> None:
        require(self.left[n] > 0)
        self.left[n] -= 2 if TWICE else 1

    @action
    def bounded(self) -> None:
        self.at = MOST if self.at == 0 else 0

    @action
    def marks(self) -> None:
        """Whether the index is certainly inside depends on a range."""
        self.first[self.at] = True

    @action
    def counts(self) -> None:
        self.met += 1

    @action
    def spares(self) -> None:
        require(self.spare == 2)
        self.at = self.spare - 2

    @observer
    def total(self) -> int:
        return sum(self.left[n] for n in NODES)


def settings(cls: type[Design], number: int, seed: int) -> Iterator[Binding]:
    """Yield the defaults, and bindings at random bounds and with random features."""
    rng, (bounds, features) = Random(seed), declared(cls)
    yield bind(cls, {}, (), ())
    for _ in range(number):
        sizes = {n: b.default + rng.choice((-1, 0, 0, 1)) for n, b in bounds.items()}
        sizes = {n: k for n, k in sizes.items() if not outside(cls, bounds[n], k)}
        on = [n for n in features if rng.random() < 0.3]
        try:
            yield bind(cls, sizes, (), with_needs(features, on, ()))
        except ModelError:  # sizes or features that do not go together
            continue


def agrees(cls: type[Design], number: int, seed: int = 1) -> Results:
    """Compare compilations of the class, and return what was kept."""
    results = Results()
    for binding in settings(cls, number, seed):
        try:
            found = _compile(cls, binding, Results())
        except (ModelError, UserError):  # sizes that the design cannot have
            continue
        assert found == _compile(cls, binding, results)
        assert found == _compile(cls, binding, results)
    return results


def test_each_way_to_depend_on_a_size() -> None:
    results = agrees(Rows, 25)
    became: Counter[str] = Counter()
    for key, node in results.roots.items():
        waiting = [node]
        while waiting:
            one = waiting.pop()
            became[key[0] or key[1]] += one.question is None
            waiting += one.then.values()
    assert became == {
        "take": 6,  # N = 1, 2, 3, each with and without TWICE
        "bounded": 3,
        "marks": 2,  # MOST <= 2, or not
        "counts": 3,
        "spares": 2,
        "total": 3,
    }


@pytest.mark.slow
@pytest.mark.parametrize("known", shipped_designs(), ids=lambda k: k.name)
def test_every_shipped_design(known: DesignRef) -> None:
    assert agrees(known.cls, 2).roots
