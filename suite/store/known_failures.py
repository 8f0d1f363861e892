"""Known failures: what upstream has broken, as data with a version range, an owner and a date to look again."""

from __future__ import annotations

import datetime
from dataclasses import dataclass


@dataclass(frozen=True)
class KnownFailure:
    """One failure that is expected, and until when."""

    subject: str  # a name, or "*" for every subject
    strategy: str
    check: str  # one of the checks, or "*" for every check of the case
    reason: str
    upstream: tuple[str, ...]  # addresses of the issue or pull request
    versions: tuple[str, ...]  # requirements such as "bitsandbytes<=0.50.2"; all of them must hold
    since: datetime.date
    owner: str
    review_by: datetime.date
    device: str | None = None  # "cuda" or "cpu" where it fails on one of them only
