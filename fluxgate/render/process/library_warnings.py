"""What the libraries warn of, through Python's warnings and through their loggers."""

from __future__ import annotations

import logging
import re
import warnings
from typing import Any

LOGGERS = ("diffusers", "transformers", "accelerate", "bitsandbytes", "huggingface_hub", "torch")
MOST_WARNINGS = 200
LONGEST_WARNING = 500
STYLE = re.compile(r"\x1b\[[0-9;]*m")  # what makes a line bold on a terminal


class LibraryWarnings(logging.Handler):
    """Collects warnings from now on, each once."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._lines: dict[str, bool] = {}  # line -> whether it was given out
        warnings.simplefilter("default")
        self._show, warnings.showwarning = warnings.showwarning, self._warned
        for name in LOGGERS:
            logging.getLogger(name).addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        self._add(f"{record.name}: {record.getMessage()}")

    def _warned(self, message: Any, category: Any, *place: Any, **more: Any) -> None:
        self._show(message, category, *place, **more)
        self._add(f"{category.__name__}: {message}")

    def _add(self, line: str) -> None:
        if len(self._lines) < MOST_WARNINGS:
            self._lines.setdefault(STYLE.sub("", line)[:LONGEST_WARNING], False)

    def new(self) -> tuple[str, ...]:
        """Those that were not given out yet."""
        lines = tuple(line for line, given_out in self._lines.items() if not given_out)
        self._lines = dict.fromkeys(self._lines, True)
        return lines


def hide_progress_bars() -> None:
    """Keep progress bars out of the log, whose last lines must show why a worker died."""
    import diffusers
    import transformers

    diffusers.utils.logging.disable_progress_bar()
    transformers.utils.logging.disable_progress_bar()
