"""The model that runs: a backbone with linear heads, and its conversations."""
