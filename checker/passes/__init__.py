"""From a transition system to a smaller one: reduce, components, symmetry."""
