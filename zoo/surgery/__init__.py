"""Taking a Keras CNN apart: cut it into blocks, shorten them, join them, count them, fold them."""
