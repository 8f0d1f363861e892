"""A process of a runner that is killed while it tells something: `python -m tests.fleet.cut_short FOLDER`."""

from __future__ import annotations

import os
import signal

if __name__ == "__main__":
    os.write(1, b'{"says":"half a li')
    os.kill(os.getpid(), signal.SIGKILL)
