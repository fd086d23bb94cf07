"""What the tests on a running network share."""

import http.client
import json
import os
import subprocess
import time

DEADLINE_S = 120


class Failed(Exception):
    pass


class Testnet:
    """Nodes below the directory `home`, run by this binary."""

    def __init__(self, binary, home):
        self.binary, self.home = binary.resolve(), home

    def __call__(self, command, *more, **variables):
        # What the caller's shell traces is nothing to these nodes.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")} | variables
        command = [self.binary, "testnet", command, *more, "--dir", self.home]
        # In a session of its own: Ctrl-C is for this program, which then lets it end what it has started.
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        process = subprocess.Popen(command, env=environment, start_new_session=True, **pipes)
        try:
            said, _ = process.communicate(timeout=DEADLINE_S)
        except subprocess.TimeoutExpired:
            raise Failed(f"{' '.join(map(str, command))}: not within {DEADLINE_S} s") from None
        finally:
            end(process)
        if process.returncode != 0:
            raise Failed(f"{' '.join(map(str, command))}: {said}")

    def nodes(self):
        return json.loads((self.home / "testnet.json").read_text())["nodes"]

    def down(self):
        if (self.home / "testnet.json").exists():
            self("down")


def end(process):
    """In good order, or at all."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait(what, look):
    """Until `look` returns no complaint."""
    started = time.monotonic()
    while complaint := answer(look):
        if time.monotonic() - started > DEADLINE_S:
            raise Failed(f"{what}: not within {DEADLINE_S} s: {complaint}")
        time.sleep(0.2)
    print(f"ok: {what} ({time.monotonic() - started:.1f} s)", flush=True)


def answer(look):
    """Who is starting, or short of time on a busy machine, is asked again."""
    try:
        return look()
    except (OSError, http.client.HTTPException) as error:
        return error
