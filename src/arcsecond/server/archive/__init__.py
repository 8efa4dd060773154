"""Datasets and files: the reason this product exists."""
