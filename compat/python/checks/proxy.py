"""A proxy that stands before the server and answers the first requests itself."""

import contextlib
import http.client
import http.server
import json
import threading
import urllib.parse

from .server import BASE_URL

# Lets a request through and answers 503 in place of the server.
LOST = 0


class Proxy:
    """Where a proxy is, and how many requests came to it."""

    url = ""
    sends = 0


@contextlib.contextmanager
def through(*script):
    """Start a proxy with a script of statuses.

    The requests after those of the script go through.
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
            proxy.sends += 1
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = script[proxy.sends - 1] if proxy.sends <= len(script) else None
            if status is None:
                self._answer(*_forward(self.path, self.headers, body))
                return
            if status == LOST:
                _forward(self.path, self.headers, body)
                status = 503
            self._answer(status, "application/json", _trouble(status))

        def _answer(self, status, kind, body):
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format, *args):
            """Keep quiet."""

    return Handler


def _forward(path, headers, body):
    """Send a request on and return the answer's status, type and body."""
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(BASE_URL).netloc)
    kept = {k: v for k, v in headers.items() if k.lower() not in ("host", "connection", "accept-encoding")}
    connection.request("POST", path, body, kept)
    response = connection.getresponse()
    with contextlib.closing(connection):
        return response.status, response.headers["Content-Type"], response.read()


def _trouble(status):
    error = {"title": "Trouble", "detail": "Try again.", "status": status, "type": "about:blank"}
    return json.dumps({"meta": {"requestId": "req_proxy"}, "error": error}).encode()
