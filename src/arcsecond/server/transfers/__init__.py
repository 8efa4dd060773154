"""Files on their way: uploads that resume, and downloads."""
