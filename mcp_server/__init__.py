"""The server: the only process that holds tokens, and the only one that can change the world."""
