# SPDX-License-Identifier: GPL-2.0-only
"""The modelling language: a design is a plain Python class.

    VMAS = Scalarset("VMAS", Bound("V", 2), prefix="v")

    class Pool(Design):
        "A pool of pages that mappings reserve from."
        resv = var(Int(0, Bound("B", 3)))
        live = table(VMAS, Bool())

        @action(kernel="mm/hugetlb.c:hugetlb_reserve_pages")
        def mmap(self, vma: VMAS) -> Errno:
            require(not self.live[vma])
            ...
            return OK

An instance (`Pool(bounds={"V": 3})`) runs under CPython unchanged: pdb,
coverage, hypothesis and the replay of traces work on it. checker.frontend.design
compiles the same text. In the methods of an instance, names of bounds, domains
and features mean that instance's values: the methods are rebound to a namespace
where `V` is 3 and `VMAS` can be iterated. There, `any` and `all` evaluate every
element, because an aggregate has no order.

The kernel's own assertions are fields over `Counter`, `warn_on(condition)` and
`bug_on(condition)`. Each is an implicit property of the design, and every check
includes it beside the spec's own; a violation is a finding with a trace. `assert`
and the range of an `Int` are about the model: a violation means that the design
is not what its author meant, and ends the check.

Import what a design needs from here. domains.py has the domains and their values,
declarations.py fields, actions and blocks, methods.py and contents.py the lists of
all that a design has, failures.py the calls that may fail. With design.py, cells.py
and bound_classes.py a design runs under CPython.
"""

from __future__ import annotations

from poolproof.model.language.cells import TableValue
from poolproof.model.language.contents import (
    Slot,
    bind,
    declared,
    outside,
    slots,
    structural,
    with_needs,
)
from poolproof.model.language.declarations import (
    ActionMark,
    Block,
    Field,
    action,
    domain,
    invariant,
    made_like,
    members,
    observer,
    own_classes,
    table,
    var,
)
from poolproof.model.language.design import Design
from poolproof.model.language.domains import (
    ANY,
    Arithmetic,
    Assumed,
    Binding,
    Bool,
    Bound,
    Counter,
    Disabled,
    Domain,
    Either,
    Element,
    Feature,
    Given,
    Int,
    KernelBug,
    KernelWarning,
    Maybe,
    ModelError,
    Natural,
    OutOfDomain,
    OutOfRange,
    Scalarset,
    SetOf,
    Values,
    Wrapping,
    assume,
    bug_on,
    require,
    warn_on,
)
from poolproof.model.language.failures import (
    FAILS,
    FAILURES,
    LEFT,
    NONE_FAILS,
    choice,
    may_fail,
)
from poolproof.model.language.methods import (
    Forward,
    action_methods,
    blocks,
    chosen_parameters,
    closure,
    evaluated,
    forwarded,
    invariant_methods,
    no_hook,
    observer_methods,
    parameter_domain,
    parameters,
    resolved,
    returns,
    task_parameter,
    yields,
)
from poolproof.model.language.spelling import did_you_mean, nearest, nearest_name

__all__ = [
    "ANY",
    "FAILS",
    "FAILURES",
    "LEFT",
    "NONE_FAILS",
    "ActionMark",
    "Arithmetic",
    "Assumed",
    "Binding",
    "Block",
    "Bool",
    "Bound",
    "Counter",
    "Design",
    "Disabled",
    "Domain",
    "Either",
    "Element",
    "Feature",
    "Field",
    "Forward",
    "Given",
    "Int",
    "KernelBug",
    "KernelWarning",
    "Maybe",
    "ModelError",
    "Natural",
    "OutOfDomain",
    "OutOfRange",
    "Scalarset",
    "SetOf",
    "Slot",
    "TableValue",
    "Values",
    "Wrapping",
    "action",
    "action_methods",
    "assume",
    "bind",
    "blocks",
    "bug_on",
    "choice",
    "chosen_parameters",
    "closure",
    "declared",
    "did_you_mean",
    "domain",
    "evaluated",
    "forwarded",
    "invariant",
    "invariant_methods",
    "made_like",
    "may_fail",
    "members",
    "nearest",
    "nearest_name",
    "no_hook",
    "observer",
    "observer_methods",
    "outside",
    "own_classes",
    "parameter_domain",
    "parameters",
    "require",
    "resolved",
    "returns",
    "slots",
    "structural",
    "table",
    "task_parameter",
    "var",
    "warn_on",
    "with_needs",
    "yields",
]
