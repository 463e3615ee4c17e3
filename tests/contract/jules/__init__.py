"""What we rely on of Jules, asked of whoever answers: facts/jules-api.md, read-only."""
