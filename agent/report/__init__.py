"""One report model, and how it is shown."""
