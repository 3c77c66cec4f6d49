"""Part of Firefly MCP."""
