"""The command: built from the registry, light until it has something to do."""
