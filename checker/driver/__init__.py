"""What users ask for: a check, a review, a size, a guarantee, mutants."""
