"""What promtool says of the files."""

import json
import subprocess


def promtool(*arguments, cwd):
    done = subprocess.run(["promtool", *arguments], cwd=cwd, capture_output=True, text=True, timeout=60)
    if done.returncode == 0:
        return None
    lines = [line.strip() for line in (done.stdout + done.stderr).splitlines()]
    return " ".join(line for line in lines if line and not line.startswith(("Checking", "SUCCESS", "Unit Testing")))


def configuration(site):
    said = promtool("check", "config", "prometheus.yml", cwd=site.here / "prometheus")
    if said:
        yield f"prometheus.yml: {said}"
    if site.prometheus["rule_files"] != ["rules/*.yml"]:
        yield "prometheus.yml: Prometheus does not load the rules"


def tests_of_alerts(site):
    files = sorted(str(file.relative_to(site.here)) for file in (site.here / "tests").glob("*.yml"))
    said = promtool("test", "rules", *files, cwd=site.here)
    if said:
        yield f"tests: {said}"


def queries_parse(site):
    """Each query of the dashboards as the expression of a recording rule: JSON is YAML too."""
    queries = list(site.expressions)
    rules = [{"record": f"query:{number}", "expr": query} for number, (_, query) in enumerate(queries)]
    file = site.root / "queries.yml"
    file.write_text(json.dumps({"groups": [{"name": "queries", "rules": rules}]}))
    said = promtool("check", "rules", str(file), cwd=site.root)
    if said:
        broken = [where for number, (where, _) in enumerate(queries) if f'"query:{number}"' in said]
        yield f"{'; '.join(broken)}: {said}"


RULES = [configuration, tests_of_alerts, queries_parse]
