"""From a transition system to a smaller one: symmetry, components."""
