"""The collector's and Jaeger's files. Neither program can be had here: this says that they hold together, not that they are accepted."""

# What the core distribution of the collector has, and Jaeger.
KNOWN = {
    "otel-collector": {"otlp", "memory_limiter", "batch", "otlp_grpc"},
    "jaeger": {"otlp", "batch", "jaeger_storage_exporter", "jaeger_storage", "jaeger_query"},
}
KINDS = ("receivers", "processors", "exporters")


def whole(site):
    for name, known in KNOWN.items():
        config = site.yaml(f"{name}/config.yaml")
        service = config["service"]
        for kind in KINDS:
            inside = [part for pipeline in service["pipelines"].values() for part in pipeline[kind]]
            for part in set(inside) ^ set(config[kind]):
                yield f"{name}: {part} of the {kind} is only defined or only used"
        for part in set(service.get("extensions", [])) ^ set(config.get("extensions", {})):
            yield f"{name}: extension {part} is only defined or only used"
        for kind in (*KINDS, "extensions"):
            for part in config.get(kind, {}):
                if part.partition("/")[0] not in known:
                    yield f"{name}: it has no {part}"


def order(site):
    for name, pipeline in site.yaml("otel-collector/config.yaml")["service"]["pipelines"].items():
        if pipeline["processors"] != ["memory_limiter", "batch"]:
            yield f"otel-collector: {name} must limit its memory first, and batch last"


def storage(site):
    config = site.yaml("jaeger/config.yaml")
    backends = set(config["extensions"]["jaeger_storage"]["backends"])
    used = {config["extensions"]["jaeger_query"]["storage"]["traces"], config["exporters"]["jaeger_storage_exporter"]["trace_storage"]}
    if used != backends:
        yield f"jaeger: what is written, read and there is not one storage: {sorted(used | backends)}"


def ports_meet(site):
    """Who calls whom inside of the profile, by name and port."""
    collector, jaeger = site.yaml("otel-collector/config.yaml"), site.yaml("jaeger/config.yaml")
    listens = {
        "otel-collector": {port(p["endpoint"]) for p in collector["receivers"]["otlp"]["protocols"].values()} | telemetry(collector),
        "jaeger": {port(p["endpoint"]) for p in jaeger["receivers"]["otlp"]["protocols"].values()}
        | {port(jaeger["extensions"]["jaeger_query"]["http"]["endpoint"])}
        | telemetry(jaeger),
        "prometheus.metrics": {9090},
        "grafana": {3000},
    }
    env = dict(line.split("=", 1) for line in (site.here / "compose.env").read_text().splitlines() if "=" in line and line[0] != "#")
    called = {
        "the nodes": env["OTEL_EXPORTER_OTLP_ENDPOINT"],
        "the collector": collector["exporters"]["otlp_grpc/jaeger"]["endpoint"],
        **{f"data source {uid}": source["url"] for uid, source in site.sources.items()},
    }
    for job in site.prometheus["scrape_configs"]:
        if job["job_name"] != "vision":
            called[f"job {job['job_name']}"] = job["static_configs"][0]["targets"][0]
    for who, address in called.items():
        host, _, number = address.removeprefix("http://").rpartition(":")
        if int(number) not in listens.get(host, set()):
            yield f"{who} calls {address}, where nobody listens"


def telemetry(config):
    return {reader["pull"]["exporter"]["prometheus"]["port"] for reader in config["service"]["telemetry"]["metrics"]["readers"]}


def port(address):
    return int(address.rpartition(":")[2])


RULES = [whole, order, storage, ports_meet]
