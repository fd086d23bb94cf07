"""A receiver of spans that others wrote, rotel, and what it prints of each."""

import os
import re
import signal
import socket
import subprocess
from collections import defaultdict
from dataclasses import dataclass, field

from live import Failed, end

FIELD = re.compile(r"(?:    (Trace ID|Parent ID|ID|Name) +|(Start time|End time)): ?(.*)")
ATTRIBUTE = re.compile(r"     -> ([^:]+): \w+\((.*)\)")


@dataclass
class Span:
    resource: dict
    fields: dict = field(default_factory=dict)
    attributes: dict = field(default_factory=dict)

    trace = property(lambda self: self.fields["Trace ID"])
    parent = property(lambda self: self.fields["Parent ID"])
    id = property(lambda self: self.fields["ID"])
    name = property(lambda self: self.fields["Name"])
    start_ns = property(lambda self: int(self.fields["Start time"]))
    end_ns = property(lambda self: int(self.fields["End time"]))
    node = property(lambda self: self.resource.get("service.instance.id"))
    service = property(lambda self: self.resource.get("service.name"))

    def __str__(self):
        return f"{self.name} ({self.id}) of {self.service} of {self.node}, below {self.parent or 'nothing'}"


class Receiver:
    def __init__(self, binary, work):
        self.binary, self.file = binary.resolve(), work / "receiver.log"
        self.grpc = self.http = self.process = None
        self.traces = defaultdict(list)
        self.file.touch()
        self.printed = self.file.open(errors="replace")

    def start(self):
        self.rest, self.resource, self.span = "", {}, None
        # Started again it listens where it did: the nodes know no other place.
        if not self.grpc:
            self.grpc, self.http = free_ports()
        endpoints = [f"--otlp-{kind}-endpoint=127.0.0.1:{port}" for kind, port in {"grpc": self.grpc, "http": self.http}.items()]
        command = [self.binary, "start", "--exporter=blackhole", *endpoints, "--debug-log=traces", "--debug-log-verbosity=detailed"]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ROTEL_")}
        with self.file.open("a") as log:
            # In a session of its own: Ctrl-C is for this program, which ends it after the nodes.
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True)

    def listens(self):
        if self.process.poll() is not None:
            raise Failed("the receiver has ended")
        for port in (self.grpc, self.http):
            socket.create_connection(("127.0.0.1", port), 10).close()

    def freeze(self):
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)

    def stop(self):
        if self.process:
            # A frozen process meets its end only when it goes on.
            self.go_on()
            end(self.process)
            self.read()

    def trace(self, id):
        self.read()
        return self.traces[id]

    def spans(self):
        self.read()
        return [span for trace in self.traces.values() for span in trace]

    def read(self):
        """What it has printed since it was last looked at."""
        *lines, self.rest = (self.rest + self.printed.read()).split("\n")
        for line in lines:
            self.take(line)

    def take(self, line):
        if line.startswith("ResourceSpans #"):
            self.resource, self.span = {}, None
        elif line.startswith("Span #"):
            self.span = Span(self.resource)
        elif attribute := ATTRIBUTE.fullmatch(line):
            (self.span.attributes if self.span else self.resource)[attribute[1]] = attribute[2]
        elif self.span and (told := FIELD.fullmatch(line)):
            name = told[1] or told[2]
            self.span.fields[name] = told[3]
            # A span without an end is not there yet: it may be half printed.
            if name == "End time":
                self.traces[self.span.trace].append(self.span)

    def log_lines(self):
        """Its log lines, which stand between the spans."""
        return [line for line in self.file.read_text(errors="replace").splitlines() if re.search(r"ERROR|WARN|INFO|panicked|error:", line)]


def free_ports():
    """Two that systems give to nobody unasked: while the receiver is stopped they must stay free."""
    found = []
    for port in range(24317, 24417):
        with socket.socket() as tried:
            try:
                tried.bind(("127.0.0.1", port))
            except OSError:
                continue
            found.append(port)
        if len(found) == 2:
            return found
    raise Failed("no free ports from 24317 to 24416")
