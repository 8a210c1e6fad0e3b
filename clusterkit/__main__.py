"""`python -m clusterkit` is `cluster-cli`."""

from __future__ import annotations

import sys

from clusterkit.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
