"""Which objects there are, what they name, and which container sees which file."""

import base64
from collections import Counter

from rendered import name_of

# Who sees what under /data: nobody sees more than it reads.
VIEWS = {
    "chain": {
        "config.toml": "config",
        "genesis.json": "config",
        "node.pub": "config",
        "peer.cert": "config",
        "peer.key": "peer",
        "data": "chain",
    },
    "sync-oracle": {"config.toml": "config", "node.pub": "config"},
    "selection": {"config.toml": "config", "node.pub": "config"},
    "producer": {
        "config.toml": "config",
        "node.pub": "config",
        "genesis.json": "config",
        "producer.key": "producer",
        "data": "claims",
    },
    "gateway": {"config.toml": "config", "node.pub": "config"},
    "first-claims": {"data": "claims"},
}
PUBLIC = {"config.toml", "genesis.json", "node.pub", "peer.cert"}


def counts(site):
    """Exactly these objects, and the Jobs apart from the rest."""
    n = site.nodes
    expected = {
        "Namespace": 1,
        "StatefulSet": n,
        "PersistentVolumeClaim": 2 * n,
        "ConfigMap": n,
        "Secret": 2 * n,
        "Service": n + 1,
        "NetworkPolicy": 2,
        "PodDisruptionBudget": 1,
    }
    for title, objects, wanted in (("apply", site.applied, expected), ("create", site.created, {"Job": n})):
        found = Counter(o["kind"] for o in objects)
        if found != wanted:
            yield f"{title} gets {dict(found)}, not {wanted}"
    names = Counter((o["kind"], name_of(o)) for o in site.applied + site.created)
    yield from (f"{kind} {name} is there {times} times" for (kind, name), times in names.items() if times > 1)
    for o in site.applied + site.created:
        wanted = None if o["kind"] == "Namespace" else site.namespace
        if o["metadata"].get("namespace") != wanted:
            yield f"{o['kind']} {name_of(o)} is not in namespace {wanted}"
    for o in site.all("StatefulSet"):
        if o["spec"].get("replicas") != 1:
            yield f"{name_of(o)}: one key must not have {o['spec'].get('replicas')} pods"
    if sorted(pod.node for pod in site.node_pods()) != site.names:
        yield f"the pods are of {sorted(pod.node for pod in site.node_pods())}, not of {site.names}"


def file_views(site):
    """Each container sees its files and no other, and they are those of its own node."""
    for pod in site.pods():
        volumes = {volume["name"]: volume for volume in pod.spec["volumes"]}
        used = set()
        for container in pod.containers:
            where = f"{pod.name}/{container['name']}"
            view = {}
            for mount in container["volumeMounts"]:
                volume = volumes[mount["name"]]
                used.add(mount["name"])
                target = mount["mountPath"].removeprefix("/data/")
                view[target] = mount["name"]
                yield from content(site, pod, where, target, mount, volume)
            if view != VIEWS.get(container["name"]):
                yield f"{where} sees {view}"
            if container.get("env") or container.get("envFrom"):
                yield f"{where} has variables in its environment"
        if used != set(volumes):
            yield f"{pod.name}: no container needs {sorted(set(volumes) - used)}"


def content(site, pod, where, target, mount, volume):
    """The object behind a mount exists and holds what init made for this very node."""
    if "persistentVolumeClaim" in volume:
        claim = volume["persistentVolumeClaim"]["claimName"]
        if claim != f"{pod.node}-{volume['name']}" or not site.one("PersistentVolumeClaim", claim):
            yield f"{where}: {target} is on a volume {claim}"
        if "subPath" in mount or mount.get("readOnly"):
            yield f"{where}: {target} must be a whole volume to write to"
        return
    if "secret" in volume:
        kind, name = "Secret", volume["secret"]["secretName"]
        if volume["secret"].get("defaultMode") != 0o440:
            yield f"{where}: {name} is open to others than root and the pod's group"
    else:
        kind, name = "ConfigMap", volume["configMap"]["name"]
    source = site.one(kind, name)
    if source is None:
        yield f"{where}: {target} is from {kind} {name}, which is not there"
        return
    found = source.get("data", {}).get(mount.get("subPath"))
    if kind == "Secret" and found is not None:
        found = base64.b64decode(found)
    elif found is not None:
        found = found.encode()
    if found is None or found != site.files[pod.node].get(target):
        yield f"{where}: {target} is not what init made for {pod.node}"
    if not mount.get("readOnly"):
        yield f"{where}: {target} can be written to"


def secrets_apart(site):
    """Secrets hold one key each, and nothing else holds a key."""
    for o in site.all("ConfigMap"):
        if set(o["data"]) != PUBLIC or o.get("binaryData"):
            yield f"{name_of(o)} holds {sorted(o['data'])}"
    held = [tuple(o["data"]) for o in site.all("Secret")]
    if sorted(held) != sorted([("peer.key",), ("producer.key",)] * site.nodes):
        yield f"the Secrets hold {held}"
    keys = [value for o in site.all("Secret") for value in o["data"].values()]
    if len(set(keys)) != len(keys):
        yield "two Secrets hold the same key"


RULES = [counts, file_views, secrets_apart]
