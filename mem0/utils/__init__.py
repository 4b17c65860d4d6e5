"""Published path of the factories; nothing else goes here."""
