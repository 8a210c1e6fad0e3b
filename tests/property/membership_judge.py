"""What has been promised in a schedule, and whether it holds at its end.

`Judge` is told every operation and looks at every node after every step. It
asks nodes for nothing but `ids`, `registers()`, `lists()`, `left` and `owes()`,
so it serves the model and the real thing alike. The invariant: a fault names
what was promised, and to whom it matters.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Op:
    """An acknowledged operation, and who is known to hold what it wrote."""

    kind: str
    name: str
    by: str
    stamp: tuple
    step: int
    ids: frozenset
    meetings: bool
    """A meeting of the node that did it was under way."""
    others_meet: bool
    """A meeting that it had not asked for was under way."""
    listed_at: tuple
    """The latest stamp at which any node listed the one that did it."""
    elsewhere: bool
    """A ring of other ids listed the name: to unite with it may list it again."""
    holders: set
    alone: set = field(default_factory=set)
    """Who held it as the only member of its ring, and left that."""
    exempt: bool = False


class Judge:
    """Keeps the promises of one schedule.

    Args:
        nodes: All nodes by name; kept up to date by the world.
        down: The names of those that are down; likewise.
    """

    def __init__(self, nodes, down):
        self.nodes, self.down = nodes, down
        self.ops, self.meets, self.faults = [], [], []
        self.wiped = dict.fromkeys(nodes, -1)
        self.rings = {}
        self.lone = set()

    def up(self):
        return [node for name, node in self.nodes.items() if name not in self.down]

    # After every step: who holds what was written.

    def account(self, *, wiped=False):
        """A write may be lost with a disk, or with a ring of one that is left."""
        for op in self.ops:
            if not op.exempt:
                self.account_for(op, wiped=wiped)
        self.rings = {name: rings(node) for name, node in self.nodes.items()}
        for name, node in self.nodes.items():
            if node.lists() == {name}:
                self.lone.add((name, tuple(node.registers()[name][0])))

    def account_for(self, op, *, wiped):
        before = op.holders
        op.holders = {n.name for n in self.nodes.values() if knows(n, op)}
        op.alone |= {n for n in before - op.holders if self.circle(n, op) <= {n}}
        if op.holders:
            return
        op.exempt = True
        known = set().union(*(self.circle(name, op) for name in before))
        kin = {n.name for n in self.up() if n.ids & op.ids}
        if known & kin - before - op.alone and not wiped:
            self.faults.append(f"{op} lost, though {sorted(kin)} are in its ring")

    def circle(self, name, op):
        """Whom a node knew, before this step, in the ring where it knew of `op`."""
        known = [
            registers for ids, registers in self.rings.get(name, ()) if ids & op.ids
        ]
        return {
            n for registers in known if covers(registers, op) for n in listed(registers)
        }

    # At the end.

    def judge(self, *, fair, only_met):
        """Find what does not hold.

        Args:
            fair: Nothing went wrong but that pairs differ in speed.
            only_met: Nobody did anything but meet.
        """
        self.judge_pairs()
        live = {node.name for node in self.up()}
        for op in self.ops:
            if op.kind in {"remove", "leave"} and op.holders & live and not op.exempt:
                self.judge_absence(op, live)
            if op.kind == "leave" and fair:
                self.judge_leave(op)
        if fair and only_met:
            self.judge_meetings()
        for node in self.up():
            for ids, registers in node.owes():
                self.judge_debt(node, ids, registers)

    def judge_pairs(self):
        """Who lists whom is mutual, and then they are equal."""
        for one in self.up():
            for other in self.up():
                if other.name not in one.lists():
                    continue
                if one.name not in other.lists():
                    self.faults.append(f"{other.name} does not list {one.name}")
                elif (one.ids, one.registers()) != (other.ids, other.registers()):
                    self.faults.append(f"{one.name} and {other.name} differ")

    def judge_debt(self, node, ids, registers):
        for name in listed(registers) - self.down:
            if name in self.nodes and self.nodes[name].ids & ids:
                self.faults.append(f"{node.name} could have told {name}")

    def judge_absence(self, op, live):
        """Who left or was removed is not back, unless something brought it."""
        for node in self.up():
            if not node.ids & op.ids or op.name not in node.lists() or self.cause(op):
                continue
            if (op.elsewhere and node.ids - op.ids) or node.lists() == {op.name}:
                continue
            stamp = tuple(node.registers()[op.name][0])
            if stamp < op.stamp and {node.name, op.name} & op.holders & live:
                self.faults.append(f"{node.name} lists {op.name} in spite of {op}")
            ours = (op.name, stamp) in self.lone and stamp > op.stamp
            at_once = op.listed_at >= stamp > op.stamp
            if node.name == op.name == op.by and not (ours or at_once):
                self.faults.append(f"{op.name} is back, and nobody asked: {op}")

    def cause(self, gone):
        """Whether something listed the node after it had left or was removed."""
        return (
            gone.meetings
            or self.wiped[gone.name] >= gone.step
            or any(at > gone.step and gone.name in pair for at, *pair in self.meets)
            or any(
                op.kind == "insert"
                and op.name == gone.name
                and (
                    op.step > gone.step
                    or op.stamp > gone.stamp
                    or not op.ids & gone.ids
                )
                for op in self.ops
            )
        )

    def judge_leave(self, leave):
        """Who has left is alone, unless somebody met or inserted since."""
        if leave.others_meet or self.nodes[leave.name].lists() == {leave.name}:
            return
        met = any(step > leave.step for step, *_ in self.meets)
        if not met and not any(
            op.kind == "insert" and (op.name == leave.name or op.step > leave.step)
            for op in self.ops
        ):
            self.faults.append(f"{leave.name} is in a ring without a cause: {leave}")

    def judge_meetings(self):
        """All who met are together, and none of them has left a ring."""
        for step, one, other in self.meets:
            if other not in self.nodes[one].lists():
                self.faults.append(f"{one} met {other} at {step}, in vain")
        for node in self.nodes.values():
            if node.departures:
                self.faults.append(f"{node.name} left a ring, and nobody asked")


def knows(node, op):
    """Whether what `op` wrote would survive with this node alone."""
    if any(ids & op.ids and covers(registers, op) for ids, registers in rings(node)):
        return True
    gone = op.name == node.name and op.kind in {"remove", "leave"}
    return gone and any(node.left[i] >= op.stamp for i in op.ids & node.left.keys())


def rings(node):
    """The rings that a node is in or owes something to, by ids and registers."""
    return [(node.ids, node.registers()), *node.owes()]


def listed(registers):
    return {name for name, (member, _) in registers.items() if member[1]}


def covers(registers, op):
    """Whether the registers hold what `op` wrote, or something later."""
    entry = registers.get(op.name)
    if entry is None:
        return False
    stamp = entry[1][0] if op.kind == "update" else entry[0]
    return tuple(stamp) >= op.stamp
