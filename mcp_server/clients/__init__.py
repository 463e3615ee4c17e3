"""Clients of Jules, GitHub and trend sites, all over the guarded transport."""
