"""Breaks the objects in many ways, one at a time: a rule that notices none of them is no rule."""

import copy

from rendered import name_of

CUT = object()
POD = "StatefulSet/node1-vision spec.template.spec"
JOB = "Job/node1-first-claims spec"
NODES = "NetworkPolicy/nodes spec"
PRODUCER_KEY = {"name": "producer", "mountPath": "/data/producer.key", "subPath": "producer.key", "readOnly": True}


def put(path, value=CUT):
    """Sets, adds to a list (`+`) or cuts out what is at `KIND/NAME field.field...`; list items go by name or number."""
    thing, _, fields = path.partition(" ")
    kind, _, name = thing.partition("/")

    def act(site):
        at = site.one(kind, name) if name else site.all(kind)[0]
        *steps, last = fields.split(".")
        for step in steps:
            at = at[index(at, step)]
        if last == "+":
            at.append(value)
        elif value is CUT:
            del at[index(at, last)]
        else:
            at[index(at, last)] = value

    return act


def index(at, step):
    if isinstance(at, dict):
        return step.replace("|", ".")
    return int(step) if step.isdigit() else [item["name"] for item in at].index(step)


def both(*acts):
    return lambda site: [act(site) for act in acts]


def config(old, new):
    """An edit of node1's config.toml that reaches file and ConfigMap alike."""

    def act(site):
        text = site.files["node1"]["config.toml"].decode()
        assert old in text, old
        site.files["node1"]["config.toml"] = text.replace(old, new).encode()
        of_node = next(o for o in site.all("ConfigMap") if name_of(o).startswith("node1-"))
        of_node["data"]["config.toml"] = text.replace(old, new)

    return act


def same_key(site):
    """The Secrets of two nodes with the producer key of the first."""
    first, second = [o for o in site.all("Secret") if "producer.key" in o["data"]][:2]
    second["data"] = dict(first["data"])


def drop(kind):
    return lambda site: site.applied.remove(site.all(kind)[0])


# What is done, and what some problem must then say.
CASES = [
    ("a field mistyped", put("StatefulSet spec.replica", 1), "'replica' was unexpected"),
    ("a value of another type", put("Service/vision-p2p spec.ports", "7072"), "is not of type"),
    ("two pods of a name", put("StatefulSet spec.replicas", 2), "must not have 2 pods"),
    ("a Secret lost", drop("Secret"), "which is not there"),
    ("no disruption budget", drop("PodDisruptionBudget"), "apply gets"),
    ("a Job applied", lambda site: site.applied.append(site.created.pop()), "apply gets"),
    ("a Job that goes away", put(f"{JOB}.ttlSecondsAfterFinished", 9), "could replace lost claims"),
    ("another namespace", put("StatefulSet metadata.namespace", "default"), "not in namespace"),
    # Files
    ("the key in the gateway", put(f"{POD}.containers.gateway.volumeMounts.+", PRODUCER_KEY), "-0/gateway sees"),
    ("genesis missing", put(f"{POD}.containers.producer.volumeMounts.1"), "-0/producer sees"),
    ("one key for two nodes", same_key, "hold the same key"),
    ("the key of another node", same_key, "producer.key is not what init made for node2"),
    ("a key in a ConfigMap", put("ConfigMap data.peer|key", "00"), "node1-config-"),
    ("a secret open to all", put(f"{POD}.volumes.peer.secret.defaultMode", 0o444), "open to others"),
    (
        "claims on the volume of the chain",
        put(f"{POD}.volumes.claims.persistentVolumeClaim.claimName", "node1-chain"),
        "data is on a volume node1-chain",
    ),
    (
        "a volume without its prefix",
        put(f"{JOB}.template.spec.volumes.claims.persistentVolumeClaim.claimName", "claims"),
        "data is on a volume claims",
    ),
    ("a variable", put(f"{POD}.containers.chain.env", [{"name": "A", "value": "b"}]), "variables in its env"),
    # Pods
    ("the host's network", put(f"{POD}.hostNetwork", True), "hostNetwork"),
    ("a host's path", put(f"{POD}.volumes.+", {"name": "h", "hostPath": {"path": "/"}}), "{'hostPath'}"),
    ("root", put(f"{POD}.securityContext.runAsUser", 0), "may run as root"),
    ("no seccomp", put(f"{POD}.securityContext.seccompProfile"), "no seccomp profile"),
    ("escalation", put(f"{POD}.containers.chain.securityContext.allowPrivilegeEscalation"), "may escalate"),
    ("capabilities", put(f"{POD}.containers.chain.securityContext.capabilities.add", ["CHOWN"]), "has capabilities"),
    ("root to write to", put(f"{POD}.containers.producer.securityContext.readOnlyRootFilesystem"), "write to its root"),
    ("no enforcement", put("Namespace metadata.labels", {}), "does not enforce"),
    ("an image without a tag", put(f"{JOB}.template.spec.containers.0.image", "vision"), "the images are"),
    ("service links", put(f"{POD}.enableServiceLinks"), "Services become settings"),
    ("a token", put(f"{POD}.automountServiceAccountToken"), "has a token"),
    ("throttling", put(f"{POD}.containers.chain.resources.limits.cpu", "1"), "of memory alone"),
    ("all restarted at once", put("StatefulSet spec.updateStrategy", {"type": "RollingUpdate"}), "restarted at once"),
    ("a service less", put(f"{POD}.containers.gateway"), "its containers are"),
    # Addresses
    ("another name", config('"node1-vision-0.vision-p2p:7072"', '"node1.vision-p2p:7072"'), "node1: advertises"),
    ("a seed less", config('"node2-vision-0.vision-p2p:7072", ', ""), "node1: seeds are"),
    ("a StatefulSet renamed", put("StatefulSet metadata.name", "vision-node1"), "is vision-node1-0.vision-p2p"),
    ("names late", put("Service/vision-p2p spec.publishNotReadyAddresses"), "has no name until"),
    ("P2P with an address", put("Service/vision-p2p spec.clusterIP"), "no headless Service"),
    ("a port moved", config(":50053", ":50063"), "readiness is not asked of the service on 50063"),
    ("a port on loopback", config("0.0.0.0:50052", "127.0.0.1:50052"), "where a probe does not come"),
    ("a call out of the pod", config("http://127.0.0.1:50053", "http://selection:50053"), "calls selection at"),
    ("liveness by neighbours", put(f"{POD}.containers.gateway.livenessProbe.grpc.service"), "liveness is not asked"),
    ("REST to chain", put("Service/node1-gateway spec.ports.0.targetPort", "chain"), "Service node1-gateway leads"),
    # Selectors
    ("REST to any node", put("Service/node1-gateway spec.selector.vision/node"), "node1-gateway selects"),
    (
        "a budget of one node",
        put("PodDisruptionBudget spec.selector.matchLabels.vision/node", "node1"),
        "vision selects ['node1-vision-0'], not",
    ),
    (
        "a spread over one node",
        put(f"{POD}.topologySpreadConstraints.0.labelSelector.matchLabels", {"vision/node": "node1"}),
        "kubernetes.io/hostname selects",
    ),
    (
        "a Job beside any node",
        put(f"{JOB}.template.spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution.0.matchLabelKeys"),
        "first-claims-random selects",
    ),
    ("a port of every host", put("Service/node1-gateway spec.type", "NodePort"), "from outside the cluster"),
    # Network
    (
        "gRPC open to nodes",
        both(put(f"{NODES}.ingress.0.ports.+", {"port": 50051}), put(f"{NODES}.egress.0.ports.+", {"port": 50051})),
        "may pass: node1-vision-0 node2-vision-0 TCP 50051",
    ),
    ("gRPC open to clients", put(f"{NODES}.ingress.1.ports"), "may pass: client node1-vision-0 TCP 50054"),
    ("REST open to everybody", put(f"{NODES}.ingress.1.from"), "may pass: stranger node1-vision-0 TCP 8080"),
    ("P2P open to a namespace", put(f"{NODES}.ingress.0.from.0.namespaceSelector", {}), "stranger node1-vision-0 TCP 7072"),
    ("a way out", put(f"{NODES}.egress.+", {}), "may pass: node1-vision-0 stranger TCP 443"),
    ("a way to any DNS", put(f"{NODES}.egress.1.to.0.namespaceSelector"), "may not pass: node1-vision-0 dns UDP 53"),
    ("no policy", put("NetworkPolicy/nothing spec.podSelector", {"matchLabels": {"a": "b"}}), "node2-first-claims-random"),
    ("no DNS", put(f"{NODES}.egress.1"), "may not pass: node1-vision-0 dns UDP 53"),
    ("no way to peers", put(f"{NODES}.egress.0"), "may not pass: node1-vision-0 node2-vision-0 TCP 7072"),
    ("an address block", put(f"{NODES}.egress.1.to.+", {"ipBlock": {"cidr": "0.0.0.0/0"}}), "does not know ipBlock"),
]


def unseen(site, problems):
    """The cases that `problems` does not see."""
    for title, act, expected in CASES:
        broken = copy.deepcopy(site)
        act(broken)
        found = problems(broken)
        if not any(expected in problem for problem in found):
            yield f"nobody noticed: {title}; found {found[:3]}"
