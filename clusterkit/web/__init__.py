"""A node over HTTP, for what does not speak its protocol: probes, and operators.

Needs `pip install "clusterkit[web]"`.

    async with create_cluster("foo") as node, trio.open_nursery() as nursery:
        await nursery.start(web.serve, web.app(node), "127.0.0.1:8022")
        await node.serve_forever()
        nursery.cancel_scope.cancel()
"""

from __future__ import annotations

from clusterkit.web.application import app as app
from clusterkit.web.serving import serve as serve
