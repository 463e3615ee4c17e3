"""The agent: plans and steers; its only hands are MCP tools."""
