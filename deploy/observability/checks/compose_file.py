"""The profile in docker-compose.yml: nothing without it, and no way between the nodes with it."""

import re

PROFILE = ["observability"]
NODES = ["node1", "node2", "node3"]
# Who must get to the nodes' services, or they to it.
AMONG_NODES = {"otel-collector", "prometheus"}
PASSED = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG", "OTEL_SDK_DISABLED"]


def observers(site):
    return {name: service for name, service in site.compose["services"].items() if "profiles" in service}


def nodes_services(site):
    return {name: service for name, service in site.compose["services"].items() if "profiles" not in service}


def members(site):
    if set(observers(site)) != {"otel-collector", "jaeger", "prometheus", "grafana"}:
        yield f"compose: of the profile are {sorted(observers(site))}"
    for name, service in observers(site).items():
        if service["profiles"] != PROFILE:
            yield f"compose: {name} is in {service['profiles']}"
    if len(nodes_services(site)) != 16:
        yield f"compose: {len(nodes_services(site))} services without the profile, not init and fifteen"


def confined(site):
    for name, service in observers(site).items():
        if not (service.get("read_only") and service.get("cap_drop") == ["ALL"] and "no-new-privileges:true" in service.get("security_opt", [])):
            yield f"compose: {name} may write or gain rights"
        if not service.get("mem_limit") or not service.get("pids_limit"):
            yield f"compose: {name} has no limit"
        if not re.search(r":v?\d+\.\d+\.\d+$", service["image"]):
            yield f"compose: {name} has no pinned version: {service['image']}"
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            if source.startswith(".") and not (volume.endswith(":ro") and (site.root / source).is_dir()):
                yield f"compose: {name} mounts {volume}, which is not there or may be written"
            if not source.startswith(".") and source not in site.compose["volumes"]:
                yield f"compose: {name} mounts {volume}"


def ports(site):
    seen, variables = {}, {}
    for name, service in site.compose["services"].items():
        for published in service.get("ports", []):
            variable = re.search(r"\$\{([A-Z0-9_]+):-\d+\}", published)
            if not variable or variables.setdefault(variable[1], published) != published:
                yield f"compose: {name} publishes {published} without a variable of its own"
            address, _, _ = re.sub(r"\$\{[A-Z0-9_]+:-(\d+)\}", r"\1", published).rpartition(":")
            if not address.startswith("127.0.0.1:"):
                yield f"compose: {name} publishes {published} to the world"
            if seen.setdefault(address, name) != name:
                yield f"compose: {name} and {seen[address]} publish {address}"


def apart(site):
    for name, service in observers(site).items():
        networks = set(service["networks"])
        if networks != ({"metrics", *NODES} if name in AMONG_NODES else {"metrics"}):
            yield f"compose: {name} is in {sorted(networks)}"
        if name in AMONG_NODES and service.get("sysctls") != {"net.ipv4.ip_forward": "0"}:
            yield f"compose: {name} may forward between nodes"
    for name, service in nodes_services(site).items():
        if "metrics" in service.get("networks", []):
            yield f"compose: {name} is in the network of those who look"
    prometheus = site.compose["services"]["prometheus"]
    alias = "prometheus.metrics"
    if f"--web.listen-address={alias}:9090" not in prometheus["command"] or (prometheus["networks"]["metrics"] or {}).get("aliases") != [alias]:
        yield "compose: Prometheus listens to the nodes"
    if any((prometheus["networks"][node] or {}).get("aliases") for node in NODES):
        yield "compose: Prometheus has another name among the nodes"
    # Where Docker publishes a port of a container in several networks; Prometheus listens in this one only.
    if min(prometheus["networks"]) != "metrics" or "metrics" not in site.compose["networks"]:
        yield "compose: metrics is not the first network by name"


def variables(site):
    for name, service in nodes_services(site).items():
        if service.get("environment") != PASSED:
            yield f"compose: {name} does not get the variables as they are set, or gets more"


def targets(site):
    """Exactly the fifteen services, each at the address its health check knows, or at its name."""
    wanted = {}
    for name, service in nodes_services(site).items():
        if name != "init":
            node, _, kind = name.partition("-")
            host, _, number = service["healthcheck"]["test"][-1].rpartition(":")
            wanted[node, kind] = f"{name if host == '127.0.0.1' else host}:{number}"
    jobs = {job["job_name"]: job for job in site.prometheus["scrape_configs"]}
    asked = {}
    for entry in jobs["vision"]["static_configs"]:
        asked[entry["labels"]["node"], entry["labels"]["service"]] = entry["targets"][0]
    for key in wanted.keys() | asked.keys():
        if wanted.get(key) != asked.get(key):
            yield f"prometheus.yml: {' '.join(key)} is at {wanted.get(key)} and asked at {asked.get(key)}"
    if jobs["vision"].get("honor_labels"):
        yield "prometheus.yml: a node may speak for another"
    actions = [entry["action"] for entry in jobs["vision"]["metric_relabel_configs"]]
    if actions != ["keepequal", "labeldrop"]:
        yield "prometheus.yml: a gateway's page counts its node's series twice"


def clones(site):
    """Nothing bears a name that a clone in another directory has too."""
    for file in [site.root / ".env", site.here / "compose.env"]:
        if re.search(r"^\s*COMPOSE_PROJECT_NAME", file.read_text(), re.MULTILINE):
            yield f"compose: {file.name} gives every clone one project"
    if "name" in site.compose:
        yield "compose: docker-compose.yml gives every clone one project"
    for name, service in site.compose["services"].items():
        if "container_name" in service:
            yield f"compose: {name} has one name in every clone"
    for kind in ["networks", "volumes"]:
        for name, made in site.compose[kind].items():
            if {"name", "external"} & (made or {}).keys():
                yield f"compose: {name} of {kind} is one in every clone"


def home(site):
    grafana = site.compose["services"]["grafana"]
    path = grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    provider = site.yaml("grafana/provisioning/dashboards/dashboards.yaml")["providers"][0]
    folder, _, file = path.rpartition("/")
    if provider["options"]["path"] != folder or file not in site.dashboards:
        yield f"compose: Grafana's first page {path} is none of the dashboards it loads"
    if not any(volume.split(":")[1] == folder for volume in grafana["volumes"]):
        yield f"compose: Grafana's dashboards are not mounted at {folder}"


RULES = [members, confined, ports, apart, variables, targets, clones, home]
