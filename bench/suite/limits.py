"""Why a row is missed: what was tried, and what the limit is. For rows that are missed only."""
from __future__ import annotations

from typing import Any

# By report and the beginning of a row; the first that fits.
LIMITS: tuple[tuple[str, str, str], ...] = (
    ("connections", "busy cycles per connection, client, embedded",
     "Embedded wire: instructions are the limit (`bench/run builds` counts them, `bench/run path` "
     "has the cycles of each stage), and one walk of the page tables a connection and side, since "
     "the flow table is larger than the TLB reaches. Tried and kept: headers asked for eight "
     "ahead as their owner (64 at once are forgotten where the cores are far apart), buckets side "
     "by side, whole words and a fast path of its own for segments without data, source ports "
     "worked out once. Tried and left: one step more of inlining (LTO) and another order of code "
     "(PGO) gain what `bench/run builds` says. Half of the instructions would have to go; "
     "checksums, a keyed function per ISN and options stay. What an exchange of data adds is a "
     "Stream of three lines and a copy each way."),
    ("connections", "busy cycles per connection, server, embedded", ""),
    ("connections", "connections per second, memif, beside dperf",
     "dperf is ahead on memif. It keeps no TIME_WAIT and no table, verifies no checksum and has "
     "one connection per port number in a dense array; both pay for the driver."),
    ("connections", "busy cycles per connection, client, memif, beside dperf", ""),
    ("connections", "connections per second, memif",
     "memif: the first of all costs is DPDK's driver, which copies each frame into shared memory "
     "that the other core has just read, and waits for those lines. Rings of 256 to 2,048 make no "
     "difference. How near to each other the hypervisor has put the two cores, which it changes "
     "within minutes, decides as much as what we do."),
    ("connections", "busy cycles per connection, client, memif", ""),
    ("connections", "busy cycles per connection, server, memif", ""),
    ("connections", "busy cycles per connection, client, virtio",
     "virtio-user and vhost-user: the server's end copies both ways and kicks its peer; the floor "
     "of testpmd on the same ports is in `bench/run path`."),
    ("connections", "busy cycles per connection, server, virtio", ""),
    ("connections", "failures and retransmissions",
     "The maximum is found in windows of 1.2 s. What fails at 90 % of it are opens that were "
     "more than a tenth of a second late, after a pause of the machine; none is sent again. The "
     "row below has the share at which a run longer than 2MSL is clean."),
    ("latency", "handshake p50, one at a time, memif, among",
     "The two runs stand one after the other; where the hypervisor has moved the cores apart "
     "between them, that is what the row shows."),
    ("sockets", "rate of opening",
     "Opening ten million touches each line of their TCBs, their buckets and the generator's "
     "records for the first time, ten thousand stay in the cache. Pages are there at start; what "
     "is left is memory's latency."),
    ("flow_table", "batched look-up",
     "Two dependent misses, bucket and TCB, each in a batch: the memory of this machine at that "
     "moment, and page walks, decide about the last nanoseconds."),
    ("timer_wheel", "expire",
     "The owner's line is a miss for each entry that fires; asked for 24 ahead. At 1 M there are "
     "17 entries a tick, too few to hide all of it. Batches of 256 were slower."),
    ("time_wait", "longest turn",
     "Without a page to take the longest turn is tens of microseconds; what is longer is the "
     "machine's."),
    ("scale", "", "The two workers share nothing but the third level of the cache and the memory; "
                  "the difference moves with the machine from run to run."),
    ("memory", "1,000,000 idle",
     "The stack of the client takes what the server's does; the load generator's record of 32 "
     "bytes for each connection comes on top."),
)


def of(name: str, row: dict[str, Any]) -> str:
    """The text for a row of report `name`; empty if it is not missed, or said already."""
    if not row["verdict"].startswith("missed"):
        return ""
    for report, begin, text in LIMITS:
        if report == name and row["what"].startswith(begin):
            return text
    return "The limit was not found."


def missed(reports: list[dict[str, Any]]) -> list[str]:
    """The texts for all rows that are missed, each once."""
    texts: list[str] = []
    for report in reports:
        for row in report["rows"]:
            text = of(report["name"], row)
            if text and text not in texts:
                texts.append(text)
    return texts
