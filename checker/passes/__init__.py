"""A transition system to a smaller one: symmetry, components."""
