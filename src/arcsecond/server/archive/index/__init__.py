"""What is searched of files: made of their rows and headers, and made again when it is lost."""
