"""Measured figures; nothing here is a test."""
