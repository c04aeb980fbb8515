"""The dashboard for agents: ``durable mcp``, over the Model Context Protocol. Needs the extra ``mcp``.

``answers`` cuts what the API says to what an agent can use, ``confirm`` keeps what was previewed, ``tools`` are what an
agent may call, ``server`` offers them. All of it works with a ``DurableClient``: at a URL, or directly on a database.
"""
