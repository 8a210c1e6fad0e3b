"""A node over HTTP: for probes and operators, and for clusters that speak nothing else.

Needs `pip install "clusterkit[web]"`; `create_http_cluster` also `clusterkit[http]`.

    async with create_cluster("foo") as node, trio.open_nursery() as nursery:
        await nursery.start(web.serve, web.app(node), "127.0.0.1:8022")
        await node.serve_forever()
        nursery.cancel_scope.cancel()
"""

from __future__ import annotations

from clusterkit.httpcluster.creation import create_http_cluster as create_http_cluster
from clusterkit.web.application import app as app
from clusterkit.web.serving import serve as serve
