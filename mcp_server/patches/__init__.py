"""Unified diffs as changes of a git tree: read, applied and planned, without git and without I/O.

Strict where git's own `apply` is helpful: no fuzz, no offset, nothing left out. Pure.
"""
