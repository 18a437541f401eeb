"""`python -m argotune.cli`, the same as `argotune`."""

import sys

from argotune.cli import main

sys.exit(main())
