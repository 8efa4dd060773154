"""FITS as it lies in a file: cards and HDUs, read by the server and by who sends files to it."""
