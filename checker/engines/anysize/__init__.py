# SPDX-License-Identifier: GPL-2.0-only
"""Proofs for any number of elements: induction with open domains.

A design is compiled with its sizes open (`frontend.closed_forms`). `proof` looks
for lemmas and asks, for each action and each lemma, whether the lemma holds after
a step from a state with all lemmas; `questions` and `sums` put that to z3 without
quantifiers; `candidates` and `rows` guess lemmas from the states that `visits`
finds at small sizes, and `winnow` sorts many guesses out at once. A proof is
about the compiled text, for all values of the open bounds. A property without a proof
is unknown: never "violated", and, where z3 or the regions of a sum end the attempt,
never "not inductive".
"""

from poolproof.checker.engines.anysize.proof import Sources as Sources
from poolproof.checker.engines.anysize.proof import anysize as anysize
from poolproof.checker.engines.anysize.proof import anysize_of as anysize_of
