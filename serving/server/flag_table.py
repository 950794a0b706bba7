"""The table of flags: those of `tensorflow_model_server` with its names and defaults, and ours (`zoo_*`)."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from serving.server import flag_fields as kind
from serving.server.flag_fields import flag

_CPUS = kind.cores()
_PORT, _COUNT = kind.integer(0, 65535), kind.integer(0)
_LONG = kind.integer(0, kind.INT64)

# Flags of tensorflow_model_server that mean nothing here: with a value, and switches.
UNUSED_VALUES = frozenset(
    {
        "tensorflow_session_config_file",
        "platform_config_file",
        "mixed_precision",
        "thread_pool_factory_config_file",
        "num_tflite_pools",
        "num_tflite_interpreters_per_pool",
    }
)
UNUSED_SWITCHES = frozenset(
    {
        "flush_filesystem_caches",
        "use_alts_credentials",
        "enable_profiler",
        "prefer_tflite_model",
        "skip_initialize_tpu",
        "xla_cpu_compilation_enabled",
        "xla_gpu_compilation_enabled",
        "remove_unused_fields_from_bundle_metagraph",
    }
)


@dataclasses.dataclass(frozen=True)
class Flags:
    """All flags with TF Serving's names and defaults; `flags.usage` tells what each does."""

    port: int = flag(8500, "TCP port of gRPC; 0: none, then grpc_socket_path must be set", _PORT)
    grpc_socket_path: str = flag("", "UNIX socket of gRPC, beside or instead of the port")
    rest_api_port: int = flag(0, "TCP port of REST and metrics; 0: none", _PORT)
    rest_api_num_threads: int = flag(4 * _CPUS, "threads that answer REST requests", kind.integer(1))
    rest_api_timeout_in_ms: int = flag(30000, "time limit of a REST request; 0 or less: none")
    rest_api_enable_cors_support: bool = flag(False, "send CORS headers in REST replies")
    enable_batching: bool = flag(False, "run several requests as one batch")
    batching_parameters_file: str = flag("", "BatchingParameters as text; needs enable_batching")
    enable_per_model_batching_parameters: bool = flag(
        False, "read batching_params.pbtxt in a version's folder; of the common file only threads stay"
    )
    allow_version_labels_for_unavailable_models: bool = flag(
        False, "a new label may be set before its version is available"
    )
    model_config_file: str = flag("", "ModelServerConfig as text: the models, their versions and labels")
    model_config_file_poll_wait_seconds: int = flag(0, "seconds between reads of that file; 0: read once")
    model_name: str = flag("default", "name of the one model; ignored with model_config_file")
    model_base_path: str = flag("", "absolute folder of its versions; ignored with model_config_file")
    num_load_threads: int = flag(0, "versions that load at once; 0: one after another", _COUNT)
    num_unload_threads: int = flag(0, "versions that unload at once; 0: one after another", _COUNT)
    max_num_load_retries: int = flag(5, "further tries after a load has failed", _COUNT)
    load_retry_interval_micros: int = flag(
        60_000_000, "microseconds between them; negative: none", kind.integer(-kind.INT64 - 1, kind.INT64)
    )
    file_system_poll_wait_seconds: int = flag(
        1, "seconds between looks for new versions; 0: once; negative: never"
    )
    tensorflow_session_parallelism: int = flag(0, "threads within and between operations; 0: auto", _COUNT)
    tensorflow_intra_op_parallelism: int = flag(0, "threads within one operation; 0: auto", _COUNT)
    tensorflow_inter_op_parallelism: int = flag(0, "operations that run at once; 0: auto", _COUNT)
    ssl_config_file: str = flag("", "SSLConfig as text: TLS for gRPC")
    per_process_gpu_memory_fraction: float = flag(
        0.0, "share of GPU memory to take; 0: as it is needed", kind.number(0, 1)
    )
    saved_model_tags: tuple[str, ...] = flag(("serve",), "tags of the graph to load", kind.words)
    grpc_channel_arguments: tuple[tuple[str, int | str], ...] = flag(
        (),
        "of gRPC: grpc.max_receive_message_length, max_concurrent_streams, max_connection_age_ms, as key=value,...",
        kind.channel_arguments,
    )
    grpc_max_threads: int = flag(4 * _CPUS, "threads that answer gRPC requests", kind.integer(1))
    enable_model_warmup: bool = flag(True, "replay a version's warm-up requests before it is available")
    num_request_iterations_for_warmup: int = flag(0, "how often each is replayed; 0: once", _COUNT)
    monitoring_config_file: str = flag("", "MonitoringConfig as text: Prometheus metrics on the REST port")
    enable_signature_method_name_check: bool = flag(
        False, "classify and regress refuse signatures with another method name"
    )
    enable_grpc_healthcheck_service: bool = flag(True, "answer grpc.health.v1 (TF Serving: off)")
    enable_serialization_as_tensor_content: bool = flag(
        False, "send outputs as tensor_content instead of the typed fields"
    )
    version: bool = flag(False, "print the versions and exit")
    help: bool = flag(False, "print this text and exit")

    zoo_host: str = flag("127.0.0.1", "address that both ports listen on")
    zoo_workers: int | str = flag("auto", "processes that answer on one port, or auto", kind.workers)
    zoo_shape_check: str | None = flag(
        None, "tfs, rank or strict; unset: by model", kind.choice("tfs", "rank", "strict")
    )
    zoo_max_request_bytes: int = flag(256 * 2**20, "largest request, decoded; 0: no limit", _LONG)
    zoo_max_waiting_requests: int = flag(
        256, "requests that may wait for a thread; more are refused at once; 0: no limit", _COUNT
    )
    zoo_max_pixels: int = flag(50_000_000, "largest picture, width x height; 0: no limit", _LONG)
    zoo_group_shapes: bool = flag(False, "one batch per shape instead of refusing mixed shapes")
    zoo_reload: str = flag(
        "off", "who may call HandleReloadConfigRequest", kind.choice("off", "local", "token")
    )
    zoo_reload_token: str = flag("", "bearer token of zoo_reload=token", env_only=True)
    zoo_model_roots: tuple[Path, ...] = flag(
        (), "folders that a reload may load models from, comma-separated", kind.folders
    )
    zoo_require_signature: tuple[Path, ...] = flag(
        (), "public keys (PEM files, comma-separated): load only what one of them has signed", kind.files
    )
    zoo_untrusted: bool = flag(False, "refuse SavedModels with operations on files or processes")
    zoo_rest_tls: bool = flag(False, "REST with the TLS of ssl_config_file")
    zoo_drain_seconds: float = flag(
        30.0, "after SIGTERM, wait so long for running requests", kind.number(0, 3600)
    )
    zoo_lame_duck_seconds: float = flag(
        1.0, "after SIGTERM, accept so long while health says NOT_SERVING", kind.number(0, 3600)
    )
