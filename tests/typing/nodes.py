"""What the type checker knows of nodes, rings, clocks and simulations; never run.

Each expected error is marked; `warn_unused_ignores` makes a missing one fail.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, assert_type

from clusterkit import (
    ActorRef,
    Caller,
    ClusterNode,
    Config,
    Down,
    GenServer,
    HashRing,
    NodeInfo,
    Rejected,
    VectorClock,
    call,
    cast,
    create_cluster,
    load_settings,
    register,
)
from clusterkit.cluster.node_statistics import NodeStatistics
from clusterkit.core import Entry, rounds
from clusterkit.testing import ClusterSimulation, MemoryDisk, MemoryNetwork, simulate

if TYPE_CHECKING:
    from clusterkit.errors import ClusterError


@register
@dataclass(frozen=True)
class Order:
    item: str


@register(name="bill")
@dataclass(frozen=True)
class Invoice:
    total: int


class Overdrawn(Rejected):
    code = "overdrawn"


class Shop(GenServer):
    restart = "transient"  # type: ignore[mutable-override]  # not in --strict
    intensity = (1, 60.0)
    mailbox = 100

    @call
    async def buy(self, order: Order) -> Invoice:
        assert_type(self.caller, Caller)
        assert_type(self.name, str)
        assert_type(self.ref, ActorRef[Shop])
        if not order.item:
            raise Overdrawn(order.item)
        return Invoice(1)

    @cast
    async def close(self) -> None:
        assert_type(self.monitor("till@bar"), int)
        assert_type(self.monitor(self.ref), int)
        take_back = self.send_after(1, "closed")
        assert_type(take_back(), None)
        self.monitor(5)  # type: ignore[arg-type]
        self.send_after("1", "closed")  # type: ignore[arg-type]
        self.name = "other"  # type: ignore[misc]

    async def handle_info(self, message: object) -> None:
        if isinstance(message, Down):
            assert_type(message.monitor, int)
            assert_type(message.reason, str)


class Odd(GenServer):
    restart = "always"  # type: ignore[assignment]

    @cast  # type: ignore[arg-type]
    async def answers(self) -> int:
        return 1

    @call  # type: ignore[arg-type]
    def waits(self) -> int:
        return 1


async def by_name(node: ClusterNode) -> None:
    assert_type(await node.call("shop@bar", "buy", Order("tea")), Any)
    assert_type(await node.call("shop", "buy", Order("tea"), timeout=1), Any)
    await node.cast("shop", "close")
    node.cast_nowait("shop", "close")
    await node.abcast(["a", "b"], "shop", "close")
    assert_type(await node.ping("bar"), str)
    assert_type(await node.meet("bar@host:7022", timeout=1), bool)

    await node.call(Shop, "buy")  # type: ignore[arg-type]
    await node.call("shop", Shop.buy, Order("tea"))  # type: ignore[arg-type]
    await node.call("shop", "buy", timeout="1")  # type: ignore[arg-type]
    await node.abcast(None, "shop", Shop.close)  # type: ignore[arg-type]
    await node.multi_call(None, "shop", Shop.close)  # type: ignore[call-overload]
    node.ref(Order, "shop")  # type: ignore[type-var]
    node.events(int)  # type: ignore[type-var]


async def typed(shop: ActorRef[Shop]) -> None:
    assert_type(await shop.call(Shop.buy, Order("tea")), Invoice)
    shop.cast_nowait(Shop.close)
    shop.cast_nowait(Shop.close, 1)  # type: ignore[call-arg]
    shop.cast_nowait(Shop.buy, Order("tea"))  # type: ignore[arg-type]
    await shop.call("buy", Order("tea"))  # type: ignore[arg-type]
    await shop.call(Shop.buy, Invoice(1))  # type: ignore[arg-type]


async def lifecycle(node: ClusterNode) -> None:
    await node.stop("shop")
    node.pause("shop")
    node.resume("shop")
    assert_type(node.statistics(), NodeStatistics)
    assert_type(node.info, NodeInfo)
    assert_type(node.incarnation, int)
    await node.shutdown(timeout=1)
    await node.stop(Shop)  # type: ignore[arg-type]
    node.port = "7022"  # type: ignore[assignment]
    node.address = "foo@host:1"  # type: ignore[misc]


async def ring(node: ClusterNode) -> None:
    gossip = node.gossip
    assert_type(await gossip.join("ring"), bool)
    assert_type(await gossip.insert("bar@host:7022", 3, force=True), bool)
    assert_type(await gossip.minsert([NodeInfo("bar", "host", 7022)]), bool)
    assert_type(await gossip.mremove(["bar"]), bool)
    assert_type(gossip.find(b"key", 2), tuple[NodeInfo, ...])
    assert_type(gossip.next("bar"), tuple[NodeInfo, ...])
    assert_type(gossip.select_random(2), tuple[str, ...])
    assert_type(gossip.clock, VectorClock)

    @gossip.on_process
    async def move(old: HashRing, new: HashRing) -> None: ...

    @gossip.on_process
    def note(old: HashRing, new: HashRing) -> None: ...

    @gossip.on_process  # type: ignore[arg-type]
    async def odd(new: HashRing) -> None: ...

    await gossip.insert(5)  # type: ignore[arg-type]
    await gossip.insert("bar@host:7022", "3")  # type: ignore[arg-type]
    await gossip.remove("bar", True)  # type: ignore[call-arg]


def values() -> None:
    ring = HashRing(rfactor=3).insert("foo@host:7022")
    assert_type(ring.find("key"), NodeInfo)
    assert_type(ring.get("foo"), NodeInfo | None)
    assert_type(ring.get("foo", 0), NodeInfo | int)
    assert_type(ring.weights(), dict[str, int])
    assert_type(VectorClock("a").merge(VectorClock("b")), VectorClock)
    assert_type(VectorClock("a").get("a"), Entry | None)
    assert_type(rounds(5), int)
    ring.find(5)  # type: ignore[arg-type]
    ring.merge(VectorClock())  # type: ignore[arg-type]
    VectorClock(5)  # type: ignore[arg-type]
    ring.rfactor = 5  # type: ignore[misc]


async def settings() -> None:
    Config(call_timeout=1, outbox_policy="raise")
    Config(outbox_policy="forget")  # type: ignore[arg-type]
    Config(mailbox_policy="drop_oldest")
    Config(mailbox_policy="forget")  # type: ignore[arg-type]
    Config(5.0)  # type: ignore[call-arg]
    create_cluster("foo", cookie=["new", b"old"], on_exit="leave")
    create_cluster("foo", cookie=5)  # type: ignore[arg-type]
    create_cluster("foo", on_exit="go")  # type: ignore[arg-type]
    create_cluster("foo", actors={"shop": 5})  # type: ignore[dict-item]
    create_cluster("foo", secret="x")  # type: ignore[call-arg]


def simulation() -> None:
    async def main(sim: ClusterSimulation) -> None:
        node = await sim.start("a", actors={"shop": Shop}, disk=True)
        assert_type(node, ClusterNode)
        assert_type(sim.network, MemoryNetwork)
        assert_type(sim.disk("a"), MemoryDisk)
        await sim.crash("a", True)  # type: ignore[call-arg]

    assert_type(simulate(main, seed=1).hash, str)
    simulate(main, seed="1")  # type: ignore[arg-type]
    simulate(lambda sim: None)  # type: ignore[arg-type, return-value]


def errors(error: ClusterError) -> None:
    assert_type(error.code, str)
    assert_type(error.exit_status, int)


async def settings_from_outside() -> None:
    found = load_settings("node.toml", {}, port=0)
    assert_type(found.file, str | None)
    assert_type(found.config, Config | None)
    async with create_cluster(**found.options) as node:
        assert_type(node.is_ready, bool)
    load_settings(7)  # type: ignore[arg-type]
