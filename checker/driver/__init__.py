"""Questions that users ask: a check, a review, a size, a guarantee, mutants."""
