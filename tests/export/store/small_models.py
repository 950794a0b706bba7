"""Version folders that publish accepts, made without tensorflow; and what lies in a folder."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from export.prediction_log import record
from serving.protocol import messages, tfrecord

FREE = {"code": "Apache-2.0", "weights": "CC0-1.0, drawn by hand", "data": "CC0-1.0", "research_only": False}


def write_small_model(
    folder: Path, *, weights: bytes = b"weights", goldens: dict | None = None, **contract
) -> Path:
    """A SavedModel of one signature, `x` float32 [None, 3] -> `y` float32 [None, 2]; it cannot be run."""
    model = messages.SavedModel()
    graph = model.meta_graphs.add()
    graph.meta_info_def.tags.append("serve")
    graph.meta_info_def.tensorflow_version = "2.20.0"
    for op in ("Placeholder", "MatMul", "VarHandleOp", "MatMul"):
        graph.graph_def.node.add(name=f"n{len(graph.graph_def.node)}", op=op)
    graph.graph_def.library.function.add().node_def.add(name="f", op="AddV2")
    signature = graph.signature_def["serving_default"]
    for infos, alias, size in ((signature.inputs, "x", 3), (signature.outputs, "y", 2)):
        infos[alias].dtype = 1
        infos[alias].tensor_shape.dim.add(size=-1)
        infos[alias].tensor_shape.dim.add(size=size)
    (folder / "variables").mkdir(parents=True)
    (folder / "assets.extra").mkdir()
    (folder / "saved_model.pb").write_bytes(model.SerializeToString(deterministic=True))
    (folder / "variables" / "variables.index").write_bytes(weights)
    contract = {"licence": FREE} | contract
    (folder / "assets.extra" / "contract.json").write_text(json.dumps(contract))
    (folder / "assets.extra" / "CARD.md").write_text("# card\n")
    if goldens:
        records = [record("m", name, *pair) for name, pair in goldens.items()]
        tfrecord.write(folder / "assets.extra" / "golden_predictions", records)
    return folder


def tree(folder: Path) -> dict[str, str]:
    """Path -> SHA-256 of every file of a store but its lock."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }
