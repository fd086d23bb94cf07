"""python deploy/observability/checks [--metrics FILE] [COMPOSE...]: see `check`."""

import argparse
import sys
import tempfile
from pathlib import Path

import alerts
import breakage
import composed
import compose_file
import dashboards
import loaded
import metrics
import pipelines
from site_files import Site, copy_to

RULES = [*metrics.RULES, *alerts.RULES, *dashboards.RULES, *pipelines.RULES, *compose_file.RULES, *loaded.RULES]


def problems(site):
    for rule in RULES:
        try:
            yield from rule(site)
        except Exception as error:  # what a rule stumbles over is a problem too
            yield f"{rule.__name__}: {error!r}"


def main():
    repository = Path(__file__).resolve().parents[3]
    arguments = argparse.ArgumentParser(prog="deploy/observability/check")
    arguments.add_argument("--metrics", type=Path, default=repository / "docs/metrics.md", help="the table of metrics")
    arguments.add_argument("compose", nargs="*", default=["docker-compose"], help="compose commands to try")
    given = arguments.parse_args()
    if not given.metrics.exists():
        sys.exit(f"missing: {given.metrics}, the table of metrics")

    with tempfile.TemporaryDirectory(prefix="vision-observability-") as work:
        work = Path(work)
        site = Site(copy_to(repository, given.metrics, work / "as-it-is"))
        found = list(problems(site))
        print(site.summary())
        print(f"{len(RULES)} rules, {len(found)} problems")
        for compose in given.compose:
            of_compose = list(composed.problems(site, compose))
            print(f"{composed.version(compose)}: {len(of_compose)} problems")
            found += of_compose
        if not found:
            found = list(breakage.unseen(repository, given.metrics, work, problems))
            print(f"{len(breakage.CASES)} ways to break it, {len(found)} unnoticed")
        for problem in found:
            print(f"  {problem}")
    sys.exit(1 if found else 0)


main()
