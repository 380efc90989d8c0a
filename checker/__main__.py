"""`python -m checker` is `poolproof`."""

import sys

from checker.cli import main

sys.exit(main())
