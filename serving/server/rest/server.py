"""The HTTP server under the REST application: uvicorn in a thread of its own."""

from __future__ import annotations

import asyncio
import logging
import threading

from serving.server.config_files import SslConfig
from serving.server.errors import StartError
from serving.server.rest.app import RestApp
from serving.server.rest.punctual import PATIENCE, Patience, punctual
from serving.server.sockets import listen, tls_context

log = logging.getLogger(__name__)
HEADER_BYTES = 32 * 1024
MOST_CONNECTIONS = 1024


class RestServer:
    """Listens for HTTP; the port is bound at construction and answers after `start`.

    Args:
        app: The ASGI application.
        host: Address to listen on.
        port: 0 takes a free one; the bound one is `port`.
        share_port: Let other processes listen on the same port.
        ssl: Keys and certificates; None is plain text.
        patience: With slow callers.
    """

    def __init__(
        self,
        app: RestApp,
        host: str,
        port: int,
        *,
        share_port: bool = False,
        ssl: SslConfig | None = None,
        patience: Patience = PATIENCE,
    ) -> None:
        try:
            import uvicorn
        except ImportError as error:
            raise StartError("REST needs uvicorn\nFix: pip install 'mizoo[zoo]'") from error
        self._app = app
        self._socket = listen(host, port, share_port)
        self.port: int = self._socket.getsockname()[1]
        config = uvicorn.Config(
            app,
            http=punctual(patience),
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            server_header=False,
            limit_concurrency=MOST_CONNECTIONS,
            h11_max_incomplete_event_size=HEADER_BYTES,
        )
        config.load()
        if ssl is not None:
            config.ssl = tls_context(ssl)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, name="rest-loop", daemon=True)

    def start(self) -> None:
        """Answers requests from now on."""
        self._thread.start()

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._server.server_state.connections)

    def stop(self, drain_seconds: float) -> None:
        """Takes no new requests and waits for those that run."""
        self._server.config.timeout_graceful_shutdown = max(1, round(drain_seconds))
        self._server.should_exit = True
        if self._thread.ident is not None:
            self._thread.join(drain_seconds + 5)
        self._socket.close()
        self._app.close()

    def _run(self) -> None:
        asyncio.run(self._server.serve(sockets=[self._socket]))
