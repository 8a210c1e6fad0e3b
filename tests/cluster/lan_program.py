"""A node that finds others: says its address, its ring, and what beacons are refused.

    python lan_program.py NAME '{"options": "of Beacons"}'

It ends with its standard input.
"""

import json
import sys

import trio

from clusterkit import create_cluster
from clusterkit.discovery import Beacons


async def say_changes(node):
    said = None
    refused = {}
    while True:
        # Each time anew: a reason may have come up before what a test does.
        for reason, count in node.discovery.refused.items():
            if count != refused.get(reason):
                print("refused", reason, flush=True)
        refused = dict(node.discovery.refused)
        now = sorted(member.id for member in node.ring.nodes())
        if now != said:
            print("ring", *now, flush=True)
            said = now
        await trio.sleep(0.02)


async def main(name, options):
    discover = Beacons(**json.loads(options))
    async with create_cluster(name, cookie="monster", discover=discover) as node:
        print("at", node.address, flush=True)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(say_changes, node)
            await trio.to_thread.run_sync(sys.stdin.read)
            nursery.cancel_scope.cancel()


trio.run(main, *sys.argv[1:])
