"""Inward: what the network brings of streams, to the ends that they have here.

A part of `delivery`, with its rules: nothing blocks, nothing raises. A peer
chooses every number in these records, so what fits no stream is counted and
dropped.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from clusterkit.actors.faults import to_fault
from clusterkit.actors.opening import Opened, OpenedEnd
from clusterkit.actors.serving import SERVED, ServedEnd, patience_of
from clusterkit.actors.stream_ways import ToPeer, end_error
from clusterkit.errors import StreamError, StreamOverrun
from clusterkit.wire import messages as m
from clusterkit.wire.streams import ASKED, OPENER, Chunk, about

if TYPE_CHECKING:
    from collections.abc import Callable

    from clusterkit.actors.here import Origin
    from clusterkit.actors.runtime import Runtime
    from clusterkit.actors.stream_end import StreamEnd
    from clusterkit.errors import ClusterError
    from clusterkit.net.peer import Peer
    from clusterkit.wire.messages import Record

_LOST = "its opener's node was out of reach"


class StreamDelivery:
    """Takes what peers send of streams.

    Args:
        runtime: The node's.

    Attributes:
        table: What takes which kind of record.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self.table: dict[int, Callable[[Peer, Record], None]] = {
            m.OPEN: self._on_open,
            m.CHUNK: self._on_chunk,
            m.CREDIT: self._on_credit,
            m.END: self._on_end,
        }

    def count(self) -> int:
        """Return how many ends of streams are open here."""
        runtime = self._runtime
        ours = sum(isinstance(p, Opened) for p in runtime.calls.pending.values())
        origins: list[Origin] = [runtime.here, *runtime.kernel.everybody()]
        asked = [record for o in origins for record in o.open_calls.values()]
        return ours + len([record for record in asked if record[m.KIND] == m.OPEN])

    def lose(self, peer: Peer, error: Callable[[], ClusterError]) -> None:
        """End all streams with a peer that has lost sight of them, or we of it.

        It is told so, for the case that it comes back as the same process.
        """
        runtime = self._runtime
        told = peer.role == "member" and peer.talk.outgoing.id != 0
        for pending in list(runtime.calls.pending.values()):
            if isinstance(pending, Opened) and pending.peer is peer:
                if told:
                    runtime.sending.abandon(pending)
                runtime.calls.fail(pending.id, peer, error())
        for number, record in list(peer.open_calls.items()):
            if record[m.KIND] == m.OPEN:
                if told:
                    fault = [m.FAULT, number, *to_fault(StreamError(_LOST))]
                    # Accounted for as what it is: no answer that anybody expects.
                    peer.post(runtime.encode(fault), m.CANCEL, None)
                    peer.wake()
                runtime.cancel(peer, number)
        self.purge(peer)

    def purge(self, peer: Peer) -> None:
        """Send nothing more of streams that are over."""
        theirs = (about(number, ASKED) for number in peer.open_calls)
        alive = {*self._runtime.calls.pending, *theirs}
        peer.outbox.remove(
            lambda entry: entry[1] in m.OF_STREAMS and entry[2] not in alive
        )

    def _find(self, peer: Peer, record: Record) -> StreamEnd | None:
        """Return the end that a record is for, None if there is none."""
        number, side = record[m.STREAM], record[m.SIDE]
        if side == OPENER:
            call = peer.open_calls.get(number)
            if call is not None and call[m.KIND] == m.OPEN:
                served: ServedEnd = call[SERVED]
                return served
        elif side == ASKED:
            pending = self._runtime.calls.pending.get(number)
            if isinstance(pending, Opened) and pending.peer is peer:
                return pending.end
        return None

    def _on_open(self, peer: Peer, record: Record) -> None:
        runtime = self._runtime
        delivery, pressure = runtime.delivery, runtime.pressure
        process = runtime.registry.get(record[m.ACTOR])
        if process is None:
            delivery.nobody(peer, record)
            return
        if process.mailbox.full and not pressure.takes(process, peer):
            pressure.refuse(process, peer, record)
            return
        number, window = record[m.CALL_ID], record[m.WINDOW]
        end = ServedEnd(runtime, peer, window, patience_of(record))
        end.way = ToPeer(runtime, peer, number, ASKED)
        end.inflow.beyond = peer.beyond
        end.record = [*record[:SERVED], end]
        if delivery.open_call(peer, end.record, 0.0) is not None:
            process.mailbox.put((end.record, peer, delivery.each, inf))

    def _say_late(self, peer: Peer) -> None:
        """Count a record that fits no stream that is open."""
        self._runtime.accounts.drop("late_chunk", peer=peer.name)

    def _on_chunk(self, peer: Peer, record: Record) -> None:
        end, data = self._find(peer, record), record[m.DATA]
        if end is None:
            self._say_late(peer)
            return
        try:
            if not end.put(Chunk(record[m.FORM], data, len(data))):
                self._say_late(peer)
        except StreamOverrun as error:
            self._runtime.accounts.drop("overrun", peer=peer.name)
            self._break(peer, end, record, error)
        except StreamError as error:
            self._runtime.accounts.drop("no_room", peer=peer.name)
            self._break(peer, end, record, error)

    def _break(
        self, peer: Peer, end: StreamEnd, record: Record, error: StreamError
    ) -> None:
        """End a stream at both ends for a chunk that cannot be taken."""
        if isinstance(end, OpenedEnd):
            end.cut_off(error)
        else:
            runtime, number = self._runtime, record[m.STREAM]
            runtime.refuse_call(peer, peer.open_calls[number], error)
            runtime.cancel(peer, number)

    def _on_credit(self, peer: Peer, record: Record) -> None:
        end = self._find(peer, record)
        if end is None or not end.grant(record[m.GRANTED]):
            self._say_late(peer)

    def _on_end(self, peer: Peer, record: Record) -> None:
        end = self._find(peer, record)
        if end is None:
            self._say_late(peer)
            return
        code, details = record[m.END_CODE], record[m.END_DETAILS]
        if not end.hear_end(end_error(code, details, end.where)):
            self._say_late(peer)
