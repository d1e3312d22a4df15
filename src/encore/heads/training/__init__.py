"""Training heads on frozen states, or together with the backbone."""
