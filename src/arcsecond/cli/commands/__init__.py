"""How the commands are declared, and which options they take; what they do is elsewhere."""
