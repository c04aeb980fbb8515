"""How it is served: routing, authentication, OpenAPI, transports. Knows Flask, knows no run."""
