"""docker-compose.yml as one compose reads it, with the profile and without."""

import os
import subprocess

import yaml

from site_files import HERE

WITH = ["--env-file", f"{HERE}/compose.env"]
ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


def run(site, compose, *arguments):
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "COMPOSE_"))}
    done = subprocess.run([*compose.split(), *arguments], cwd=site.root, env=clean, capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip())
    return done.stdout


def version(compose):
    try:
        said = subprocess.run([*compose.split(), "version", "--short"], capture_output=True, text=True, timeout=60, check=True).stdout
        return f"{compose} {said.strip()}"
    except (OSError, subprocess.CalledProcessError) as error:
        return f"{compose} ({error})"


def problems(site, compose):
    try:
        for options, profile, endpoint in [([], False, None), (WITH, True, "http://otel-collector:4317")]:
            services = yaml.safe_load(run(site, compose, *options, "config"))["services"]
            # The first generation shows a service whether its profile is on or not.
            running = {name for name, service in services.items() if profile or not service.get("profiles")}
            if len(running) != (20 if profile else 16):
                yield f"{compose} {options}: {len(running)} services"
            for name in running - {"otel-collector", "jaeger", "prometheus", "grafana"}:
                got = services[name]["environment"].get(ENDPOINT)
                if got != endpoint:
                    yield f"{compose} {options}: {name} sends to {got}"
    except (OSError, RuntimeError) as error:
        yield f"{compose}: {error}"
