"""Runs every sample in the given folder, which contains the program latchkey."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import checks
from pages import extract, unmarked
from programs import TIMEOUT, Latchkey, service
from tls import TLS

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PYTHON = sys.executable
NEXT = [str(HERE / "node_modules/.bin/next"), "dev", "--hostname", "127.0.0.1", "--port", "PORT"]


@dataclass
class Service:
    """How to start a service, and what to check while Latchkey runs and after it has stopped."""

    command: list[str]
    running: list[Callable[[checks.Visit], None]]
    stopped: Callable[[checks.Visit], None] = checks.guards_stopped
    folder: str = "."
    gates: dict[str, dict] = field(default_factory=dict)  # of Latchkey, for the API of the keys
    receives: bool = False  # webhooks, at /hooks


PAGES = (
    "README.md",
    *(f"docs/{page}.md" for page in ("python", "typescript", "mcp", "recipes", "rotation", "plans", "budgets", "concepts", "errors", "webhooks")),
)

# Programs that print and exit.
SCRIPTS = {
    "tour.py": [PYTHON, "tour.py"],
    "async_tour.py": [PYTHON, "async_tour.py"],
    "retries.py": [PYTHON, "retries.py"],
    "tour.ts": ["node", "built/tour.js"],
    "retries.ts": ["node", "built/retries.js"],
    "recipes.sh": ["bash", "-u", "recipes.sh"],
    "rotation.sh": ["bash", "-u", "rotation.sh"],
    "plans.sh": ["bash", "-u", "plans.sh"],
    "budgets.sh": ["bash", "-u", "budgets.sh"],
    "recipes.go": ["./recipes"],
}

# Programs that serve HTTP. PORT is replaced by the port to listen on.
SERVICES = {
    "readme.go": Service(["./readme"], [partial(checks.guards, text="documents")]),
    "readme.mjs": Service(["node", "readme.mjs"], [checks.guards_readme]),
    "readme.py": Service([PYTHON, "readme.py"], [checks.guards_readme]),
    "fastapi_app.py": Service([PYTHON, "-m", "uvicorn", "fastapi_app:app", "--port", "PORT"], [checks.issues_keys, checks.guards_more]),
    "flask_app.py": Service([PYTHON, "-m", "flask", "--app", "flask_app", "run", "--port", "PORT"], [checks.guards_more]),
    "django/urls.py": Service(
        [PYTHON, "-m", "django", "runserver", "--noreload", "127.0.0.1:PORT"], [checks.has_open_path, checks.guards_more], folder="django"
    ),
    "hono_app.ts": Service(["node", "built/hono_app.js"], [checks.guards_more]),
    "express_app.ts": Service(["node", "built/express_app.js"], [checks.guards_more]),
    "next/app/documents/route.ts": Service(NEXT, [checks.guards_more], folder="next"),
    "next/proxy.ts": Service(
        NEXT, [partial(checks.guards_more, path="/api/documents")], partial(checks.guards_stopped, path="/api/documents"), folder="next"
    ),
    "mcp_app.ts": Service(
        ["node", "built/mcp_app.js"], [checks.mcp], checks.mcp_stopped, gates={"mcp": {"resource": {"resource": checks.MCP_RESOURCE}}}
    ),
    "ratelimit_app.ts": Service(["node", "built/ratelimit_app.js"], [checks.limits], checks.limits_stopped),
    "webhook_app.go": Service(["./webhook_app"], [checks.receives], checks.receives_stopped, receives=True),
    "webhook_app.py": Service(
        [PYTHON, "-m", "flask", "--app", "webhook_app", "run", "--port", "PORT"], [checks.receives], checks.receives_stopped, receives=True
    ),
    "webhook_app.ts": Service(["node", "built/webhook_app.js"], [checks.receives], checks.receives_stopped, receives=True),
}

# Other files of these services.
PARTS = {
    "guard.py",
    "guard.ts",
    "mcp_client.ts",
    "django/latchkey_middleware.py",
    "django/settings.py",
    "next/with-key.ts",
    "next/app/api/documents/route.ts",
}

# The environment of every program. It leaves out the LATCHKEY_ and UNKEY_ variables
# of the person who runs this.
ENV = {
    **{name: value for name, value in os.environ.items() if not name.startswith(("LATCHKEY_", "UNKEY_"))},
    "PYTHONDONTWRITEBYTECODE": "1",
    "DJANGO_SETTINGS_MODULE": "settings",
    "DJANGO_SECRET_KEY": "only-for-this-run",
    "NEXT_TELEMETRY_DISABLED": "1",
}


class Run:
    """One run of all samples, in its own folder."""

    def __init__(self, work):
        self.work, self.tally, self.env = work, checks.Tally(), {**ENV, "PYTHONPATH": str(work), "PATH": f"{work}:{ENV['PATH']}"}

    def all(self):
        samples = {}
        for page in PAGES:
            blocks = unmarked(ROOT / page)
            self.tally.check(f"{page}: every block is a sample", not blocks, f"not marked: {blocks}")
            samples |= extract(ROOT / page, self.work)
        run = SCRIPTS.keys() | SERVICES.keys() | PARTS
        self.tally.check("every sample is run", samples.keys() == run, f"only on a page or only here: {samples.keys() ^ run}")
        self.compile()
        for file, command in SCRIPTS.items():
            self.attempt(file, self.script, command, samples.get(file, ""))
        for file, about in SERVICES.items():
            self.attempt(file, self.service, about)

    def attempt(self, file, run, *details):
        """Runs a sample. An exception counts as a failed check, and the next sample still runs."""
        try:
            run(file, *details)
        except Exception as error:
            self.tally.check(f"{file}: runs to the end", False, repr(error))

    def compile(self):
        """Compiles the Go sample in this module, and type-checks and compiles the TypeScript samples."""
        (self.work / "next/guard.ts").write_text((self.work / "guard.ts").read_text())
        (self.work / "tsconfig.json").write_text((HERE / "tsconfig.json").read_text())
        self.execute("readme.go: compiles", ["go", "build", "-o", "readme", "readme.go"], self.env)
        (self.work / "recipes_main.go").write_text((HERE / "recipes_main.go").read_text())
        self.execute("recipes.go: compiles", ["go", "build", "-o", "recipes", "recipes.go", "recipes_main.go"], self.env)
        self.execute("webhook_app.go: compiles", ["go", "build", "-o", "webhook_app", "webhook_app.go"], self.env)
        self.execute("*.ts: types", [str(HERE / "node_modules/.bin/tsc")], self.env)

    def execute(self, what, command, env):
        """Runs a program, checks that it succeeds, and returns its output."""
        done = subprocess.run(command, cwd=self.work, env=env, capture_output=True, text=True, timeout=2 * TIMEOUT)
        self.tally.check(what, done.returncode == 0, done.stdout + done.stderr)
        return done.stdout

    def latchkey(self):
        return Latchkey(self.work / "latchkey", tempfile.mkdtemp(dir=self.work), self.env)

    def script(self, file, command, text):
        with self.latchkey() as latchkey:
            output = self.execute(f"{file}: runs", command, {**self.env, **latchkey.env})
        check = {".sh": checks.shows, ".go": checks.calls}.get(Path(file).suffix, checks.printed)
        check(self.tally, file, text, output)

    def service(self, file, about):
        with self.latchkey() as latchkey, TLS(tempfile.mkdtemp(dir=self.work)) if about.receives else nullcontext() as tls:
            api = latchkey.call("apis.createApi", name="documents")["apiId"]
            if about.gates:
                latchkey.restart(LATCHKEY_GATES=json.dumps({name: {"api": api, **gate} for name, gate in about.gates.items()}))
            if about.receives:
                latchkey.restart(SSL_CERT_FILE=str(tls.certificate), LATCHKEY_WEBHOOK_NETWORKS="127.0.0.0/8")
            env = {**self.env, **latchkey.env, "LATCHKEY_API_ID": api}
            if about.receives:
                hook = latchkey.call("webhooks.createWebhook", url=tls.url + "/hooks", events=["key.created"])
                env["WEBHOOK_SECRET"] = hook["secret"]
            with service(about.command, self.work / about.folder, env) as program:
                if about.receives:
                    tls.port = int(program.url.rpartition(":")[2])
                visit = checks.Visit(self.tally, file, program.url, latchkey, checks.issue_keys(latchkey, api), self.work)
                for check in about.running:
                    check(visit)
                latchkey.stop()
                about.stopped(visit)


run = Run(Path(sys.argv[1]))
run.all()
print(f"{run.tally.passed} passed, {run.tally.failed} failed")
sys.exit(run.tally.failed > 0)
