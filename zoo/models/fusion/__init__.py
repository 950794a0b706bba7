"""Fusing frozen networks that were trained on different data."""
