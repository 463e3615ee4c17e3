"""What every test starts from: SIGINT is heard, however the suite itself was started."""

import signal

# A shell that starts a command in the background makes it, and all its children, ignore SIGINT.
signal.signal(signal.SIGINT, signal.default_int_handler)
