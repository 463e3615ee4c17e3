"""Clients of Jules that nobody here wrote, walked through a served sandbox."""
