"""`python -m heliostat` is `heliostat`."""

import sys

from heliostat.cli import main

sys.exit(main())
