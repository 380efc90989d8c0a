# SPDX-License-Identifier: GPL-2.0-only
"""A feature of a shipped design, selected by itself, does something."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.system import TransitionSystem
from poolproof.checker.driver.designs import DesignRef, shipped_designs
from poolproof.checker.frontend.design import compile_design
from poolproof.model.language import Feature, declared

BASES = [k for k in shipped_designs() if not k.cls.__module__.endswith(".versions")]


def shape(system: TransitionSystem) -> object:
    return (
        [(v.name, v.sort, v.lo, v.hi, v.init) for v in system.variables],
        [
            (
                a.name,
                a.parameters,
                a.guard,
                dict(a.updates),
                a.result,
                [o.formula for o in a.obligations],
            )
            for a in system.actions
        ],
        system.initial,
    )


def own(known: DesignRef) -> dict[str, Feature]:
    """The features that no base of the design has."""
    features = declared(known.cls)[1]
    for base in BASES:
        if base is not known and issubclass(known.cls, base.cls):
            features = {
                n: f for n, f in features.items() if n not in declared(base.cls)[1]
            }
    return features


def asked(known: DesignRef, features: Mapping[str, Feature]) -> None:
    """What a feature needs is declared: selected by itself, it does something."""
    plain = shape(compile_design(known.cls).system)
    for name, feature in features.items():
        if feature.default:
            continue
        system = compile_design(known.cls, having=[name]).system
        assert shape(system) != plain, name
        for need in feature.needs:
            others = [f.name for f in need.features if not f.default]
            with pytest.raises(UserError):
                compile_design(known.cls, having=[name], without=others)


@pytest.mark.parametrize("known", BASES, ids=lambda k: k.name)
def test_no_shipped_feature_is_without_effect(known: DesignRef) -> None:
    asked(known, own(known))


@pytest.mark.slow
@pytest.mark.parametrize("known", BASES, ids=lambda k: k.name)
def test_nor_is_one_that_a_base_has(known: DesignRef) -> None:
    asked(known, declared(known.cls)[1])
