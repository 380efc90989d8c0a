"""Placeholder until the frontend lands: see `compile_design`'s contract.

compile_design(cls, bounds={}, without=(), having=(), symbolic=frozenset())
    -> checker.compiled.Compiled
Raises checker.diagnostic.Mistake(span, message) for text it refuses.
"""
