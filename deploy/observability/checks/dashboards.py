"""The dashboards as Grafana would load them, as far as that can be said without it."""

import json
import re

BUILT_IN = {"__rate_interval", "__range"}


def sources(site):
    for uid, source in site.sources.items():
        if source["uid"] not in ("vision-prometheus", "vision-jaeger"):
            yield f"data source {uid}: not one of the two fixed uids"
        for to in source["jsonData"].get("exemplarTraceIdDestinations", []):
            if to["datasourceUid"] not in site.sources:
                yield f"data source {uid}: exemplars lead to {to['datasourceUid']}, which is not provisioned"


def each(site):
    for key in ("uid", "title"):
        values = [board[key] for board in site.dashboards.values()]
        for twice in {value for value in values if values.count(value) > 1}:
            yield f"{key} {twice} is on two dashboards"
    for name, board in site.dashboards.items():
        text = json.dumps(board)
        for uid, kind in set(re.findall(r'"datasource": \{"type": "(\w+)", "uid": "([^"]+)"\}', text)):
            uid, kind = kind, uid
            if site.sources.get(uid, {}).get("type") != kind:
                yield f"{name}: data source {uid} of type {kind} is not provisioned"
        if text.count('"datasource"') != len(re.findall(r'"datasource": \{"type": "\w+", "uid": "[^"]+"\}', text)):
            yield f"{name}: a data source without type and uid"
        variables = {variable["name"] for variable in board["templating"]["list"]} | BUILT_IN
        for unknown in set(re.findall(r"\$\{?(\w+)", text)) - variables - {"__all"}:
            yield f"{name}: no variable {unknown}"
        if "vision" not in board["tags"]:
            yield f"{name}: without the tag that the others' menu goes by"
        yield from panels(name, board["panels"])


def panels(name, all_panels):
    ids, taken = [panel["id"] for panel in all_panels], {}
    if len(set(ids)) != len(ids):
        yield f"{name}: two panels of one id"
    for panel in all_panels:
        title, at = panel["title"], panel["gridPos"]
        if at["x"] + at["w"] > 24:
            yield f"{name}, {title}: beyond the right edge"
        for cell in [(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])]:
            if taken.setdefault(cell, title) != title:
                yield f"{name}, {title}: over {taken[cell]}"
                break
        refs = [target["refId"] for target in panel.get("targets", [])]
        if not refs or len(set(refs)) != len(refs):
            yield f"{name}, {title}: no queries, or two of one letter"
        for target in panel.get("targets", []):
            if target["datasource"] != panel["datasource"]:
                yield f"{name}, {title}: a query to another data source than the panel's"
            if (target["datasource"]["type"] == "prometheus") != ("expr" in target):
                yield f"{name}, {title}: a query that its data source does not understand"


RULES = [sources, each]
