"""Processes: GenServers, their mailboxes, calls between them."""
