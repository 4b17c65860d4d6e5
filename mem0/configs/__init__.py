"""What the user may configure."""
