"""Loads every version of a store by `hub.load(URL)` and compares its answers with the golden pairs of the index.

    python answer_goldens.py URL

Needs tensorflow and tensorflow-hub, nothing of mizoo: this is what a stranger would write against index.json.
"""

import base64
import json
import sys
import urllib.request

import numpy as np
import tensorflow as tf
import tensorflow_hub as hub


def array(content):
    if content["dtype"] == "string":
        values = [base64.b64decode(text) for text in content["values"]]
        return np.array(values, object).reshape(content["shape"])
    kind = tf.as_dtype(content["dtype"]).as_numpy_dtype
    return np.array([float(value) for value in content["values"]]).astype(kind).reshape(content["shape"])


def difference(expected, received):
    if expected.dtype == object:
        return 0.0 if np.array_equal(expected, received) else float("inf")
    return float(np.max(np.abs(expected.astype("float64") - received.astype("float64")), initial=0.0))


def main(url):
    with urllib.request.urlopen(f"{url}/index.json") as answer:
        index = json.load(answer)
    compared, largest = 0, 0.0
    for name, versions in index["models"].items():
        for version, entry in versions.items():
            loaded = hub.load(f"{url}/{entry['archive']['path']}")
            for pair in entry["golden"]["pairs"]:
                inputs = {alias: tf.constant(array(content)) for alias, content in pair["inputs"].items()}
                said = loaded.signatures[pair["signature"]](**inputs)
                off = max(
                    difference(array(content), said[alias].numpy())
                    for alias, content in pair["outputs"].items()
                )
                print(f"{name}@{version} {pair['signature']}: off by {off:.2g}")
                if said.keys() != pair["outputs"].keys() or off > entry["golden"]["tolerance"]:
                    sys.exit("another answer than the golden pair's")
                compared, largest = compared + 1, max(largest, off)
    if not compared:
        sys.exit("the store has no golden pairs")
    print(f"{compared} golden pairs answered, off by at most {largest:.2g}")


if __name__ == "__main__":
    main(sys.argv[1])
