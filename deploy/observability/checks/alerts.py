"""Every alert is tested and explained."""


def tested(site):
    for name in site.alerts:
        expected = [case["exp_alerts"] for case in site.alert_tests if case["alertname"] == name]
        if not any(expected):
            yield f"{name}: no test where it fires"
        if all(expected):
            yield f"{name}: no test where it does not fire"
    for name in {case["alertname"] for case in site.alert_tests} - set(site.alerts):
        yield f"{name}: tested, but there is no such alert"


def explained(site):
    for name, rule in site.alerts.items():
        runbook = f"docs/troubleshooting.md#{name.lower()}"
        if rule["annotations"].get("runbook") != runbook:
            yield f"{name}: its runbook is not {runbook}"
        if not rule["annotations"].get("summary"):
            yield f"{name}: no summary"
        if rule["labels"].get("severity") not in ("critical", "warning"):
            yield f"{name}: neither critical nor a warning"
        if not site.section(name.lower()):
            yield f"{name}: no text in docs/troubleshooting.md"
    headings = [line[4:] for line in (site.root / "docs/troubleshooting.md").read_text().splitlines() if line.startswith("### Vision")]
    for name in set(headings) - set(site.alerts):
        yield f"docs/troubleshooting.md explains {name}, which is no alert"


RULES = [tested, explained]
