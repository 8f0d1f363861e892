"""Text on a page: whatever a stranger wrote stays text, on one line, and not longer than anybody reads."""

from __future__ import annotations

import re
from typing import Any

from markupsafe import Markup

from fluxgate.files import is_name
from fluxgate.report.escaping import LONGEST, plain, shortened

_UNFIT = re.compile(r"[^a-z0-9-]+")


def shown(value: Any) -> Any:
    """What the template writes of a value; it is escaped after that, unless it is markup of our own."""
    if isinstance(value, str) and not isinstance(value, Markup):
        text = shortened(value, LONGEST)
        return text if text.isprintable() else plain(text)
    return value


def anchor(case_id: str, number: int) -> str:
    """Where a case is on the page: by its name, so that a link to it stays right, or by its number if that is odd."""
    return f"case-{case_id}" if is_name(case_id) else f"case-number-{number}"


def slug(text: str) -> str:
    """A word of our own as a class."""
    return _UNFIT.sub("-", text.lower())
