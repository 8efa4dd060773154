"""Observing runs and night logs."""
