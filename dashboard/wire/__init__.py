"""What it looks like: shapes, conversion from the model, JSON. No Flask, no engine: server, client and CLI share it."""
