"""Who is selected by what, and who may reach whom."""

from rendered import known_only, matches, name_of

CLIENT_LABEL = {"vision/gateway-client": "true"}


def selectors(site):
    """Every selector selects exactly the pods it is for."""
    pods, everyone = site.pods(), [pod.name for pod in site.node_pods()]

    def selected(selector):
        return [pod.name for pod in pods if matches(selector, pod.labels)]

    def differs(what, selector, wanted):
        found = selected(selector)
        if found != wanted:
            yield f"{what} selects {found}, not {wanted}"

    for pod in site.node_pods():
        yield from differs(name_of(pod.of), pod.of["spec"]["selector"], [pod.name])
        for spread in pod.spec["topologySpreadConstraints"]:
            yield from differs(f"{pod.name} {spread['topologyKey']}", spread["labelSelector"], everyone)
    for service in site.all("Service"):
        headless = service["spec"].get("clusterIP") == "None"
        wanted = everyone if headless else [f"{name_of(service).removesuffix('-gateway')}-vision-0"]
        yield from differs(name_of(service), {"matchLabels": service["spec"]["selector"]}, wanted)
        if service["spec"].get("type", "ClusterIP") != "ClusterIP":
            yield f"{name_of(service)} is reached from outside the cluster"
    for budget in site.all("PodDisruptionBudget"):
        yield from differs(name_of(budget), budget["spec"]["selector"], everyone)
        if budget["spec"].get("maxUnavailable") != 1:
            yield f"{name_of(budget)}: more than one node may be drained at once"
    for pod in site.job_pods():
        terms = pod.spec["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
        for term in terms:
            own = {key: pod.labels[key] for key in term.get("matchLabelKeys", [])}
            selector = {"matchLabels": {**term["labelSelector"]["matchLabels"], **own}}
            yield from differs(pod.name, selector, [f"{pod.node}-vision-0"])


class Place:
    """A pod anywhere, as a NetworkPolicy sees it."""

    def __init__(self, name, namespace, namespace_labels, labels):
        self.name, self.namespace, self.labels = name, namespace, labels
        self.namespace_labels = {**namespace_labels, "kubernetes.io/metadata.name": namespace}


def places(site):
    ours = [Place(pod.name, site.namespace, {}, pod.labels) for pod in site.pods()]
    copied = {**site.node_pods()[0].labels, **CLIENT_LABEL}
    return ours + [
        Place("client", "shop", CLIENT_LABEL, {}),
        Place("stranger", "elsewhere", {}, copied),
        Place("stranger here", site.namespace, {}, {"app": "other"}),
        Place("dns", "kube-system", {}, {"k8s-app": "kube-dns"}),
        Place("other system pod", "kube-system", {}, {"k8s-app": "other"}),
    ]


def allowed(site, source, target, protocol, port):
    """Whether a connection passes the policies of both ends."""
    return passes(site, "Egress", source, target, protocol, port) and passes(
        site, "Ingress", target, source, protocol, port
    )


def passes(site, direction, place, other, protocol, port):
    mine = [
        policy["spec"]
        for policy in site.all("NetworkPolicy")
        if policy["metadata"]["namespace"] == place.namespace
        and direction in policy["spec"]["policyTypes"]
        and matches(policy["spec"]["podSelector"], place.labels)
    ]
    if not mine:
        return True
    end = "to" if direction == "Egress" else "from"
    for spec in mine:
        known_only(spec, "podSelector", "policyTypes", "ingress", "egress")
        for rule in spec.get(direction.lower(), []):
            known_only(rule, end, "ports")
            for number in rule.get("ports", []):
                known_only(number, "protocol", "port")
            # A list left out stands for everybody, or every port.
            ports = [(p.get("protocol", "TCP"), p["port"]) for p in rule.get("ports", [])] or [(protocol, port)]
            who = end not in rule or any(is_peer(peer, place, other) for peer in rule[end])
            if who and (protocol, port) in ports:
                return True
    return False


def is_peer(peer, place, other):
    known_only(peer, "podSelector", "namespaceSelector")
    if "namespaceSelector" in peer:
        near = matches(peer["namespaceSelector"], other.namespace_labels)
    else:
        near = other.namespace == place.namespace
    return near and matches(peer.get("podSelector", {}), other.labels)


def network(site):
    """Exactly the edges of the architecture pass, of all pairs and all ports that anybody listens on."""
    everywhere = places(site)
    nodes = {pod.name for pod in site.node_pods()}
    ours = nodes | {pod.name for pod in site.job_pods()} | {"stranger here"}
    ports = {("TCP", p["containerPort"]) for pod in site.node_pods() for c in pod.containers for p in c["ports"]}
    ports |= {("UDP", 53), ("TCP", 53), ("TCP", 80), ("TCP", 443), ("UDP", 7072)}
    expected = {(a, b, "TCP", 7072) for a in nodes for b in nodes if a != b}
    expected |= {("client", node, "TCP", 8080) for node in nodes}
    expected |= {(node, "dns", protocol, 53) for node in nodes for protocol in ("TCP", "UDP")}
    found = {
        (a.name, b.name, protocol, port)
        for a in everywhere
        for b in everywhere
        for protocol, port in ports
        if a is not b and {a.name, b.name} & ours and allowed(site, a, b, protocol, port)
    }
    yield from (f"may pass: {' '.join(map(str, edge))}" for edge in sorted(found - expected))
    yield from (f"may not pass: {' '.join(map(str, edge))}" for edge in sorted(expected - found))


RULES = [selectors, network]
