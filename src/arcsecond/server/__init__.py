"""The server: one application, on the network by ``serve`` or inside a process."""
