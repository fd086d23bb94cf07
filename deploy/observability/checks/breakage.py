"""Breaks the files in many ways, one at a time: a rule that notices none of them is no rule."""

import shutil

from site_files import HERE, Site, copy_to

ALERTS = f"{HERE}/prometheus/rules/alerts.yml"
RECORDED = f"{HERE}/prometheus/rules/recorded.yml"
PROMETHEUS = f"{HERE}/prometheus/prometheus.yml"
COLLECTOR = f"{HERE}/otel-collector/config.yaml"
JAEGER = f"{HERE}/jaeger/config.yaml"
SOURCES = f"{HERE}/grafana/provisioning/datasources/datasources.yaml"
ENV = f"{HERE}/compose.env"
COMPOSE = "docker-compose.yml"
TROUBLE = "docs/troubleshooting.md"


def board(name):
    return f"{HERE}/grafana/dashboards/{name}.json"


def swap(file, old, new, times=-1):
    """An edit that must change something."""

    def act(root):
        text = (root / file).read_text()
        assert old in text, f"{old!r} is not in {file}"
        (root / file).write_text(text.replace(old, new, times))

    return act


def without(file):
    return lambda root: (root / file).unlink()


# What is done, and what some problem must then say.
CASES = [
    # Prometheus
    ("a setting mistyped", swap(PROMETHEUS, "scrape_interval", "scrape_intervall"), "scrape_intervall"),
    ("rules not loaded", swap(PROMETHEUS, "rules/*.yml", "rules/*.yaml"), "Prometheus does not load"),
    ("a port mistyped", swap(PROMETHEUS, "node2-producer:50054", "node2-producer:50053"), "node2 producer is at"),
    ("a service forgotten", swap(PROMETHEUS, '      - {targets: ["node3-gateway:8080"], labels: {node: node3, service: gateway}}\n', ""), "node3 gateway"),
    ("chain asked where it does not listen", swap(PROMETHEUS, "node1-chain.private", "node1-chain"), "node1 chain is at"),
    ("a node believed about others", swap(PROMETHEUS, "job_name: vision\n", "job_name: vision\n    honor_labels: true\n"), "speak for another"),
    ("series counted twice", swap(PROMETHEUS, "keepequal", "dropequal"), "twice"),
    ("Jaeger asked at another port", swap(PROMETHEUS, "jaeger:8888", "jaeger:8889"), "job jaeger calls"),
    # Alerts
    ("an alert that does not parse", swap(ALERTS, "max(vision_chain_head_timestamp_seconds) > 15", "max(vision_chain_head_timestamp_seconds > 15"), "parse"),
    ("a metric mistyped in an alert", swap(ALERTS, "vision_chain_store_free_bytes <", "vision_chain_store_free_byte <"), "nobody exposes vision_chain_store_free_byte"),
    ("a label mistyped in an alert", swap(ALERTS, 'cause!="shutdown"', 'reason!="shutdown"'), "has no label reason"),
    ("a grouping mistyped", swap(ALERTS, "sum by (node, service)", "sum by (nod, service)"), "label nod"),
    ("another threshold", swap(ALERTS, "> 8", "> 80"), "tests:"),
    ("a comparison turned round", swap(ALERTS, "vision_chain_store_free_bytes <", "vision_chain_store_free_bytes >"), "tests:"),
    ("reset taken for growth", swap(ALERTS, "increase(vision_chain_store_failures_total[5m])", "changes(vision_chain_store_failures_total[5m])"), "tests:"),
    ("one lagging node taken for all", swap(ALERTS, "max(vision_chain_head_timestamp_seconds)", "min(vision_chain_head_timestamp_seconds)"), "tests:"),
    ("an alert at once", swap(ALERTS, "for: 15s", "for: 0s"), "tests:"),
    ("forks seen only at this moment", swap(ALERTS, "by_height[10m]", "by_height[1s]"), "tests:"),
    ("a fork by one wrong answer", swap(ALERTS, "(min_over_time(vision:checkpoint", "(max_over_time(vision:checkpoint"), "tests:"),
    ("any reorg taken for a deep one", swap(ALERTS, '"3(\\\\.0)?"', '"[12](\\\\.0)?"'), "tests:"),
    ("an alert renamed", swap(ALERTS, "alert: VisionDeepReorg", "alert: VisionReorg"), "VisionReorg: no test where it fires"),
    ("no test where it fires", swap(f"{HERE}/tests/store.yml", "alertname: VisionDiskLow\n", "alertname: VisionDiskFilling\n"), "VisionDiskLow: no test where it fires"),
    (
        "no test where it does not",
        swap(f"{HERE}/tests/services.yml", "alertname: VisionNotScraped, exp_alerts: []}", "alertname: VisionServiceDown, exp_alerts: []}"),
        "VisionNotScraped: no test where it does not",
    ),
    ("tests of a file lost", without(f"{HERE}/tests/telemetry.yml"), "VisionSpansDropped: no test"),
    ("no runbook", swap(ALERTS, "          runbook: docs/troubleshooting.md#visionclockskew\n", ""), "VisionClockSkew: its runbook"),
    ("no text for an alert", swap(TROUBLE, "### VisionNoBlock", "### No block"), "VisionNoBlock: no text"),
    ("text for an alert of old", swap(TROUBLE, "### VisionNoBlock", "### VisionHalted\n\nOld.\n\n### VisionNoBlock"), "VisionHalted, which is no alert"),
    ("a severity nobody routes", swap(ALERTS, "severity: warning", "severity: warn"), "neither critical nor a warning"),
    ("the recorded series renamed", swap(RECORDED, "record: vision:checkpoint_hash:by_height", "record: vision:checkpoint_hashes"), "vision:checkpoint_hash:by_height"),
    # Dashboards
    ("a metric mistyped on a dashboard", swap(board("network"), "vision_chain_peers{", "vision_chain_peer{"), "nobody exposes vision_chain_peer"),
    ("a counter without its end", swap(board("telemetry"), "spans_exported_total", "spans_exported"), "nobody exposes vision_telemetry_spans_exported"),
    (
        "a histogram's base name",
        swap(board("rpc"), "rpc_server_call_duration_seconds_count", "rpc_server_call_duration_seconds"),
        "nobody exposes rpc_server_call_duration_seconds",
    ),
    ("a label mistyped on a dashboard", swap(board("rpc"), "rpc_response_status_code!=", "rpc_status!="), "has no label rpc_status"),
    ("a query that does not parse", swap(board("storage"), "[$__rate_interval]))", "[$__rate_interval])", 1), "storage.json"),
    ("a variable that is not there", swap(board("slots"), '\\"$node\\"', '\\"$host\\"'), "no variable host"),
    ("a data source of another uid", swap(board("overview"), '"uid": "vision-prometheus"', '"uid": "prometheus"'), "data source prometheus"),
    ("a data source's uid changed", swap(SOURCES, "uid: vision-jaeger", "uid: jaeger"), "not one of the two fixed uids"),
    ("exemplars lead nowhere", swap(SOURCES, "datasourceUid: vision-jaeger", "datasourceUid: tempo"), "exemplars lead to tempo"),
    ("a dashboard's uid twice", swap(board("rpc"), '"uid": "vision-rpc"', '"uid": "vision-slots"'), "uid vision-slots is on two"),
    ("a panel over another", swap(board("slots"), '"x": 12', '"x": 6'), "over"),
    ("a dashboard that is no JSON", swap(board("rpc"), '"panels": [', '"panels": [,'), "JSONDecodeError"),
    ("another first page", without(board("overview")), "none of the dashboards"),
    # Collector and Jaeger
    ("a processor without a definition", swap(COLLECTOR, "[memory_limiter, batch]", "[memory_limiter, batch, attributes]"), "attributes of the processors"),
    ("memory limited last", swap(COLLECTOR, "[memory_limiter, batch]", "[batch, memory_limiter]"), "limit its memory first"),
    ("an exporter of the large distribution", swap(COLLECTOR, "otlp_grpc/jaeger", "zipkin/jaeger"), "it has no zipkin/jaeger"),
    ("spans sent to another port", swap(COLLECTOR, "jaeger:4317", "jaeger:14250"), "the collector calls jaeger:14250"),
    ("Jaeger reads another storage", swap(JAEGER, "storage: {traces: memory}", "storage: {traces: badger}"), "not one storage"),
    ("the nodes send to another port", swap(ENV, ":4317", ":55680"), "the nodes calls"),
    # Compose
    ("part of the profile always on", swap(COMPOSE, "profiles: [observability]", "profiles: [monitoring]"), "is in ['monitoring']"),
    ("a service of a node in the profile", swap(COMPOSE, "  node3-gateway:\n", "  node3-gateway:\n    profiles: [observability]\n"), "of the profile are"),
    ("a newest version", swap(COMPOSE, "prom/prometheus:v3.13.5", "prom/prometheus:latest"), "no pinned version"),
    ("a port for the world", swap(COMPOSE, '"127.0.0.1:${GRAFANA_PORT:-3000}:3000"', '"${GRAFANA_PORT:-3000}:3000"'), "to the world"),
    ("a port of a node", swap(COMPOSE, "PROMETHEUS_PORT:-9090", "PROMETHEUS_PORT:-8080"), "publish 127.0.0.1:8080"),
    ("a port that cannot be changed", swap(COMPOSE, "127.0.0.1:${JAEGER_PORT:-16686}", "127.0.0.1:16686"), "without a variable of its own"),
    ("two ports by one variable", swap(COMPOSE, "NODE2_REST_PORT", "NODE1_REST_PORT"), "without a variable of its own"),
    ("one project for every clone", swap(".env", "#", "COMPOSE_PROJECT_NAME=vision\n#"), "gives every clone one project"),
    ("the same with the profile", swap(ENV, "COMPOSE_PROFILES", "COMPOSE_PROJECT_NAME=vision\nCOMPOSE_PROFILES"), "gives every clone one project"),
    ("a container named for all", swap(COMPOSE, "  grafana:\n", "  grafana:\n    container_name: grafana\n"), "grafana has one name"),
    ("a volume named for all", swap(COMPOSE, "\n  testnet:\n", "\n  testnet: {name: testnet}\n"), "testnet of volumes is one"),
    ("files that may be changed", swap(COMPOSE, "/etc/prometheus:ro", "/etc/prometheus"), "may be written"),
    ("files that are not there", swap(COMPOSE, "./deploy/observability/jaeger:", "./deploy/jaeger:"), "not there"),
    (
        "Jaeger among the nodes",
        swap(COMPOSE, "networks: [metrics]\n    volumes: [\"./deploy/observability/jaeger", "networks: [metrics, node1]\n    volumes: [\"./deploy/observability/jaeger"),
        "jaeger is in",
    ),
    ("a node among those who look", swap(COMPOSE, "networks: [node1]", "networks: [node1, metrics]", 1), "network of those who look"),
    ("a way from node to node", swap(COMPOSE, 'net.ipv4.ip_forward: "0"', 'net.ipv4.ip_forward: "1"'), "may forward"),
    ("Prometheus open to the nodes", swap(COMPOSE, "listen-address=prometheus.metrics:9090", "listen-address=0.0.0.0:9090"), "listens to the nodes"),
    (
        "spans sent without the profile",
        swap(COMPOSE, "environment: [OTEL_EXPORTER_OTLP_ENDPOINT,", "environment: [OTEL_EXPORTER_OTLP_ENDPOINT=http://otel-collector:4317,"),
        "does not get the variables",
    ),
]


def unseen(repository, metrics, work, problems):
    for number, (what, act, expected) in enumerate(CASES):
        root = copy_to(repository, metrics, work / str(number))
        act(root)
        said = []
        # The first that says it is enough: promtool comes last, and takes longest.
        for problem in problems(Site(root)):
            said.append(problem)
            if expected in problem:
                break
        else:
            yield f"unnoticed: {what} (no problem says {expected!r} but {said})"
        shutil.rmtree(root)
