"""The client: the same calls to a server on the network or inside this process."""
