"""The files of one copy of the repository that observability is made of."""

import json
import shutil
from functools import cached_property
from pathlib import Path

import yaml

from promql import filled_in

# The same in C, where it was built.
Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
HERE = "deploy/observability"


def copy_to(repository, metrics, to):
    """What the rules read, so that it may be broken."""
    shutil.copytree(repository / HERE, to / HERE, ignore=shutil.ignore_patterns("checks", "__pycache__"))
    (to / "docs").mkdir()
    for name in ["docker-compose.yml", ".env", "docs/troubleshooting.md"]:
        shutil.copy(repository / name, to / name)
    shutil.copy(metrics, to / "docs/metrics.md")
    return to


class Site:
    def __init__(self, root):
        self.root = Path(root)
        self.here = self.root / HERE

    def yaml(self, name):
        return yaml.load((self.here / name).read_text(), Loader)

    @cached_property
    def compose(self):
        return yaml.load((self.root / "docker-compose.yml").read_text(), Loader)

    @cached_property
    def prometheus(self):
        return self.yaml("prometheus/prometheus.yml")

    @cached_property
    def rules(self):
        """Every rule, recorded and alerting."""
        files = sorted((self.here / "prometheus/rules").glob("*.yml"))
        return [rule for file in files for group in yaml.load(file.read_text(), Loader)["groups"] for rule in group["rules"]]

    @property
    def alerts(self):
        return {rule["alert"]: rule for rule in self.rules if "alert" in rule}

    @property
    def recorded(self):
        return {rule["record"] for rule in self.rules if "record" in rule}

    @cached_property
    def alert_tests(self):
        files = sorted((self.here / "tests").glob("*.yml"))
        tests = [test for file in files for test in yaml.load(file.read_text(), Loader)["tests"]]
        return [case for test in tests for case in test.get("alert_rule_test", [])]

    @cached_property
    def sources(self):
        """The provisioned data sources by uid."""
        provisioned = self.yaml("grafana/provisioning/datasources/datasources.yaml")["datasources"]
        return {source["uid"]: source for source in provisioned}

    @cached_property
    def dashboards(self):
        return {file.name: json.loads(file.read_text()) for file in sorted((self.here / "grafana/dashboards").glob("*.json"))}

    @property
    def expressions(self):
        """(where, expression) of every query of every dashboard, annotations and variables included, as Grafana would send it."""
        for name, board in self.dashboards.items():
            for panel in board["panels"]:
                for target in panel.get("targets", []):
                    if "expr" in target:
                        yield f"{name}, {panel['title']}", filled_in(target["expr"])
            for annotation in board["annotations"]["list"]:
                yield f"{name}, annotation {annotation['name']}", filled_in(annotation["expr"])
            for variable in board["templating"]["list"]:
                if variable["type"] == "query":
                    # label_values(SELECTOR, LABEL) is Grafana's, not PromQL.
                    inside = variable["query"]["query"].removeprefix("label_values(").removesuffix(")")
                    yield f"{name}, variable {variable['name']}", inside.rpartition(",")[0]

    def section(self, anchor):
        """The text under that heading of docs/troubleshooting.md; None without the heading."""
        text = (self.root / "docs/troubleshooting.md").read_text()
        for part in text.split("\n#")[1:]:
            heading, _, body = part.partition("\n")
            if heading.lstrip("# ").lower().replace(" ", "-") == anchor:
                return body.strip()
        return None

    def summary(self):
        queries = len(list(self.expressions))
        return (
            f"{len(self.alerts)} alerts, {len(self.recorded)} recorded, {len(self.alert_tests)} tests of alerts, "
            f"{len(self.dashboards)} dashboards with {queries} queries"
        )
