"""A cluster whose nodes reach each other by HTTP alone.

Where only a web server may be reached, as on many platforms that run applications,
there can be no links, and so no ring and no actors. What is left is what gossip gives:
each node's state, and who is there. `web.create_http_cluster` is the door.
"""
