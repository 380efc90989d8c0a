"""A design class to a transition system."""
