"""Every object against Kubernetes's own schemas; fields that these do not know are refused."""

import json
from functools import cache

import kubernetes_validate
from kubernetes_validate import utils

# The oldest version these manifests are for (matchLabelKeys), and the newest known.
VERSIONS = ("1.31", "1.37")

# It would read megabytes of definitions anew for each object.
utils.schema_contents = cache(utils.schema_contents)


def schemas(site):
    for thing in site.applied + site.created:
        yield from wrong(json.dumps(thing))


@cache
def wrong(text):
    thing, found = json.loads(text), []
    what = f"{thing['kind']} {thing['metadata'].get('name')}"
    for version in VERSIONS:
        try:
            used = kubernetes_validate.validate(thing, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            found.append(f"{what}, {version}: {'.'.join(map(str, error.path))}: {error.message}")
        else:
            if used != version:
                found.append(f"no schemas of {version} here: {used} were used")
    return found
