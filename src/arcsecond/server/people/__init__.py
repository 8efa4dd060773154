"""Accounts, keys, and who may see what."""
