"""Captions of a picture that a small code chooses among, learned without labels of what it means."""
