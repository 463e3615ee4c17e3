"""Tests by behaviour; `python -m tests` runs every check of the project."""
