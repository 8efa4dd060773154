"""The version, in one place."""

__version__ = "5.0.0.dev1"
