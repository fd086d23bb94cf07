"""Names in an expression of PromQL. Whether it is one is for promtool to say: this only has to read what parses."""

import re

TOKEN = re.compile(r'\s+|#[^\n]*|"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'|\[[^\]]*\]|[A-Za-z_:][A-Za-z0-9_:]*|[0-9][0-9a-zA-Z.]*|=~|!~|!=|.', re.S)
# Words before a list of labels in parentheses; what follows the name of a function; words that are neither function nor metric.
BEFORE_LABELS = {"by", "without", "on", "ignoring", "group_left", "group_right"}
CALLS = {"(", "by", "without"}
WORDS = BEFORE_LABELS | {"and", "or", "unless", "bool", "offset", "atan2", "inf", "nan"}


def read(expression):
    """([(metric, [labels of its selector])], [labels of by, on and so on])"""
    tokens = [token for token in TOKEN.findall(expression) if not token.isspace() and not token.startswith("#")]
    metrics, grouped, at = [], [], 0
    while at < len(tokens):
        token, following = tokens[at], tokens[at + 1] if at + 1 < len(tokens) else ""
        at += 1
        if token in BEFORE_LABELS and following == "(":
            end = tokens.index(")", at)
            grouped += [label for label in tokens[at + 1 : end] if label != ","]
            at = end + 1
        elif token == "{" or (is_name(token) and following not in CALLS and token.lower() not in WORDS):
            selector = []
            if token == "{" or following == "{":
                end = tokens.index("}", at)
                selector = tokens[at + (token != "{") : end]
                at = end + 1
            labels = [selector[i] for i in range(0, len(selector), 4)]
            names = [token] if token != "{" else named(selector)
            metrics += [(name, [label for label in labels if label != "__name__"]) for name in names]
    return metrics, grouped


def named(selector):
    """What `__name__=~"..."` stands for; here only ever one name, with or without an end."""
    return [re.sub(r"\(_total\)\?$", "", selector[i + 2].strip("\"'")) for i in range(0, len(selector), 4) if selector[i] == "__name__"]


def is_name(token):
    return re.fullmatch(r"[A-Za-z_:][A-Za-z0-9_:]*", token) is not None


def filled_in(expression):
    """A query of a dashboard as Grafana would send it."""
    for variable, value in {"$__rate_interval": "1m", "$__range": "30m", "$node": ".*"}.items():
        expression = expression.replace(variable, value)
    return expression
