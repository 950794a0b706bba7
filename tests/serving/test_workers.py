"""Two worker processes on one port: shared metrics, one dies and comes back, SIGTERM drains."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest

from serving.client import Client
from serving.protocol import messages
from tests.serving.saved_models import predict_request, save_pair

ROOT = Path(__file__).resolve().parents[2]
ROW = np.ones((1, 2), np.float32)


class Command:
    """`python -m serving.server` as a subprocess, its log read in a thread."""

    def __init__(self, *arguments: str) -> None:
        self.lines: list[str] = []
        self._grew = threading.Condition()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "serving.server", *arguments],
            cwd=ROOT,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "2"},
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self.process.stderr:
            with self._grew:
                self.lines.append(line)
                self._grew.notify_all()

    def wait_for(self, pattern: str, count: int = 1, seconds: float = 120) -> list[str]:
        """Returns what the pattern's group matched in the log, once it is there `count` times."""

        def found():
            return [m for line in self.lines for m in re.findall(pattern, line)]

        with self._grew:
            assert self._grew.wait_for(lambda: len(found()) >= count, seconds), "".join(self.lines[-30:])
        return found()

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(60)
        self._reader.join(10)
        return status


@pytest.fixture(scope="module")
def command(tmp_path_factory) -> Iterator[Command]:
    root = tmp_path_factory.mktemp("workers")
    save_pair(root / "models" / "pair" / "1")
    monitoring = root / "monitoring.config"
    monitoring.write_text("prometheus_config { enable: true }")
    with socket_free() as rest_port:
        pass
    running = Command(
        str(root / "models"),
        "--port=0",
        f"--rest_api_port={rest_port}",
        "--zoo_workers=2",
        f"--monitoring_config_file={monitoring}",
        "--zoo_lame_duck_seconds=0",
        "--zoo_reload=local",
        f"--zoo_model_roots={root}",
        "--file_system_poll_wait_seconds=0",
    )
    running.root, running.rest = root, f"http://127.0.0.1:{rest_port}"
    try:
        (running.address,) = running.wait_for(r"Running gRPC ModelServer at (\S+):")
        yield running
    finally:
        running.process.kill()


def socket_free():
    @contextlib.contextmanager
    def port():
        with socket.socket() as held:
            held.bind(("127.0.0.1", 0))
            yield held.getsockname()[1]

    return port()


def workers(command: Command) -> list[int]:
    # Of every thread: it is not the first one that starts a worker anew. A thread may end meanwhile.
    found: list[int] = []
    for children in Path(f"/proc/{command.process.pid}/task").glob("*/children"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            found += map(int, children.read_text().split())
    return found


def test_both_workers_answer_and_their_metrics_are_summed(command):
    assert len(workers(command)) == 2
    clients = [Client(command.address) for _ in range(12)]  # a connection belongs to one worker
    for client in clients:
        assert client.predict("pair", a=ROW, b=ROW, signature="serving_default")["sum"].tolist() == [[2, 2]]
        client.close()
    text = urllib.request.urlopen(f"{command.rest}/monitoring/prometheus/metrics").read().decode()
    (count,) = re.findall(
        r'request_latency_count\{model_name="pair",API="Predict",entrypoint="GRPC"\} (\d+)', text
    )
    assert int(count) == 12


def test_a_reload_reaches_every_worker_or_none(command):
    save_pair(command.root / "other" / "7")
    request = messages.ReloadConfigRequest()
    for name, path in (("pair", command.root / "models" / "pair"), ("other", command.root / "other")):
        request.config.model_config_list.config.add(
            name=name, base_path=str(path), model_platform="tensorflow"
        )
    reload = f"/{messages.MODEL_SERVICE}/HandleReloadConfigRequest"
    with grpc.insecure_channel(command.address) as channel:
        channel.unary_unary(reload)(request.SerializeToString(), timeout=60)
    for _ in range(12):
        with Client(command.address) as client:
            assert client.status("other")[0].state == "AVAILABLE"
    request.config.model_config_list.config.add(
        name="none", base_path=str(command.root / "none"), model_platform="tensorflow"
    )
    with grpc.insecure_channel(command.address) as channel, pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary(reload)(request.SerializeToString(), timeout=60)
    assert "none" in caught.value.details()
    with Client(command.address) as client:
        assert client.status("other")[0].state == "AVAILABLE"


def test_a_killed_worker_comes_back_while_the_other_goes_on(command):
    before, available = workers(command), len(command.wait_for(r"(pair version 1 is available)", 2))
    failures, answered, enough = [], [0], threading.Event()

    def ask():
        with Client(command.address, retries=10) as client:
            while not enough.is_set():
                try:
                    client.predict("pair", a=ROW, b=ROW)
                    answered[0] += 1
                except Exception as error:
                    failures.append(error)

    callers = [threading.Thread(target=ask) for _ in range(8)]
    for caller in callers:
        caller.start()
    os.kill(before[0], signal.SIGKILL)
    command.wait_for(r"worker \d ended with status -9")
    command.wait_for(r"(pair version 1 is available)", available + 1)
    enough.set()
    for caller in callers:
        caller.join()
    assert failures == [] and answered[0] > 100
    after = workers(command)
    assert before[1] in after and len(after) == 2
    for _ in range(12):  # the new one has the models of the reload too
        with Client(command.address) as client:
            client.wait_ready("other", 60)


def test_sigterm_ends_all_with_status_0_and_one_that_starts_too(command):
    before = workers(command)
    os.kill(before[0], signal.SIGKILL)
    deadline = time.monotonic() + 60
    while not (started := set(workers(command)) - set(before)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert started
    assert command.end() == 0
    for pid in {*before, *started}:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_request_that_runs_is_answered_before_the_end(tmp_path):
    """SIGTERM comes while a request of 64 MB is on its way or running: it is answered."""
    save_pair(tmp_path / "pair" / "1")
    running = Command(str(tmp_path), "--port=0", "--zoo_workers=1", "--zoo_lame_duck_seconds=1")
    try:
        (address,) = running.wait_for(r"Running gRPC ModelServer at (\S+):")
        rows = np.ones((4_000_000, 2), np.float32)
        raw = predict_request("pair", a=rows, b=rows)
        raw.output_filter.append("sum")
        options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
        with grpc.insecure_channel(address, options=options) as channel:
            call = channel.unary_unary(f"/{messages.PREDICTION_SERVICE}/Predict")
            call(predict_request("pair", a=ROW, b=ROW).SerializeToString(), timeout=30)
            future = call.future(raw.SerializeToString(), timeout=60)
            assert running.end() == 0
            reply = messages.PredictResponse.FromString(future.result(timeout=60))
        assert len(reply.outputs["sum"].float_val) == 8_000_000
    finally:
        running.process.kill()
