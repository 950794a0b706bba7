"""What both servers listen on: a bound port, and TLS for it."""

from __future__ import annotations

import os
import socket
import ssl as tls
import tempfile
from collections.abc import Sequence
from pathlib import Path

from serving.server.config_files import SslConfig
from serving.server.errors import StartError

BACKLOG = 1024


def listen(host: str, port: int, share_port: bool = False) -> socket.socket:
    """Returns a socket that listens on a port; 0 takes a free one.

    Args:
        host: Name or address.
        port: Of TCP.
        share_port: Let other processes listen on it too.

    Raises:
        StartError: The port is taken, or the host is none of this machine.
    """
    made: socket.socket | None = None
    try:
        found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        made = socket.socket(family, kind, protocol)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if share_port:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        made.bind(address)
        made.listen(BACKLOG)
    except OSError as error:
        if made is not None:
            made.close()
        reason = error.strerror or str(error)
        raise StartError(f"cannot listen on {host}:{port}: {reason}\nFix: choose another port") from error
    return made


def listen_unix(path: Path) -> socket.socket:
    """Returns a UNIX socket that listens; one that a server has left behind is replaced.

    Raises:
        StartError: It cannot be made.
    """
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if path.is_socket():
            path.unlink(missing_ok=True)
        made.bind(os.fspath(path))
        made.listen(BACKLOG)
    except OSError as error:
        made.close()
        reason = error.strerror or str(error)
        raise StartError(f"cannot listen on unix:{path}: {reason}\nFix: choose another path") from error
    return made


def tls_context(ssl: SslConfig, protocols: Sequence[str] = ()) -> tls.SSLContext:
    """Makes the TLS context; the ssl module reads keys from files only, which are gone at once.

    Args:
        ssl: Keys and certificates.
        protocols: What the server speaks, for ALPN.
    """
    context = tls.SSLContext(tls.PROTOCOL_TLS_SERVER)
    context.minimum_version = tls.TLSVersion.TLSv1_2
    if protocols:
        context.set_alpn_protocols(list(protocols))
    with tempfile.TemporaryDirectory() as folder:  # mode 0700
        key, cert = Path(folder) / "key.pem", Path(folder) / "cert.pem"
        key.touch(mode=0o600)
        key.write_bytes(ssl.server_key)
        cert.write_bytes(ssl.server_cert)
        context.load_cert_chain(os.fspath(cert), os.fspath(key))
    if ssl.client_verify and ssl.custom_ca:
        context.load_verify_locations(cadata=ssl.custom_ca.decode())
        context.verify_mode = tls.CERT_REQUIRED
    return context
