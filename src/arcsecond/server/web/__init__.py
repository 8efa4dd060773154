"""Pages for people: views of the answers the API gives."""
