"""What was deleted: it lies in the trash for a month, and can be brought back."""
