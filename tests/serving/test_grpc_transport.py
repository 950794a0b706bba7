"""What gRPC offers around the calls: sockets, TLS, sizes, compression, health, reflection and hostile bytes."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import trustme
from google.protobuf import descriptor_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from serving.client import Client, ServerUnreachable
from serving.protocol import messages
from serving.server import Server, StartError
from serving.server.config_files import read_ssl
from serving.server.engine import Engine
from serving.server.flags import Flags
from serving.server.grpc_app import HEALTH_NAMES, GrpcApp, GrpcOptions
from serving.server.reload import Reload
from tests.serving.http_calls import HOST, read_to_end, variant
from tests.serving.saved_models import predict_request

UNLIMITED = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
NOT_SERVING, SERVING = 2, 1
ONE = {"a": np.ones((1, 2), np.float32), "b": np.ones((1, 2), np.float32)}


@contextmanager
def listening(engine: Engine, **options: Any) -> Iterator[GrpcApp]:
    """One more gRPC server over the models of a running one."""
    reload = Reload(engine.flags, tuple, lambda configs: None, engine.metrics)
    app = GrpcApp(engine, reload, GrpcOptions(**{"address": f"{HOST}:0", **options}))
    app.start()
    try:
        yield app
    finally:
        app.stop(5)


def answers(channel: grpc.Channel) -> bool:
    call = channel.unary_unary(f"/{messages.PREDICTION_SERVICE}/Predict")
    raw = call(predict_request("pair", **ONE).SerializeToString(), timeout=30)
    return list(messages.PredictResponse.FromString(raw).outputs["sum"].float_val) == [2.0, 2.0]


def refused(channel: grpc.Channel, raw: bytes) -> tuple[str, str]:
    call = channel.unary_unary(f"/{messages.PREDICTION_SERVICE}/Predict")
    with pytest.raises(grpc.RpcError) as caught:
        call(raw, timeout=60)
    return caught.value.code().name, caught.value.details()


# Sockets


def test_a_unix_socket_instead_of_a_port(models_dir, tmp_path):
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "pair").symlink_to(models_dir / "pair")
    path = tmp_path / "s.sock"
    with Server(tmp_path / "models", port=None, flags=Flags(grpc_socket_path=str(path))) as running:
        assert running.address == f"unix:{path}"
        with Client(running.address) as client:
            assert client.predict("pair", ONE, outputs=["sum"])["sum"].tolist() == [[2.0, 2.0]]
    assert not path.exists()


def test_a_socket_beside_a_port(server, tmp_path):
    with listening(server.engine, socket=str(tmp_path / "s")) as app:
        for address in (f"{HOST}:{app.port}", f"unix:{tmp_path}/s"):
            with grpc.insecure_channel(address) as channel:
                assert answers(channel)


def test_a_socket_that_cannot_be_made_is_an_error(server, tmp_path):
    for path in (tmp_path / "none" / "s", tmp_path / ("x" * 120)):
        with (
            pytest.raises(StartError, match=r"cannot listen on unix:.*\nFix: "),
            listening(server.engine, socket=str(path)),
        ):
            pass


# TLS


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def ssl_file(folder: Path, **fields: Any) -> Path:
    from google.protobuf import text_format

    file = folder / "ssl.config"
    file.write_text(text_format.MessageToString(messages.SSLConfig(**fields)))
    return file


def pems(authority: trustme.CA, name: str = HOST) -> tuple[str, str]:
    issued = authority.issue_cert(name)
    return issued.private_key_pem.bytes().decode(), issued.cert_chain_pems[0].bytes().decode()


def test_tls(server, authority, tmp_path):
    key, cert = pems(authority)
    ca = authority.cert_pem.bytes()
    config = read_ssl(ssl_file(tmp_path, server_key=key, server_cert=cert))
    with listening(server.engine, ssl=config) as app:
        address = f"{HOST}:{app.port}"
        with grpc.secure_channel(address, grpc.ssl_channel_credentials(ca)) as channel:
            assert answers(channel)
        other = grpc.ssl_channel_credentials(trustme.CA().cert_pem.bytes())
        with grpc.secure_channel(address, other) as channel:
            assert refused(channel, b"")[0] == "UNAVAILABLE"
        with Client(address, retries=0) as plain, pytest.raises(ServerUnreachable):
            plain.status("pair")


def test_mutual_tls_takes_callers_of_its_own_authority_only(server, authority, tmp_path):
    key, cert = pems(authority)
    ca = authority.cert_pem.bytes()
    file = ssl_file(tmp_path, server_key=key, server_cert=cert, custom_ca=ca.decode(), client_verify=True)
    with listening(server.engine, ssl=read_ssl(file)) as app:
        for issuer, code in ((authority, None), (trustme.CA(), "UNAVAILABLE"), (None, "UNAVAILABLE")):
            mine = [pem.encode() for pem in pems(issuer, "caller")] if issuer else [None, None]
            credentials = grpc.ssl_channel_credentials(ca, *mine)
            with grpc.secure_channel(f"{HOST}:{app.port}", credentials) as channel:
                if code is None:
                    assert answers(channel)
                else:
                    assert refused(channel, b"")[0] == code


@pytest.mark.parametrize("wrong", ["key", "cert", "other key", "ca", "no ca"])
def test_a_wrong_pem_ends_the_start(models_dir, authority, tmp_path, wrong):
    key, cert = pems(authority)
    fields: dict[str, Any] = {"server_key": key, "server_cert": cert}
    if wrong in ("key", "cert"):
        fields[f"server_{wrong}"] = fields[f"server_{wrong}"].replace("M", "!", 9)
    elif wrong == "other key":
        fields["server_key"] = pems(authority)[0]
    elif wrong == "ca":
        fields["custom_ca"] = "/etc/ca.pem"
    else:
        fields["client_verify"] = True
    flags = Flags(ssl_config_file=str(ssl_file(tmp_path, **fields)))
    with pytest.raises(StartError, match="\nFix: "):
        Server(models_dir, port=0, flags=flags).start()


# Sizes and compression


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.Deflate])
def test_compressed_requests_are_read(server, compression):
    with grpc.insecure_channel(server.address, compression=compression) as channel:
        assert answers(channel)


def test_a_tensor_of_64_megabytes_both_ways(server):
    sent = np.random.default_rng(0).random(16 << 20, np.float32)
    with Client(server.address, timeout=60) as client:
        assert np.array_equal(client.predict("echo", x=sent, signature="float32")["y"], sent)


def test_a_message_above_the_cap_is_stopped_by_the_transport(server):
    cap = 1 << 20
    with listening(variant(server.engine, zoo_max_request_bytes=cap)) as app:
        plain = grpc.insecure_channel(f"{HOST}:{app.port}", options=UNLIMITED)
        packed = grpc.insecure_channel(
            f"{HOST}:{app.port}", options=UNLIMITED, compression=grpc.Compression.Gzip
        )
        with plain, packed:
            # What the cap allows reaches the parser, which is not pleased; one byte more does not.
            assert refused(plain, b"\xff" * cap) == (
                "INVALID_ARGUMENT",
                "the bytes are no tensorflow.serving.PredictRequest",
            )
            assert refused(plain, b"\xff" * (cap + 1)) == (
                "RESOURCE_EXHAUSTED",
                "SERVER: Received message larger than max (1048577 vs. 1048576)",
            )
            assert refused(packed, bytes(64 << 20)) == (
                "RESOURCE_EXHAUSTED",
                "Decompressed message larger than max",
            )
            assert answers(plain) and answers(packed)


def test_no_cap(server):
    with (
        listening(variant(server.engine, zoo_max_request_bytes=0)) as app,
        grpc.insecure_channel(f"{HOST}:{app.port}", options=UNLIMITED) as channel,
    ):
        assert refused(channel, b"\xff" * (8 << 20))[0] == "INVALID_ARGUMENT"


def test_channel_arguments_are_those_of_the_operator(server):
    arguments = (("grpc.max_receive_message_length", 1000), ("grpc.primary_user_agent", "x"))
    with (
        listening(server.engine, channel_arguments=arguments) as app,
        grpc.insecure_channel(f"{HOST}:{app.port}") as channel,
    ):
        assert refused(channel, bytes(1001))[0] == "RESOURCE_EXHAUSTED"
        assert answers(channel)
    for wrong in ("many", 0, -1, 2**31):
        with (
            pytest.raises(StartError, match=rf"max_concurrent_streams={wrong}\nFix: "),
            listening(server.engine, channel_arguments=(("grpc.max_concurrent_streams", wrong),)),
        ):
            pass


def test_old_connections_are_made_anew_and_no_call_fails(server):
    arguments = (("grpc.max_connection_age_ms", 300),)
    with (
        listening(server.engine, channel_arguments=arguments) as app,
        grpc.insecure_channel(f"{HOST}:{app.port}") as channel,
    ):
        assert answers(channel)
        (first,) = app._http2._connections
        end = time.monotonic() + 20
        while first in app._http2._connections and time.monotonic() < end:
            assert answers(channel)
            time.sleep(0.01)
        assert first not in app._http2._connections
        assert answers(channel)


# Health and reflection


def test_health_turns_before_the_port_closes_and_watchers_do_not_delay_the_end(server):
    with listening(server.engine) as app, grpc.insecure_channel(f"{HOST}:{app.port}") as channel:
        health = health_pb2_grpc.HealthStub(channel)
        request = health_pb2.HealthCheckRequest
        watches = [health.Watch(request(service=name), timeout=30) for name in (*HEALTH_NAMES, "other")]
        unknown = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
        assert [next(watch).status for watch in watches] == [SERVING] * len(HEALTH_NAMES) + [unknown]
        app.enter_lame_duck()
        assert [next(watch).status for watch in watches[:-1]] == [NOT_SERVING] * len(HEALTH_NAMES)
        assert {health.Check(request(service=name)).status for name in HEALTH_NAMES} == {NOT_SERVING}
        app.report_health()  # what the models say no longer counts
        assert health.Check(request()).status == NOT_SERVING
        assert answers(channel)
        started = time.monotonic()
        app.stop(20)
        assert time.monotonic() - started < 10
        for watch in watches:
            with pytest.raises(grpc.RpcError):
                next(watch)


def services(channel: grpc.Channel) -> list[str]:
    reply = ask_reflection(channel, list_services="")
    return [service.name for service in reply.list_services_response.service]


def ask_reflection(channel: grpc.Channel, **question: str) -> reflection_pb2.ServerReflectionResponse:
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    (reply,) = stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(**question)]))
    return reply


def test_reflection_lists_every_service_and_describes_it(server):
    with grpc.insecure_channel(server.address) as channel:
        names = services(channel)
        assert names == [
            "grpc.health.v1.Health",
            "grpc.reflection.v1alpha.ServerReflection",
            "tensorflow.serving.ModelService",
            "tensorflow.serving.PredictionService",
        ]
        described: dict[str, set[str]] = {}
        for name in names:
            reply = ask_reflection(channel, file_containing_symbol=name).file_descriptor_response
            for raw in reply.file_descriptor_proto:
                file = descriptor_pb2.FileDescriptorProto.FromString(raw)
                for service in file.service:
                    full = f"{file.package}.{service.name}"
                    described[full] = {method.name for method in service.method}
        assert set(names) <= set(described)
        assert {"Predict", "Classify", "GetModelMetadata"} <= described[
            "tensorflow.serving.PredictionService"
        ]
        missing = ask_reflection(channel, file_containing_symbol="no.such.Service").error_response
        assert missing.error_code == grpc.StatusCode.NOT_FOUND.value[0]


def test_without_health_there_is_none_in_reflection_either(server):
    with (
        listening(server.engine, health=False) as app,
        grpc.insecure_channel(f"{HOST}:{app.port}") as channel,
    ):
        with pytest.raises(grpc.RpcError) as caught:
            health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
        assert "grpc.health.v1.Health" not in services(channel)
        app.enter_lame_duck()
        assert answers(channel)


def test_methods_that_do_not_exist_are_unimplemented(server):
    with grpc.insecure_channel(server.address) as channel:
        for method in (
            f"{messages.PREDICTION_SERVICE}/PredictStreamed",
            "tensorflow.serving.SessionService/SessionRun",
        ):
            with pytest.raises(grpc.RpcError) as caught:
                channel.unary_unary(f"/{method}")(b"")
            assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


# Hostile bytes


def test_what_is_no_http2_is_hung_up_on(server):
    port = int(server.address.rpartition(":")[2])
    noise = np.random.default_rng(0)
    attacks = [
        b"GET /v1/models/pair HTTP/1.1\r\nHost: h\r\n\r\n",
        noise.bytes(10_000),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + noise.bytes(10_000),
    ]
    for attack in attacks:
        with socket.create_connection((HOST, port), timeout=30) as raw:
            raw.sendall(attack)
            read_to_end(raw)
    with grpc.insecure_channel(server.address) as channel:
        assert answers(channel)
