"""A process on a node that renders case after case: `python -m fluxgate.fleet.case_process FOLDER [PIPELINE…]`."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import msgspec

from fluxgate.cases import Case
from fluxgate.environment import Environment
from fluxgate.fleet.job import Job, News
from fluxgate.fleet.nodes import kind_differs
from fluxgate.fleet.serving import RESULT, NextJob, Tell, serve
from fluxgate.refusal import Refusal
from fluxgate.render.pool.workers import Workers
from fluxgate.strategies.available import strategies
from fluxgate.strategies.record import restored
from fluxgate.subjects import sources


def main() -> None:
    serve(render_jobs)


def render_jobs(next_job: NextJob, folder: Path, tell: Tell) -> None:
    """Render what comes, with workers whose libraries are imported once: those of the pipelines that the command line
    names, if it does, before the first case has come."""
    pipelines = tuple(sys.argv[2:])
    with ExitStack() as resources:
        workers = resources.enter_context(Workers(pipelines=pipelines)) if pipelines else None
        environment = Environment.current()
        while True:
            job = msgspec.json.decode(next_job(), type=Job)
            try:
                case = case_of(job, environment)
                source = sources.locate(case.subject)
                if workers is None or job.pipelines != pipelines:
                    resources.close()
                    workers, pipelines = resources.enter_context(Workers(pipelines=job.pipelines)), job.pipelines
                workers.takes, workers.vram_limit = job.takes, job.vram_limit
                _render(case, folder / RESULT, source, workers, timeout=job.timeout, tell=tell)
            except Refusal as refusal:
                tell(News(refused=str(refusal)))


def _render(case: Case, folder: Path, source: Path, workers: Workers, *, timeout: float, tell: Tell) -> None:
    workers.render(case, folder, source=source, timeout=timeout, report=lambda line: tell(News(says=line)))
    tell(News(ended=True))


def case_of(job: Job, environment: Environment) -> Case:
    """The case, with this node's own code for its strategy; refused where node and session do not fit together."""
    differs = kind_differs((environment.machine, environment.stack), (job.machine, job.stack))
    if differs is not None:
        raise Refusal(f"The node is not what it was: {differs}.")
    settled = restored(job.strategy)
    own = next((one for one in strategies() if one.name == settled.name), None)
    if own is None:
        raise Refusal(f"The node has no strategy {settled.name}.")
    return Case(job.subject, replace(settled, load=own.load), environment.machine.device)


if __name__ == "__main__":
    main()
