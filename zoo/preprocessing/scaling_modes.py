"""What pretrained networks expect of their pixels: numbers alone, which configs and tables read without keras."""

from __future__ import annotations

# mode -> (flip RGB to BGR, divide by, then subtract, then divide by), per channel in the resulting order.
MODES: dict[str, tuple[bool, float, tuple[float, ...], tuple[float, ...]]] = {
    "none": (False, 1.0, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    "unit": (False, 255.0, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    "tf": (False, 127.5, (1.0, 1.0, 1.0), (1.0, 1.0, 1.0)),
    "caffe": (True, 1.0, (103.939, 116.779, 123.68), (1.0, 1.0, 1.0)),
    "torch": (False, 255.0, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}
SCALING_MODES = tuple(MODES)
