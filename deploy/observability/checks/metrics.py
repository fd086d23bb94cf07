"""Every name in an expression is one that somebody exposes: docs/metrics.md for the nodes, which a test there compares with a running net."""

import re

import promql

# Of a target as such, and what Prometheus, its scrapes and the collector have of their own.
TARGET = {"job", "instance", "node", "service", "le"}
OUTSIDE = {
    "up": set(),
    "scrape_duration_seconds": set(),
    "scrape_samples_post_metric_relabeling": set(),
    "ALERTS": {"alertname", "alertstate", "severity"},
    "prometheus_tsdb_head_series": set(),
    "prometheus_rule_evaluation_failures_total": {"rule_group"},
    "otelcol_receiver_accepted_spans": set(),
    "otelcol_receiver_refused_spans": set(),
    "otelcol_exporter_sent_spans": set(),
    "otelcol_exporter_send_failed_spans": set(),
    "otelcol_exporter_enqueue_failed_spans": set(),
    "otelcol_exporter_queue_size": set(),
}
# By rule: labels that its expression makes.
RECORDED = {"height", "hash"}


def documented(site):
    """{name as in an expression: its labels}"""
    found, columns = {}, {}
    for line in (site.root / "docs/metrics.md").read_text().splitlines():
        if not line.startswith("|"):
            columns = {}
            continue
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip("|"))]
        if not columns:
            columns = {name.lower(): place for place, name in enumerate(cells)}
        elif "name" in columns and (name := re.match(r"`([a-zA-Z_:][\w:]*)", cells[columns["name"]])):
            kind = cells[columns["type"]].lower()
            labels = set(re.findall(r"`?\b([a-z_]+)\b`?", re.sub(r"\(.*?\)|=\S*", "", cells[columns["labels"]])))
            for end in ends(name[1], kind):
                found[name[1] + end] = labels
    return found


def ends(name, kind):
    if kind.startswith(("histogram", "h")):
        return ["_bucket", "_sum", "_count"]
    return ["_total"] if kind.startswith("c") and not name.endswith("_total") else [""]


def used(site):
    yield from site.expressions
    for rule in site.rules:
        yield rule.get("alert") or rule["record"], rule["expr"]


def names_exist(site):
    known = {**documented(site), **OUTSIDE, **{name: RECORDED for name in site.recorded}}
    every_label = TARGET.union(*known.values())
    if len(known) < 60:
        yield f"docs/metrics.md: only {len(known)} metrics were read"
    for where, expression in used(site):
        metrics, grouped = promql.read(expression)
        if not metrics:
            yield f"{where}: no metric in {expression}"
        for name, labels in metrics:
            if name not in known:
                yield f"{where}: nobody exposes {name}"
            elif strange := set(labels) - known[name] - TARGET:
                yield f"{where}: {name} has no label {', '.join(sorted(strange))}"
        if strange := set(grouped) - every_label:
            yield f"{where}: no metric has a label {', '.join(sorted(strange))}"


RULES = [names_exist]
