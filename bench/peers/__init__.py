"""The reference model in other checkers' languages."""
