"""How a gate is held."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fluxgate.gate.environments.commits import Checkout
from fluxgate.session.tiers import Tier

# In the folder of runs: renderings by stack; in that, what was tried, and which stacks are rendered anew.
STACKS, JOURNAL, ANEW = "stacks", "journal", "anew"


@dataclass(frozen=True)
class Settings:
    """What a user has asked for, beside the upgrade itself."""

    subjects: tuple[str, ...] = ()
    tier: Tier = Tier.SHORT
    strategies: tuple[str, ...] = ()  # these in place of the tier's
    installer: str | None = None
    wheelhouse: Path | None = None
    case_timeout: str | None = None  # None: twenty times as long as the incumbent took
    repeats: int = 1  # how often each case is rendered in each stack
    culprit: bool = True
    bisect: bool = False
    checkouts: tuple[Checkout, ...] = ()  # whose commits are bisected once the releases are
    runs: Path = Path("runs")
    command: str = "fluxgate gate"
    catalogue: Path | None = None  # a file of subjects; None: the user's own, if there is one
