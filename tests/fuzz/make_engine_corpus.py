#!/usr/bin/env python3
"""Writes corpus/engine/*.bin: one program a file, named for what it leads to.

The encoding is engine.cpp's. Run it after a change here.
"""
import pathlib

FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32
(ADVANCE, LISTEN, CONNECT, READ, WRITE, SHUTDOWN, CLOSE, ABORT, OPEN, NEXT, SEGMENT, RAW, LINK, ICMP,
 AGAIN, FLOOD) = range(16)
# Bases of a segment's numbers.
SEQ_NEXT, SEQ_RCV_NXT, SEQ_EDGE, SEQ_OLD, SEQ_BEFORE, SEQ_ZERO, SEQ_ISS, SEQ_LAST = range(8)
ACK_ALL, ACK_ISS, ACK_SYN, ACK_BUT_ONE, ACK_OURS, ACK_ZERO, ACK_BEYOND, ACK_OLD = range(8)
TIMES, TIMES_ODD, SACK, LINUX = 2, 3, 6, 0x78
TIMER = 0x80


def op(what, which=0, *args, burst=False):
    return bytes([what | which << 4 | (0x80 if burst else 0), *(a & 0xFF for a in args)])


def listen(on=True):
    return op(LISTEN, 0 if on else 1)


def wait(which):  # 0 ms 1 1 2 2 3 39 4 41 5 199 6 201 7 999 8 1001 9 3 s 10 59 s 11 61 s …
    return op(ADVANCE, 0, which)


def next_timer(times=1):
    return op(ADVANCE, 0, TIMER) * times


def segment(flags, seq=SEQ_NEXT, ack=ACK_ALL, seq_offset=0, ack_offset=0, window=0xFFFF, option=0,
            size=0, which=0, extra=(), far=0, burst=False):
    return op(SEGMENT, which, flags, seq | ack << 3 | far, seq_offset, ack_offset, window >> 8,
              window & 255, option, *extra, size, burst=burst)


def data(size=16, flags=PSH | ACK, which=0, burst=False):
    return op(NEXT, which, flags, size, burst=burst)


def fin(which=0):
    return op(NEXT, which, FIN | ACK, 0)


def ack(which=0):
    return op(NEXT, which, ACK, 0)


PASSIVE = listen() + op(OPEN, 0, 0)
PASSIVE_LINUX = listen() + op(OPEN, 0, LINUX)
SYN_RECEIVED = listen() + op(NEXT, 0, SYN, 0)
SYN_SENT = op(CONNECT, 0)
ACTIVE = SYN_SENT + op(OPEN, 4, 0)
FIN_WAIT_1 = PASSIVE + op(CLOSE)
FIN_WAIT_2 = FIN_WAIT_1 + ack()
CLOSE_WAIT = PASSIVE + fin()
CLOSING = FIN_WAIT_1 + segment(FIN | ACK, ack=ACK_BUT_ONE)
LAST_ACK = CLOSE_WAIT + op(CLOSE)
TIME_WAIT = FIN_WAIT_2 + fin()
HALF_CLOSED = PASSIVE + op(SHUTDOWN) + ack()

STATES = {
    "listen": listen(), "syn_received": SYN_RECEIVED, "syn_sent": SYN_SENT, "established": PASSIVE,
    "established_linux": PASSIVE_LINUX, "fin_wait_1": FIN_WAIT_1, "fin_wait_2": FIN_WAIT_2,
    "close_wait": CLOSE_WAIT, "closing": CLOSING, "last_ack": LAST_ACK, "time_wait": TIME_WAIT,
}


def twists(which):
    """What is thrown at every state."""
    return {
        "rst": segment(RST, which=which),
        "rst_in_window": segment(RST, seq_offset=10, which=which),
        "rst_ack": segment(RST | ACK, which=which),
        "syn": segment(SYN, option=LINUX, which=which),
        "syn_far": segment(SYN, seq_offset=64, far=64, which=which),
        "syn_ack_data": segment(SYN | ACK, size=20, which=which),
        "fin_data": segment(FIN | ACK, size=50, which=which),
        "fin_gap": segment(FIN | ACK, seq_offset=100, which=which),
        "ack_beyond": segment(ACK, ack=ACK_BEYOND, which=which),
        "ack_old": segment(ACK, ack_offset=-100, far=128, which=which),
        "no_flags": segment(0, size=8, which=which),
        "all_flags": segment(0xFF, size=8, which=which),
        "abort": op(ABORT),
        "close_shutdown_close": op(CLOSE) + op(SHUTDOWN) + op(CLOSE),
        "timers": next_timer(12),
    }


PROGRAMS = {
    "close_four_segments": FIN_WAIT_2 + fin() + wait(10) + wait(9),
    "close_three_segments": FIN_WAIT_1 + fin() + next_timer(3),
    "close_simultaneous": CLOSING + ack() + next_timer(3),
    "close_in_syn_sent": SYN_SENT + op(CLOSE),
    "close_unread": PASSIVE + data() + op(CLOSE),
    "data_after_close": FIN_WAIT_2 + data(),
    "half_close_download": HALF_CLOSED + data(125) * 6 + op(READ, 0, 255) + fin() + op(READ, 0, 255),
    "simultaneous_open": SYN_SENT + op(NEXT, 4, SYN, 0) + segment(SYN | ACK, SEQ_BEFORE, which=4)
                         + op(CLOSE),
    "refused": SYN_SENT + segment(RST | ACK, which=4, seq=SEQ_ZERO),
    "echo": PASSIVE_LINUX + data(100) + op(READ, 0, 64) + op(WRITE, 0, 13) + ack() + fin()
            + op(CLOSE) + ack(),
    "write_until_full": PASSIVE + op(WRITE, 0, 255) * 4 + ack() * 6 + op(CLOSE) + ack() * 6,
    "window_shut": PASSIVE + segment(ACK, window=0) + op(WRITE, 0, 40) + next_timer(6)
                   + segment(ACK, window=0xFFFF) + ack(),
    "window_tiny": PASSIVE + segment(ACK, window=3) + op(WRITE, 0, 40) + next_timer(6)
                   + segment(ACK, window=1) + next_timer(3),
    "reader_never_reads": PASSIVE + data(175) * 40,
    "reader_slow": PASSIVE + (data(175) * 3 + op(READ, 0, 9)) * 10 + op(READ, 0, 255) * 4,
    "out_of_order": PASSIVE + segment(PSH | ACK, seq_offset=100, size=25)
                    + segment(PSH | ACK, seq_offset=50, size=25) + data(20),
    "overlap": PASSIVE + data(20) + segment(PSH | ACK, SEQ_RCV_NXT, seq_offset=-60, size=40)
               + segment(FIN | ACK, SEQ_RCV_NXT, seq_offset=-30, size=40),
    "rto": PASSIVE + op(WRITE, 0, 100) + next_timer(14),
    "dupacks": PASSIVE_LINUX + op(WRITE, 0, 200) + op(NEXT, 0, ACK, 0) * 2
               + segment(ACK, ack=ACK_OLD, option=SACK | 0x10, extra=(40, 20, 90, 10)) * 5 + ack(),
    "sack_nonsense": PASSIVE_LINUX + op(WRITE, 0, 100)
                     + segment(ACK, ack=ACK_OLD, option=SACK | 0x30,
                               extra=(1, 0x80, 255, 0x7F, 0, 0, 9, -9)) * 4,
    "paws": PASSIVE_LINUX + data(flags=0x80 | PSH | ACK) + segment(PSH | ACK, option=TIMES_ODD, extra=(200, 0), size=5)
            + segment(PSH | ACK, option=TIMES_ODD, extra=(1, 9), size=5),
    "keep_quiet_a_day": PASSIVE_LINUX + wait(15) + op(NEXT, 0, 0x80 | PSH | ACK, 4),
    "time_wait_reused": TIME_WAIT + op(OPEN, 0, LINUX) + data() + op(READ, 0, 9) + op(ABORT),
    "backlog_full": listen() + op(FLOOD, 0, 60) + op(OPEN, 1, 0) + next_timer(10),
    "unlisten_half_open": listen() + op(FLOOD, 0, 3) + listen(False) + next_timer(2),
    "no_arp": op(LINK, 1) + SYN_SENT + wait(9) * 3 + op(LINK, 0) + next_timer(3),
    "stuck_device": PASSIVE + op(LINK, 2) + op(WRITE, 0, 255) + next_timer(2) + op(LINK, 0) + ack(),
    "no_frames": PASSIVE + op(WRITE, 0, 20) + op(LINK, 4) + data() + next_timer(2) + op(LINK, 0)
                 + ack(),
    "data_with_sack": PASSIVE_LINUX + op(WRITE, 0, 100)
                      + segment(ACK, seq_offset=61, option=TIMES, size=1) + wait(8),
    "icmp_too_big": PASSIVE + op(WRITE, 0, 100) + op(ICMP, 0, 3, 4, 72, 0) + next_timer(3),
    "icmp_unreachable": SYN_SENT + op(ICMP, 4, 3, 1, 0, 0) + op(ICMP, 4, 3, 3, 0, 0),
    "burst": PASSIVE + data(burst=True) + data(burst=True) + op(AGAIN, burst=True) + fin(),
    "urgent": PASSIVE + segment(PSH | ACK | URG, size=9),
    "raw_arp": op(RAW, 0, 42) + bytes.fromhex(
        "ffffffffffff020000000002080600010800060400010200000000020a0000020000000000000a000001"),
    "raw_syn": listen() + op(RAW, 0, 55) + bytes.fromhex(
        "020000000001020000000002080045000029000040004006000 00a0000020a000001".replace(" ", "")
        + "9c400050000000000000000050020fff0000000000"),
}
for state, program in STATES.items():
    for twist, what in twists(4 if state == "syn_sent" else 0).items():
        PROGRAMS[f"{state}_{twist}"] = program + what
# A second byte of configuration turns the clock to just before its wrap, or makes the MTU small.
UNRESOLVED = ("no_arp", "unlisten_half_open")
CONFIGURED = {name: bytes([0, 8 if name in UNRESOLVED else 0]) + program for name, program in PROGRAMS.items()}
for name in ("echo", "close_four_segments", "rto", "paws", "write_until_full", "window_shut"):
    for label, config in {"plain": (0x1E, 0), "wrap": (0, 1), "ms_wrap": (0x40, 2),
                          "small": (0x81, 4)}.items():
        CONFIGURED[f"{name}_{label}"] = bytes(config) + PROGRAMS[name]

folder = pathlib.Path(__file__).parent / "corpus" / "engine"
folder.mkdir(parents=True, exist_ok=True)
for name, program in CONFIGURED.items():
    (folder / f"{name}.bin").write_bytes(program)
print(f"{len(CONFIGURED)} files in {folder}")
