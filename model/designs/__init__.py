"""One file for each design; each header cites its source and version."""
