"""python deploy/k8s/checks OVERLAY...: an overlay with what init made, and applied.yaml and created.yaml rendered from it."""

import sys
from pathlib import Path

import addresses
import breakage
import edges
import objects
import pods
import schemas
from rendered import Site, load

RULES = [*objects.RULES, *pods.RULES, *addresses.RULES, *edges.RULES]


def read(overlay):
    nodes = int(overlay.name.partition("-")[0])
    homes = {f"node{i}": overlay / f"node{i}" for i in range(1, nodes + 1)}
    files = {node: {f.name: f.read_bytes() for f in home.iterdir()} for node, home in homes.items()}
    return Site(nodes, load(overlay / "applied.yaml"), load(overlay / "created.yaml"), files)


def problems(site):
    found = list(schemas.schemas(site))
    if found:
        return found
    for rule in RULES:
        try:
            found += rule(site)
        except Exception as error:  # what a rule stumbles over is a problem too
            found.append(f"{rule.__name__}: {error!r}")
    return found


def main(overlays):
    failed = 0
    for overlay in map(Path, overlays):
        site = read(overlay)
        found = problems(site)
        objects_read = len(site.applied) + len(site.created)
        print(f"{overlay.name}: {objects_read} objects, {len(RULES) + 1} rules, {len(found)} problems")
        if not found and overlay == Path(overlays[0]):
            found = list(breakage.unseen(site, problems))
            print(f"{overlay.name}: {len(breakage.CASES)} ways to break it, {len(found)} unnoticed")
        for problem in found:
            print(f"  {problem}")
        failed += len(found)
    return 1 if failed else 0


sys.exit(main(sys.argv[1:]))
