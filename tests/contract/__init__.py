"""The same cases against the sandbox and against the real service."""
