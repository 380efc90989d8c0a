"""From a design class to a transition system."""
