"""`python -m graph` is the command `usergraph`."""

import sys

from graph.cli import main

sys.exit(main())
