"""Training heads on frozen states, or the backbone with them."""
