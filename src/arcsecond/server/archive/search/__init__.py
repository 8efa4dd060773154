"""Files found by what they are, where and when they were taken, and what their headers say."""
