"""What all engines share: the meaning of a search, whatever it is for."""
