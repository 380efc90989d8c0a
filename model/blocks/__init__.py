"""Building blocks: parts of the kernel that designs are made of."""
