"""Unkey's hosts on this machine: an HTTPS proxy with a certificate of its own.

It leads every connection to Latchkey, so that samples run with the hosts that they name.
"""

import contextlib
import os
import socket
import ssl
import subprocess
import threading
from pathlib import Path
from urllib.parse import urlsplit

HOSTS = ("api.unkey.com", "api.unkey.dev")


@contextlib.contextmanager
def unkey_hosts(folder):
    """Set the environment of HTTP clients so that Unkey's hosts are Latchkey."""
    key, certificate = Path(folder, "key.pem"), Path(folder, "certificate.pem")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1", "-keyout", key]
        + ["-out", certificate, "-subj", "/CN=compat", "-addext", "subjectAltName=" + ",".join(f"DNS:{host}" for host in HOSTS)],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_accept, args=(listener, context), daemon=True).start()
        os.environ.update(HTTPS_PROXY=f"http://127.0.0.1:{listener.getsockname()[1]}", SSL_CERT_FILE=str(certificate))
        yield


def _accept(listener, context):
    with contextlib.suppress(OSError):  # the listener was closed
        while True:
            client, _ = listener.accept()
            threading.Thread(target=_tunnel, args=(client, context), daemon=True).start()


def _tunnel(client, context):
    """Serve one CONNECT request: end TLS, and pass on what is inside."""
    with contextlib.suppress(OSError), client:
        head = b""
        while b"\r\n\r\n" not in head:
            head += client.recv(4096)
        if head.split()[1].decode().split(":")[0] not in HOSTS:
            client.sendall(b"HTTP/1.1 403 Forbidden\r\n\r\n")
            return
        client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        target = urlsplit(os.environ["BASE_URL"])
        with context.wrap_socket(client, server_side=True) as inside, socket.create_connection((target.hostname, target.port)) as server:
            back = threading.Thread(target=_copy, args=(server, inside), daemon=True)
            back.start()
            _copy(inside, server)
            back.join()


def _copy(source, target):
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
