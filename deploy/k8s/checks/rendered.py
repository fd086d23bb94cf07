"""The rendered objects of one network, and questions about them."""

from dataclasses import dataclass

import yaml


@dataclass
class Pod:
    """A pod as its controller will make it."""

    name: str
    labels: dict
    spec: dict
    of: dict

    @property
    def containers(self):
        return self.spec.get("initContainers", []) + self.spec["containers"]

    @property
    def node(self):
        return self.labels.get("vision/node")


@dataclass
class Site:
    """What `kubectl apply` and `kubectl create` get, and the files that init made: {node: {file name: bytes}}."""

    nodes: int
    applied: list
    created: list
    files: dict

    @property
    def namespace(self):
        return name_of(self.all("Namespace")[0])

    @property
    def names(self):
        return [f"node{i}" for i in range(1, self.nodes + 1)]

    def all(self, *kinds):
        return [o for o in self.applied + self.created if o["kind"] in kinds]

    def one(self, kind, name):
        """The object of that name; None if there is not exactly one."""
        found = [o for o in self.all(kind) if name_of(o) == name]
        return found[0] if len(found) == 1 else None

    def pods(self):
        """The pods of all nodes, and those of the Jobs."""
        return self.node_pods() + self.job_pods()

    def node_pods(self):
        return [
            pod_of(f"{name_of(o)}-{index}", o)
            for o in self.all("StatefulSet")
            for index in range(o["spec"].get("replicas", 1))
        ]

    def job_pods(self):
        return [pod_of(f"{name_of(o)}-random", o) for o in self.all("Job")]


def pod_of(name, controller):
    template = controller["spec"]["template"]
    return Pod(name, template["metadata"].get("labels", {}), template["spec"], controller)


def name_of(thing):
    return thing["metadata"]["name"]


def load(path):
    with open(path, encoding="utf-8") as file:
        return [o for o in yaml.safe_load_all(file) if o]


def matches(selector, labels):
    """Whether a LabelSelector selects these labels. An empty one selects everything."""
    known_only(selector, "matchLabels", "matchExpressions")
    for key, value in selector.get("matchLabels", {}).items():
        if labels.get(key) != value:
            return False
    for term in selector.get("matchExpressions", []):
        if term["operator"] != "In":
            raise NotImplementedError(f"operator {term['operator']}")
        if labels.get(term["key"]) not in term["values"]:
            return False
    return True


def known_only(thing, *keys):
    """What this check does not understand it must not pass over."""
    unknown = set(thing) - set(keys)
    if unknown:
        raise NotImplementedError(f"this check does not know {', '.join(sorted(unknown))}")
