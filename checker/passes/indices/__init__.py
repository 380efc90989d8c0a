# SPDX-License-Identifier: GPL-2.0-only
"""Interchangeable indices: ints that only say which cell of a table is meant.

A page of a file is an int, and yet most designs would not notice if two pages
of a file changed places. A permutation of such indices moves the cells of
tables, and nothing else. It may be another one in each row (the cells that
differ in the index only), or must be one for all rows, where a formula compares
cells of two rows at one index.

Papers: Ip and Dill, "Better verification through symmetry" (1996); Emerson and
Wahl, "Dynamic symmetry reduction" (2005) for permutations that grow with a run.

Soundness. Each formula is read for the sets of indices that it tells apart: an
index that stands alone is such a set, and so are those that occur in operands
of one commutative operator which are alike but for the index. A permutation
that maps each set to itself maps each formula to itself, up to the order of
operands. Two indices are in one class if no set has only one of them. A set may
count until a variable has passed a value (a program that has made its call): the
variable never decreases, so the permutations of a state are also permutations
of all later ones, and states that differ by one are bisimilar.
"""
