"""Bytes on disk: checkpoints of the Hugging Face layout and their safetensors; no model."""
