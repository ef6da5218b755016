"""Ends TLS in front of a receiver of webhooks, which are sent to https URLs only."""

import http.client
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from programs import TIMEOUT


class TLS:
    """An https URL on this machine that passes requests on to a port, once that is set."""

    def __init__(self, folder):
        self.certificate, self.port = Path(folder, "receiver.crt"), None
        key = Path(folder, "receiver.key")
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1", "-keyout", key]
            + ["-out", self.certificate, "-subj", "/CN=receiver", "-addext", "subjectAltName=IP:127.0.0.1"],
            check=True,
            capture_output=True,
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, key)
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"https://127.0.0.1:{self.server.server_port}"

    def handler(self):
        tls = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver = http.client.HTTPConnection("127.0.0.1", tls.port, timeout=TIMEOUT)
                receiver.request("POST", self.path, body, dict(self.headers))
                self.send_response(receiver.getresponse().status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        return Handler

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
