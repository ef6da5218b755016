"""Starts and stops Latchkey and the programs that call it."""

import json
import os
import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

# Timeout in seconds for a program to start, to stop, and to respond to a request. The
# clients retry for up to 10 seconds by default.
TIMEOUT = 60


class Program:
    """A running program and its child processes, with their output in a file."""

    def __init__(self, command, folder, env, log):
        self.log = Path(log)
        with self.log.open("w") as output:
            self.process = subprocess.Popen(command, cwd=folder, env=env, stdout=output, stderr=output, start_new_session=True)

    def wait_for(self, ready):
        """Waits until ready returns a true value, and returns that value."""
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline and self.process.poll() is None:
            if got := ready():
                return got
            time.sleep(0.05)
        self.stop()
        raise RuntimeError(f"{self.process.args} did not start:\n{self.log.read_text()}")

    def stop(self):
        """Stops the program and its child processes, which are a process group."""
        self.signal(signal.SIGTERM)
        try:
            self.process.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            self.signal(signal.SIGKILL)
            self.process.wait()

    def signal(self, number):
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            pass  # the program has exited

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Latchkey(Program):
    """A Latchkey with an empty data folder."""

    def __init__(self, binary, folder, env):
        self.started_with = binary, folder, env
        data = Path(folder, "data")
        super().__init__([binary, "serve", "--listen", "127.0.0.1:0", "--data", data], folder, env, Path(folder, "log"))
        self.url = self.wait_for(lambda: re.search(r"http://127\.0\.0\.1:\d+(?=\n)", self.log.read_text()))[0]
        self.root_key = Path(data, "root.key").read_text().strip()
        self.env = {"LATCHKEY_URL": self.url, "LATCHKEY_ROOT_KEY": self.root_key}

    def restart(self, **more):
        """Stops it, and starts it on its data with more variables in its environment."""
        self.stop()
        binary, folder, env = self.started_with
        self.__init__(binary, folder, {**env, **more})

    @contextmanager
    def paused(self):
        """Suspends Latchkey: it accepts connections and does not respond."""
        self.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.signal(signal.SIGCONT)

    def call(self, operation, **body):
        """Calls an operation and returns its data."""
        status, _, text = request("POST", f"{self.url}/v2/{operation}", f"Bearer {self.root_key}", json.dumps(body))
        if status != 200:
            raise RuntimeError(f"{operation}: {status} {text}")
        return json.loads(text)["data"]


def service(command, folder, env):
    """Starts a program that listens on PORT, set in its environment or command, and waits until it listens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    program = Program([part.replace("PORT", str(port)) for part in command], folder, {**env, "PORT": str(port)}, Path(folder, "service.log"))
    program.wait_for(lambda: listens(port))
    program.url = f"http://127.0.0.1:{port}"
    return program


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def request(method, url, authorization=None, body=None):
    """Sends a request and returns status, headers and body. Status 0 means that the connection broke."""
    headers = {"Authorization": authorization} if authorization else {}
    if body:
        headers["Content-Type"] = "application/json"
    req = urllib.request.Request(url, method=method, headers=headers, data=body.encode() if body else None)
    try:
        with urllib.request.urlopen(req, timeout=TIMEOUT) as response:
            return response.status, response.headers, response.read().decode()
    except urllib.error.HTTPError as response:
        return response.code, response.headers, response.read().decode()
    except OSError as error:
        return 0, {}, str(error)
