"""Inside: the function that a worker loads a pipeline by when a fault is to be in its libraries."""

from __future__ import annotations

import os
from typing import Any

from fluxgate.prove.fault import Loaded
from fluxgate.prove.faults import fault_named
from fluxgate.prove.patching import apply, counting
from fluxgate.refusal import Refusal
from fluxgate.strategies import STRATEGIES
from fluxgate.strategies.promise import Site

VARIABLE = "FLUXGATE_FAULT"  # names the fault to a worker
COUNT = "fired"  # in a case's folder: a byte for each time that the fault did something


def load(site: Site) -> Any:
    """Load as the case's strategy does, in a process whose libraries have the fault that the environment names."""
    fault = fault_named(os.environ.get(VARIABLE, ""))
    folder = site.scratch.parent  # the case's own, which is called like the case
    name = folder.name.removeprefix(f"{site.subject.name}-")
    strategy = next((one for one in STRATEGIES if one.name == name), None)
    if strategy is None:
        raise Refusal(f"{folder.name} is the case of no strategy, so no fault can be shown there.")
    fired = counting(folder / COUNT)
    apply(fault.patch, fired)
    site.begin()  # the patch is no change that loading leaves
    pipeline = strategy.load(site)
    if isinstance(fault.patch, Loaded):
        fault.patch.change(pipeline, fired)
    return pipeline
