"""How a server of our own is started: the one process that a command may begin."""

import sys

# `-P`: else a folder `mcp_server` where the user happens to stand would be run, with the tokens.
COMMAND = (sys.executable, "-P", "-m", "mcp_server")
