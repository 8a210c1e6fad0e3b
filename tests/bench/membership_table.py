"""The figures of `membership.py`, beside what they must be and are meant to be."""

from __future__ import annotations

# Key, what it is, unit, then for each size (must, aim), None where nothing is said.
ROWS = (
    ("spread_p50", "a key is known to half, 10 % loss", "s", {}),
    ("spread_p99", "and to 99 % of them", "s", {}),
    (
        "spread_rounds",
        "the same in rounds of gossip",
        "",
        {10: (5, None), 100: (8, 5), 1000: (11, 8)},
    ),
    (
        "idle_bytes",
        "idle gossip, for each node",
        "B/s",
        {100: (4000, 1000), 1000: (8000, 1500)},
    ),
    ("links", "links of a node", "", {}),
    ("crash_first", "a crash is known to the first, 10 % loss", "s", {}),
    ("crash_p50", "to half", "s", {}),
    ("crash_all", "to all", "s", {100: (9, 5), 1000: (13, 7)}),
    ("false_deaths", "false deaths, 10 % loss", "/node-hour", {}),
    ("hours", "  in so much time", "node-hours", {}),
    (
        "false_at_most",
        "  hence at most, with 95 %",
        "/node-hour",
        {100: (0.04, 0.001)},
    ),
    ("paused", "others said to be dead, one cut off half of the time", "", {}),
    ("paused_without", "  the same without local health", "", {}),
    ("fewer", "  so many times fewer", "x", {10: (10, 50)}),
    (
        "isolated",
        "one view, after 5 min of isolation",
        "s",
        dict.fromkeys((10, 100), (10, 3)),
    ),
    (
        "restarted",
        "one view, after all restarted",
        "s",
        dict.fromkeys((10, 100, 200), (10, 3)),
    ),
    ("side", "each half of a split has its master", "s", {}),
    ("masters", "masters of a split cluster", "", {}),
    (
        "one_master",
        "one master, after a split",
        "s",
        dict.fromkeys((10, 100), (3, 1.5)),
    ),
    ("sim_speed", "simulator, times real time", "x", {100: (20, 100), 1000: (2, 10)}),
)

MORE_IS_BETTER = {"sim_speed", "fewer"}


def verdict(key, value, limits):
    """Return `aim`, `must` or `MISS`."""
    must, aim = limits
    sign = -1 if key in MORE_IS_BETTER else 1
    if aim is not None and sign * value <= sign * aim:
        return "aim"
    return "must" if sign * value <= sign * must else "MISS"


def print_table(figures):
    """Print one row a figure, one column a size."""
    sizes = list(figures)
    print("| figure | " + " | ".join(f"N = {size}" for size in sizes) + " |")
    print("|---|" + "---|" * len(sizes))
    for key, title, unit, limits in ROWS:
        cells = []
        for size in sizes:
            value = figures[size].get(key)
            if value is None:
                cells.append("")
                continue
            cell = f"{value:.3g} {unit}".strip()
            if size in limits:
                must, aim = limits[size]
                wanted = f"{must:g}" + (f", {aim:g}" if aim is not None else "")
                cell += f" ({wanted}: {verdict(key, value, limits[size])})"
            cells.append(cell)
        if any(cells):
            print(f"| {title} | " + " | ".join(cells) + " |")
