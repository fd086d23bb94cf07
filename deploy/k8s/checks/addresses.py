"""config.toml against the names and ports that the manifests give."""

import tomllib

# Section of config.toml for each container, and its key with the address probed.
LISTENS = {
    "chain": ("chain", "grpc_listen"),
    "sync-oracle": ("sync_oracle", "grpc_listen"),
    "selection": ("selection", "grpc_listen"),
    "producer": ("producer", "grpc_listen"),
    "gateway": ("gateway", "listen"),
}
CALLS = {
    "sync_oracle": ["chain"],
    "producer": ["chain", "sync_oracle", "selection"],
    "gateway": ["chain", "sync_oracle", "selection", "producer"],
}
# SERVING as long as the process answers, whatever its neighbours do.
LIVES = "grpc.health.v1.Health"


def config(site, node):
    return tomllib.loads(site.files[node]["config.toml"].decode())


def port_of(address):
    return int(address.rpartition(":")[2])


def peers(site):
    """Each node calls itself what Kubernetes calls its pod, and its seeds are all the others."""
    names = {}
    for pod in site.node_pods():
        service = site.one("Service", pod.of["spec"]["serviceName"])
        if service is None or service["spec"].get("clusterIP") != "None":
            yield f"{pod.name}: serviceName is of no headless Service"
            return
        if service["spec"].get("publishNotReadyAddresses") is not True:
            yield f"{pod.name}: has no name until it is ready, and is not ready without its peers"
        names[pod.node] = f"{pod.name}.{service['metadata']['name']}"
    for node, name in names.items():
        chain = config(site, node)["chain"]
        port = port_of(chain["p2p_listen"])
        if chain["p2p_advertise"] != f"{name}:{port}":
            yield f"{node}: advertises {chain['p2p_advertise']}, is {name}:{port}"
        others = sorted(f"{other}:{port}" for key, other in names.items() if key != node)
        if sorted(chain["seeds"]) != others:
            yield f"{node}: seeds are {chain['seeds']}, not {others}"


def ports(site):
    """Probes, container ports and Services are of the ports that config.toml sets; calls stay on loopback."""
    for pod in site.node_pods():
        settings = config(site, pod.node)
        listening = {}
        for container in pod.containers:
            name, where = container["name"], f"{pod.name}/{container['name']}"
            section, key = LISTENS[name]
            address = settings[section][key]
            port = listening[section] = port_of(address)
            wanted = {port} | ({port_of(settings["chain"]["p2p_listen"])} if name == "chain" else set())
            if {p["containerPort"] for p in container["ports"]} != wanted:
                yield f"{where}: ports are {container['ports']}, config.toml says {wanted}"
            if not address.startswith("0.0.0.0:"):
                yield f"{where}: listens on {address}, where a probe does not come"
            if probe(container, "readinessProbe") != {"port": port}:
                yield f"{where}: readiness is not asked of the service on {port}"
            if probe(container, "livenessProbe") != {"port": port, "service": LIVES}:
                yield f"{where}: liveness is not asked of the process on {port}"
            startup = probe(container, "startupProbe")
            if startup != ({"port": port, "service": LIVES} if name == "chain" else None):
                yield f"{where}: startup probe {startup}"
        if len(set(listening.values())) != 5:
            yield f"{pod.name}: two services on one port: {listening}"
        for section, called in CALLS.items():
            for other in called:
                if settings[section][other] != f"http://127.0.0.1:{listening[other]}":
                    yield f"{pod.name}: {section} calls {other} at {settings[section][other]}"
        yield from service_port(site, pod, f"{pod.node}-gateway", listening["gateway"])
        yield from service_port(site, pod, pod.of["spec"]["serviceName"], port_of(settings["chain"]["p2p_listen"]))


def probe(container, kind):
    """The gRPC action of a probe; None without a probe."""
    return container[kind].get("grpc", {}) if kind in container else None


def service_port(site, pod, name, port):
    service = site.one("Service", name)
    declared = {p["name"]: p["containerPort"] for c in pod.containers for p in c["ports"]}
    found = [(p["port"], declared.get(p["targetPort"], p["targetPort"])) for p in service["spec"]["ports"]] if service else []
    if found != [(port, port)]:
        yield f"{pod.name}: Service {name} leads {found}, not to {port}"


RULES = [peers, ports]
