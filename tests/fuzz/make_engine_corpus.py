#!/usr/bin/env python3
"""Writes corpus/engine/*.bin: one program a file, named for what it leads to.

The encoding is engine.cpp's. Run it after a change here.
"""
import pathlib

FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32
(ADVANCE, LISTEN, CONNECT, READ, WRITE, SHUTDOWN, CLOSE, ABORT, OPEN, NEXT, SEGMENT, RAW, LINK,
 ICMP, AGAIN, FLOOD) = range(16)
# Bases of a segment's numbers.
SEQ_NEXT, SEQ_RCV_NXT, SEQ_EDGE, SEQ_OLD, SEQ_BEFORE, SEQ_ZERO, SEQ_ISS, SEQ_LAST = range(8)
ACK_ALL, ACK_ISS, ACK_SYN, ACK_BUT_ONE, ACK_OURS, ACK_ZERO, ACK_BEYOND, ACK_OLD = range(8)
TIMES, TIMES_ODD, SACK, LINUX = 2, 3, 6, 0x78
TIMER = 0x80
# Bits of the second byte of configuration.
TICK_WRAP, MS_WRAP, SMALL_MTU, UNRESOLVED, IP6, NO_COPY, MORE = (1 << i for i in range(7))


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


# Without a copy, where the application may: the byte that says how much is odd.
def peek(times16=255, which=0):
    return op(READ, which, times16 | 1)


def lend(times64=41, which=0):
    return op(WRITE, which, times64 | 1)


def write(times64=40, which=0):
    return op(WRITE, which, times64 & ~1)


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
    "half_close_download": HALF_CLOSED + data(125) * 6 + op(READ, 0, 255) + fin()
                           + op(READ, 0, 255),
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
    "paws": PASSIVE_LINUX + data(flags=0x80 | PSH | ACK)
            + segment(PSH | ACK, option=TIMES_ODD, extra=(200, 0), size=5)
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
    # It waits for its next hop, and the SYN,ACK of the next incarnation, a reply in place, does
    # not.
    "late_data_of_before": PASSIVE + op(WRITE, 0, 128) + op(LINK, 2) + wait(12) + wait(9) + wait(14)
                           + op(FLOOD, 3, 14) + wait(14) + op(ABORT, burst=True) + op(OPEN, 0, 0),
    # The SYN,ACK found no frame, and the peer takes our number from a challenge ACK.
    "syn_ack_never_left": PASSIVE + data(246, 0x18) + op(ABORT, burst=True)
                          + op(LINK, 4, burst=True) + wait(1) + op(OPEN, 0, 0) + data(0, 0) + ack()
                          + op(WRITE, 0, 255),
    "urgent": PASSIVE + segment(PSH | ACK | URG, size=9),
    "keep_frames_unread": PASSIVE + data(175) * 40,
    "keep_frames_close": PASSIVE + data(175) * 3 + op(CLOSE),
    "keep_frames_abort": PASSIVE + data(175) * 3 + op(ABORT),
    "keep_frames_reset": PASSIVE + data(175) * 3 + segment(RST | ACK),
    "keep_frames_fin": PASSIVE + data(175) * 2 + data(150, FIN | PSH | ACK) + op(READ, 0, 255) * 2,
    "keep_frames_close_wait_timers": PASSIVE + data(175) * 2 + fin() + op(SHUTDOWN) + ack()
                                     + op(READ, 0, 100) + next_timer(3) + op(READ, 0, 255),
    "keep_frames_burst": PASSIVE + data(175, burst=True) * 20 + op(READ, 0, 255) * 8,
    "keep_frames_two_readers": PASSIVE + op(OPEN, 1, 0) + (data(175) + data(170, which=1)) * 8
                               + (op(READ, 0, 90) + op(READ, 1, 70)) * 12,
    "keep_frames_between_small": PASSIVE + (data(2) + data(130) + data(1)) * 5
                                 + op(READ, 0, 255) * 3,
    "keep_frames_least": PASSIVE + data(127) + data(128) + segment(PSH | ACK, size=255)
                         + op(READ, 0, 255),
    "keep_frames_overlap": PASSIVE + data(20)
                           + segment(PSH | ACK, SEQ_RCV_NXT, seq_offset=-60, size=35)
                           + data(175) * 2 + op(READ, 0, 255),
    "keep_frames_gap": PASSIVE + segment(PSH | ACK, seq_offset=100, size=255) + data(13)
                       + data(175) * 2 + op(READ, 0, 255) * 2,
    "keep_frames_no_frames": PASSIVE + data(175) * 4 + op(LINK, 4) + data(175) * 2
                             + op(READ, 0, 60) + next_timer(2) + op(LINK, 0) + data(175)
                             + op(READ, 0, 255) * 3,
    "keep_frames_stuck_device": PASSIVE + op(LINK, 2) + data(175) * 6 + op(READ, 0, 255) * 2
                                + op(LINK, 0) + data(175) + op(READ, 0, 255),
    "keep_frames_again": PASSIVE + (data(175) + op(AGAIN)) * 4 + op(READ, 0, 255) * 3,
    "raw_arp": op(RAW, 0, 42) + bytes.fromhex(
        "ffffffffffff020000000002080600010800060400010200000000020a0000020000000000000a000001"),
    "raw_syn": listen() + op(RAW, 0, 55) + bytes.fromhex(
        "020000000001020000000002080045000029000040004006000 00a0000020a000001".replace(" ", "")
        + "9c400050000000000000000050020fff0000000000"),
}
for state, program in STATES.items():
    for twist, what in twists(4 if state == "syn_sent" else 0).items():
        PROGRAMS[f"{state}_{twist}"] = program + what
# Of an application that peeks and lends.
NO_COPY_PROGRAMS = {
    "peek_echo": PASSIVE_LINUX + data(175) * 2 + peek(64) + lend(13) + ack() + peek() + fin()
                 + op(CLOSE) + ack(),
    "peek_slow": PASSIVE + (data(175) * 3 + peek(9)) * 10 + peek() * 4,
    "peek_frames_and_blocks": PASSIVE + (data(2) + data(130) + data(1) + peek(51)) * 8 + peek() * 3,
    "peek_islands": PASSIVE + segment(PSH | ACK, seq_offset=100, size=255) + peek() + data(13)
                    + peek(3) + peek(),
    "peek_or_read": PASSIVE + data(175) * 6 + (peek(31) + op(READ, 0, 30)) * 8,
    "peek_end_of_stream": PASSIVE + data(175) + fin() + peek(41) + op(SHUTDOWN) + ack() + peek()
                          + peek(),
    "peek_after_close": PASSIVE + data(175) + op(CLOSE) + peek(),
    "lend_all_acked": PASSIVE + (lend(41) + ack()) * 3 + op(CLOSE) + ack(),
    "lend_acked_in_parts": PASSIVE + lend(41) + lend(21)
                           + segment(ACK, ack_offset=-100) + segment(ACK, ack_offset=-1)
                           + segment(ACK, ack=ACK_OLD) + ack(),
    "lend_first_byte_unacked": PASSIVE + lend(41) + segment(ACK, ack=ACK_SYN)
                               + segment(ACK, ack=ACK_SYN, ack_offset=1) + next_timer(3) + ack(),
    "lend_between_writes": PASSIVE + (write(2) + lend(21) + write(30) + lend(1)) * 3 + ack() * 6,
    "lend_until_full": PASSIVE + lend(255) * 3 + write(40) + ack() * 6 + lend(255) + ack() * 4,
    "lend_until_no_blocks": PASSIVE + lend(1) * 40 + write(4) + ack() * 8 + lend(9) + ack() * 2,
    "lend_rto": PASSIVE + lend(101) + next_timer(14) + ack() * 3,
    "lend_dupacks": PASSIVE_LINUX + lend(201) + ack() * 2
                    + segment(ACK, ack=ACK_OLD, option=SACK | 0x10, extra=(40, 20, 90, 10)) * 5
                    + ack(),
    "lend_window_shut": PASSIVE + segment(ACK, window=0) + lend(41) + next_timer(6)
                        + segment(ACK, window=0xFFFF) + ack(),
    "lend_window_tiny": PASSIVE + segment(ACK, window=3) + lend(41) + next_timer(6)
                        + segment(ACK, window=1) + next_timer(3) + ack(),
    "lend_in_syn_sent": SYN_SENT + lend(41) + write(10) + op(OPEN, 4, LINUX) + ack(4) * 3,
    "lend_in_syn_sent_refused": SYN_SENT + lend(41) + segment(RST | ACK, which=4),
    "lend_close": PASSIVE + lend(101) + op(CLOSE) + ack() * 4 + fin() + next_timer(2),
    "lend_close_unread": PASSIVE + lend(101) + data(175) + op(CLOSE) + next_timer(2),
    "lend_half_close": PASSIVE + lend(101) + op(SHUTDOWN) + ack() * 4 + data(175) + peek() + fin(),
    "lend_abort": PASSIVE + lend(101) + op(ABORT),
    "lend_abort_burst": PASSIVE + op(WRITE, 0, 101, burst=True) + op(ABORT, burst=True)
                        + ack() + next_timer(2),
    "lend_reset": PASSIVE + lend(101) + segment(RST | ACK),
    "lend_peer_gone": PASSIVE + lend(101) + next_timer(60),
    "lend_close_wait": CLOSE_WAIT + lend(101) + ack() * 4 + op(CLOSE) + ack(),
    "lend_fin_and_last_ack": PASSIVE + lend(9) + op(CLOSE) + fin() + next_timer(2),
    "lend_stuck_device": PASSIVE + op(LINK, 2) + lend(101) + ack() + next_timer(2) + op(LINK, 0)
                         + ack() * 3,
    "lend_no_frames": PASSIVE + op(LINK, 4) + lend(101) + next_timer(2) + op(LINK, 0) + ack() * 3,
    "lend_no_arp": op(LINK, 1) + SYN_SENT + lend(41) + wait(9) * 3 + op(LINK, 0) + next_timer(3)
                   + op(OPEN, 4, 0) + ack(4),
    "lend_icmp_too_big": PASSIVE + lend(101) + op(ICMP, 0, 3, 4, 72, 0) + next_timer(3) + ack() * 3,
    "lend_two": PASSIVE + op(OPEN, 1, 0) + lend(41) + lend(41, 1) + ack(1) + next_timer(2) + ack()
                + op(ABORT, 1) + lend(9),
}
# Segments that take one more byte: extension headers of IPv6 by number, as many words of options of
# IPv4. 6 and 7 are a fragment and an option that is not to be skipped.
MORE_PROGRAMS = {
    "open": listen() + op(OPEN, 0, LINUX, 1, 2) + op(NEXT, 0, PSH | ACK, 16, 4) + op(READ, 0, 9),
    "each": listen() + op(OPEN, 0, 0, 0, 0)
            + b"".join(op(NEXT, 0, PSH | ACK, 16, more) for more in range(8))
            + segment(PSH | ACK, SEQ_RCV_NXT, size=80) + b"\0" + op(READ, 0, 255),
    "keep_frames": listen() + op(OPEN, 0, 0, 5, 5)
                   + b"".join(op(NEXT, 0, PSH | ACK, 130 + more, more) for more in range(1, 6))
                   + op(READ, 0, 99) * 6,
    "fin": listen() + op(OPEN, 0, 0, 2, 3) + op(NEXT, 0, FIN | PSH | ACK, 130, 1) + op(READ, 0, 99)
           + op(CLOSE) + op(NEXT, 0, ACK, 0, 4),
    "reset": listen() + op(OPEN, 0, 0, 0, 0) + segment(RST | ACK) + b"\3",
    "refused": SYN_SENT + segment(RST | ACK, which=4, seq=SEQ_ZERO) + b"\2",
    "fragment_of_syn": listen() + op(NEXT, 0, SYN, 0, 6) + op(NEXT, 0, SYN, 0, 7),
}
# Over IPv6 alone.
IP6_PROGRAMS = {
    "icmp_too_big": PASSIVE + op(WRITE, 0, 100) + op(ICMP, 0, 2, 0, 160, 0) + next_timer(3) + ack(),
    "icmp_too_big_for_ip6": PASSIVE + op(WRITE, 0, 100) + op(ICMP, 0, 2, 0, 8, 0) + next_timer(3),
    "icmp_unreachable": SYN_SENT + op(ICMP, 4, 1, 0, 0, 0) + op(ICMP, 4, 1, 4, 0, 0),
    "no_ndp": PROGRAMS["no_arp"],
    "raw_solicitation": op(RAW, 0, 87) + bytes.fromhex(
        "3333ff000001020000000002" "86dd" "60000000" "0020" "3aff"
        "fd000000000000000000000000000002" "ff0200000000000000000001ff000001"
        "87000000" "00000000" "fd000000000000000000000000000001" "0101020000000002" "00"),
    "raw_duplicate_address": op(RAW, 0, 79) + bytes.fromhex(
        "3333ff000001020000000003" "86dd" "60000000" "0018" "3aff"
        "00000000000000000000000000000000" "ff0200000000000000000001ff000001"
        "87000000" "00000000" "fd000000000000000000000000000001" "00"),
    "raw_syn": listen() + op(RAW, 0, 75) + bytes.fromhex(
        "020000000001020000000002" "86dd" "60000000" "0014" "0640"
        "fd000000000000000000000000000002" "fd000000000000000000000000000001"
        "9c400050" "00000000" "00000000" "50020fff" "00000000" "00"),
    "raw_echo": op(RAW, 0, 63) + bytes.fromhex(
        "020000000001020000000002" "86dd" "60000000" "0009" "3a40"
        "fd000000000000000000000000000002" "fd000000000000000000000000000001"
        "80000000" "00010002" "2a"),
}

CONFIGURED = {}


def add(name, program, first=0, second=0):
    if "no_arp" in name or "no_ndp" in name or name.endswith("unlisten_half_open"):
        second |= UNRESOLVED
    CONFIGURED[name] = bytes([first, second]) + program


VARIANTS = {"plain": (0x1E, 0), "wrap": (0, TICK_WRAP), "ms_wrap": (0x40, MS_WRAP),
            "small": (0x81, SMALL_MTU)}
for name, program in PROGRAMS.items():
    add(name, program)
    if not name.startswith(("raw_", "icmp_", "no_arp")):
        add(f"ip6_{name}", program, 0, IP6)
for name in ("echo", "close_four_segments", "rto", "paws", "write_until_full", "window_shut"):
    for label, (first, second) in VARIANTS.items():
        add(f"{name}_{label}", PROGRAMS[name], first, second)
        add(f"ip6_{name}_{label}", PROGRAMS[name], first, second | IP6)
for name, program in NO_COPY_PROGRAMS.items():
    add(name, program, 0, NO_COPY)
    if "icmp" not in name:
        add(f"ip6_{name}".replace("no_arp", "no_ndp"), program, 0, NO_COPY | IP6)
for name in ("peek_slow", "lend_rto", "lend_until_no_blocks", "lend_until_full"):
    for label, (first, second) in VARIANTS.items():
        add(f"{name}_{label}", NO_COPY_PROGRAMS[name], first, second | NO_COPY)
        add(f"ip6_{name}_{label}", NO_COPY_PROGRAMS[name], first, second | NO_COPY | IP6)
for name, program in MORE_PROGRAMS.items():
    add(f"ip_options_{name}", program, 0, MORE)
    add(f"ip6_extensions_{name}", program, 0, MORE | IP6)
for name, program in IP6_PROGRAMS.items():
    add(f"ip6_{name}", program, 0, IP6)

folder = pathlib.Path(__file__).parent / "corpus" / "engine"
folder.mkdir(parents=True, exist_ok=True)
for name, program in CONFIGURED.items():
    (folder / f"{name}.bin").write_bytes(program)
print(f"{len(CONFIGURED)} files in {folder}")
