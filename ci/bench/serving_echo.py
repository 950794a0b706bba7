"""gRPC without a model: answers Predict with so many bytes, by grpcio's server or by ours.

python -m ci.bench.serving_echo PORT SIZE grpcio|ours
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from concurrent import futures

SERVICE, METHOD = "tensorflow.serving.PredictionService", "Predict"


def by_grpcio(port: int, answer: bytes) -> None:
    """The usual server: sync, with generic handlers."""
    import grpc

    server = grpc.server(
        futures.ThreadPoolExecutor(4 * (os.cpu_count() or 1)),
        options=[("grpc.max_receive_message_length", -1)],
    )
    handler = grpc.unary_unary_rpc_method_handler(lambda *_: answer)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {METHOD: handler}),))
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    server.wait_for_termination()


def by_ours(port: int, answer: bytes) -> None:
    """The server of `serving.server.http2`, with the rule that lets quick calls stay in the loop."""
    from serving.server.http2.limits import Limits
    from serving.server.http2.pace import ByPace
    from serving.server.http2.server import Http2Server
    from serving.server.http2.services import Unary
    from serving.server.http2.turns import Turns
    from serving.server.sockets import listen

    loop = asyncio.new_event_loop()
    turns = Turns(loop, threads=8, most=0, limit=0, placing=ByPace())
    methods = {f"/{SERVICE}/{METHOD}": Unary(lambda *_: answer, turns)}
    server = Http2Server(loop, methods, Limits(), busy=lambda: 0)
    server.listen(listen("127.0.0.1", port))
    server.start()
    threading.Event().wait()


if __name__ == "__main__":
    {"grpcio": by_grpcio, "ours": by_ours}[sys.argv[3]](int(sys.argv[1]), b"\0" * int(sys.argv[2]))
