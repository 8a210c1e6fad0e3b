"""A web node that waits for its database: services, hooks, and a provider lost.

Three nodes in one process, to be read in one go; each would be a process of its own.
"""

from __future__ import annotations

import trio

from clusterkit import GenServer, Service, call, create_cluster
from clusterkit.events import ServicesNotReady, ServicesReady


class Database(GenServer):
    """Keeps rows."""

    def __init__(self) -> None:
        self.rows: dict[str, str] = {}

    @call
    async def put(self, key: str, value: str) -> None:
        self.rows[key] = value

    @call
    async def count(self) -> int:
        return len(self.rows)


async def connect(service: Service) -> None:
    """Set a database up, before it counts."""
    print(f"connecting to the database of {service.node}")
    await service.info.call(Database.put, "schema", "1")


async def main() -> None:
    async with (
        create_cluster("web", port=0, cookie="monster") as web,
        web.events(ServicesReady, ServicesNotReady) as told,
    ):
        web.services.setup("db", connect)
        print("ready at once:", web.services.is_ready)

        async with create_cluster(
            "db1", port=0, cookie="monster", seeds=[web.address]
        ) as db1:
            db1.services.advertise("db", await db1.start("database", Database))
            services = await web.services.ready()  # however long it takes
            (database,) = services["db"]
            print("ready, with", database.node)
            print("rows:", await database.info.call(Database.count))

        print(await anext(told))
        print(await anext(told))  # db1 has ended
        async with create_cluster(
            "db2", port=0, cookie="monster", seeds=[web.address]
        ) as db2:
            db2.services.advertise("db", await db2.start("database", Database))
            (database,) = (await web.services.ready())["db"]
            print("ready again, with", database.node)


if __name__ == "__main__":
    trio.run(main)
