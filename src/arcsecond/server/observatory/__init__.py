"""Sites, telescopes, instruments, and the sky above them."""
