"""Data packages: datasets that are published, cited and shared together."""
