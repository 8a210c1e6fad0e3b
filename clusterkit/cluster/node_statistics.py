"""What is counted on a node, as one value."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clusterkit.frozen import frozen

if TYPE_CHECKING:
    from clusterkit.actors.statistics import ActorStatistics
    from clusterkit.net.peer import LinkStatistics


@frozen(kw_only=True)
class NodeStatistics:
    """A snapshot of a node.

    Attributes:
        links: One per peer, by name.
        actors: One per actor, in the order they were started.
        pending_calls: Calls that wait for an answer, but for those by which the nodes'
            own actors keep in touch.
        dropped: Messages that this node had accepted and let go, by reason; see
            `events.DropReason`.
        busy: Messages that this node refused, their senders being told, by
            reason; see `events.BusyReason`.
        late_replies: Answers dropped because their caller had given up.
        undelivered: Casts that may not have arrived, by peer.
        refused: Casts that a full mailbox refused, by peer.
        unknown_casts: Casts to actors that this node does not run, dropped.
        undecodable: Casts from peers with a value that could not be built
            here, dropped.
        streams: Ends of streams that are open on this node.
        stray_chunks: Chunks, credits and ends that came for no stream, or for
            one that was over; dropped.
        overruns: Streams ended because a peer sent more than it might.
        foreign_gossip: Ring messages of other rings, ignored.
        rejected: Refused frames and handshakes, by reason: `cookie`,
            `guessing`, `ring`, `name`, `incarnation`, `given_up`, `version`,
            `seal`, `size`, `timeout`, `protocol`.
        handshakes: Handshakes under way.
        loop_lag: The longest the event loop was held lately, in seconds.
    """

    links: tuple[LinkStatistics, ...]
    actors: tuple[ActorStatistics, ...]
    pending_calls: int
    dropped: dict[str, int]
    busy: dict[str, int]
    late_replies: int
    undelivered: dict[str, int]
    refused: dict[str, int]
    unknown_casts: int
    undecodable: int
    streams: int
    stray_chunks: int
    overruns: int
    foreign_gossip: int
    rejected: dict[str, int]
    handshakes: int
    loop_lag: float
