"""`python -m fluxgate` is the command `fluxgate`."""

from __future__ import annotations

import sys

from fluxgate.cli.main import main

sys.exit(main())
