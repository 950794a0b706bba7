"""`python -m ci.bench.store_host DIR`: a static web host on a free port of this machine that sends by sendfile."""

from __future__ import annotations

import http.server
import os
import re
import sys
from pathlib import Path


class Handler(http.server.BaseHTTPRequestHandler):
    """Gives files of a folder, from the byte that Range names."""

    protocol_version = "HTTP/1.1"
    folder: Path

    def do_GET(self) -> None:
        """Sends a file from the page cache to the socket, past Python."""
        path = self.folder / self.path.lstrip("/")
        if not path.is_file():
            self.send_error(404)
            return
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            offset = int(asked[1]) if asked else 0
            self.send_response(206 if asked else 200)
            if asked:
                self.send_header("Content-Range", f"bytes {offset}-{size - 1}/{size}")
            self.send_header("Content-Length", str(size - offset))
            self.end_headers()
            self.wfile.flush()
            while offset < size:
                offset += os.sendfile(self.connection.fileno(), file.fileno(), offset, size - offset)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


def main() -> None:
    """Prints the URL and serves until it is killed."""
    Handler.folder = Path(sys.argv[1])
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
