"""Datasets as tensors, and where their images come from."""
