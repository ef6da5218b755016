"""A proxy in front of the server that responds to the first requests itself."""

import contextlib
import http.client
import http.server
import json
import threading
import urllib.parse

from .server import BASE_URL

# Forwards the request, drops the server's response and responds with 503.
LOST = 0


class Proxy:
    """The URL of a proxy and the number of its requests."""

    url = ""
    requests = 0


@contextlib.contextmanager
def via_proxy(*script):
    """Start a proxy with a script of statuses.

    It forwards the requests after those of the script.
    """
    proxy = Proxy()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(proxy, script))
    proxy.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()


def _handler(proxy, script):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            proxy.requests += 1
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = script[proxy.requests - 1] if proxy.requests <= len(script) else None
            if status is None:
                self._respond(*_forward(self.path, self.headers, body))
                return
            if status == LOST:
                _forward(self.path, self.headers, body)
                status = 503
            self._respond(status, "application/json", _trouble(status))

        def _respond(self, status, kind, body):
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format, *args):
            """Log nothing."""

    return Handler


def _forward(path, headers, body):
    """Forward a request and return the response's status, type and body."""
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(BASE_URL).netloc)
    kept = {k: v for k, v in headers.items() if k.lower() not in ("host", "connection", "accept-encoding")}
    connection.request("POST", path, body, kept)
    response = connection.getresponse()
    with contextlib.closing(connection):
        return response.status, response.headers["Content-Type"], response.read()


def _trouble(status):
    error = {"title": "Trouble", "detail": "Try again.", "status": status, "type": "about:blank"}
    return json.dumps({"meta": {"requestId": "req_proxy"}, "error": error}).encode()
