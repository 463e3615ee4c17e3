"""The MCP tools: thin; docstrings are for the model."""
