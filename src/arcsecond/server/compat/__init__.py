"""Paths, bodies and names that older clients use, all in one place."""
