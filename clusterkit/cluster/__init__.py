"""GenServers and wiring that make nodes a cluster."""
