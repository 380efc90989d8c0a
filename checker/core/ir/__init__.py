# SPDX-License-Identifier: GPL-2.0-only
"""The expression IR: sorted, interned nodes over one operator table.

Every value of every sort is a *raw* int: a bool is 0/1, an enum label its
position, an element of a scalarset its index, a set over a domain a bit mask
(bit k is the domain's k-th value). The absent value of a ``Maybe`` domain
over a scalarset of n elements is the raw n, so "none or node" needs no sort
of its own.

Nodes are interned by (operator, sort, arguments, data): equal structure is
the same object, `is` is equality, and every fold can memoise by identity.
The sort is part of the key, so the int 1 and the bool true never meet.
A node has no source span.

Outside its index domain a table cannot be read (`defined` says where an
expression has a value), and a store changes nothing.

Build expressions with the functions below only: they check sorts and simplify.
tests/agreement/test_ir_simplify.py proves each simplification with z3. The functions
are cached, like the nodes, so building the same expression again is cheap.

nodes.py has the node, its leaves, and facts that follow from its structure;
arithmetic.py, logic.py, tables.py (with equality and choice), sets.py and
aggregates.py the constructors by sort; substitution.py other arguments or leaves;
readings.py an expression without binders, and where it has a value. Import from
here.
"""

from poolproof.checker.core.ir.aggregates import (
    above,
    aggregate,
    last,
    nested,
    number_of_values,
)
from poolproof.checker.core.ir.arithmetic import (
    add,
    as_written,
    div,
    le,
    lt,
    max_,
    min_,
    mod,
    mul,
    neg,
    sub,
)
from poolproof.checker.core.ir.logic import (
    and_,
    implies,
    not_,
    or_,
)
from poolproof.checker.core.ir.nodes import (
    FALSE,
    TRUE,
    Expr,
    binder_of,
    boolean,
    certainly_in,
    const,
    domain_of,
    local,
    num,
    param,
    sort_of_table,
    subterms,
    var,
    variables_in,
)
from poolproof.checker.core.ir.readings import (
    JOINED,
    as_equation,
    defined,
    expand,
    expand_all,
    plain,
)
from poolproof.checker.core.ir.sets import (
    card,
    diff,
    inter,
    member,
    single,
    union,
)
from poolproof.checker.core.ir.substitution import (
    BUILD,
    rebuild,
    substitute,
    substitute_all,
)
from poolproof.checker.core.ir.tables import (
    changes_of,
    eq,
    fill,
    index_space,
    ite,
    ne,
    row_wise,
    select,
    store,
)
from poolproof.checker.core.operators import (
    BINDERS,
    OPERATORS,
)
from poolproof.checker.core.show import (
    show,
)
from poolproof.checker.core.sorts import (
    BOOL,
    INT,
    Domain,
    EnumSort,
    OpenDomain,
    ScalarSort,
    SetSort,
    Sort,
    SortError,
    TableSort,
    enum_sort,
    scalar_sort,
    scalarsets,
    set_sort,
    show_raw,
    table_sort,
)

__all__ = [
    "BINDERS",
    "BOOL",
    "BUILD",
    "FALSE",
    "INT",
    "JOINED",
    "OPERATORS",
    "TRUE",
    "Domain",
    "EnumSort",
    "Expr",
    "OpenDomain",
    "ScalarSort",
    "SetSort",
    "Sort",
    "SortError",
    "TableSort",
    "above",
    "add",
    "aggregate",
    "and_",
    "as_equation",
    "as_written",
    "binder_of",
    "boolean",
    "card",
    "certainly_in",
    "changes_of",
    "const",
    "defined",
    "diff",
    "div",
    "domain_of",
    "enum_sort",
    "eq",
    "expand",
    "expand_all",
    "fill",
    "implies",
    "index_space",
    "inter",
    "ite",
    "last",
    "le",
    "local",
    "lt",
    "max_",
    "member",
    "min_",
    "mod",
    "mul",
    "ne",
    "neg",
    "nested",
    "not_",
    "num",
    "number_of_values",
    "or_",
    "param",
    "plain",
    "rebuild",
    "row_wise",
    "scalar_sort",
    "scalarsets",
    "select",
    "set_sort",
    "show",
    "show_raw",
    "single",
    "sort_of_table",
    "store",
    "sub",
    "substitute",
    "substitute_all",
    "subterms",
    "table_sort",
    "union",
    "var",
    "variables_in",
]
