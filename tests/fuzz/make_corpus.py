#!/usr/bin/env python3
"""Writes corpus/parse/*.bin: one frame a file, named for what it is. Run it after a change here."""
import pathlib
import struct

US, PEER = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")
OUR_IP, PEER_IP = bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2])
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
MSS = bytes([2, 4, 5, 0xB4])
TIMESTAMPS = bytes([1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2])
LINUX = MSS + bytes([4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7])


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ethernet(payload, kind=0x0800, to=US):
    return to + PEER + struct.pack(">H", kind) + payload


def ip(payload, protocol=6, source=PEER_IP, ip_options=b"", fragment=0x4000, first=None, total=None,
       bad_checksum=0):
    """`first` and `total` are the fields that lie, when given."""
    length = 20 + len(ip_options)
    header = struct.pack(
        ">BBHHHBBH", 0x40 | length // 4 if first is None else first, 0,
        length + len(payload) if total is None else total, 0x1234, fragment, 61, protocol, 0)
    header += source + OUR_IP + ip_options
    header = header[:10] + struct.pack(">H", checksum(header) ^ bad_checksum) + header[12:]
    return ethernet(header + payload)


def tcp(flags, options=b"", payload=b"", source_port=40000, offset=None, bad_checksum=0, **rest):
    words = 5 + len(options) // 4 if offset is None else offset
    segment = struct.pack(">HHIIBBHHH", source_port, 80, 0xFFFFFFF0, 0x01020304, words << 4, flags,
                          0xFEDC, 0, 0) + options + payload
    pseudo = rest.get("source", PEER_IP) + OUR_IP + struct.pack(">HH", 6, len(segment))
    value = checksum(pseudo + segment) ^ bad_checksum
    return ip(segment[:16] + struct.pack(">H", value) + segment[18:], **rest)


def icmp(kind, payload, code=0):
    message = struct.pack(">BBHHH", kind, code, 0, 0xABCD, 7) + payload
    return ip(message[:2] + struct.pack(">H", checksum(message)) + message[4:], protocol=1)


def arp(op, sender=PEER, sender_ip=PEER_IP, hardware_length=6, to=b"\xff" * 6):
    body = struct.pack(">HHBBH", 1, 0x0800, hardware_length, 4, op)
    return ethernet(body + sender + sender_ip + bytes(6) + OUR_IP, 0x0806, to)


OUR_IP6, PEER_IP6 = bytes.fromhex("fd" + "00" * 14 + "01"), bytes.fromhex("fd" + "00" * 14 + "02")
PAD8 = bytes([0, 1, 4, 0, 0, 0, 0])  # behind a next header: eight bytes of one PadN


def ip6(payload, protocol, source=PEER_IP6, to=OUR_IP6, headers=b"", first=None, length=None,
        hops=64, mac=US):
    """`headers` are extension headers of which `first` is the type of the first."""
    header = struct.pack(">IHBB", 6 << 28, len(headers + payload) if length is None else length,
                         protocol if first is None else first, hops)
    return ethernet(header + source + to + headers + payload, 0x86DD, mac)


def checksum6(data, protocol, source=PEER_IP6, to=OUR_IP6):
    return checksum(source + to + struct.pack(">II", len(data), protocol) + data)


def tcp6(flags, options=b"", payload=b"", **rest):
    segment = struct.pack(">HHIIBBHHH", 40000, 80, 0xFFFFFFF0, 0x01020304,
                          (5 + len(options) // 4) << 4, flags, 0xFEDC, 0, 0) + options + payload
    value = checksum6(segment, 6, rest.get("source", PEER_IP6))
    return ip6(segment[:16] + struct.pack(">H", value) + segment[18:], 6, **rest)


def icmp6(kind, rest, code=0, to=OUR_IP6, **more):
    message = struct.pack(">BBH", kind, code, 0) + rest
    value = checksum6(message, 58, to=to)
    return ip6(message[:2] + struct.pack(">H", value) + message[4:], 58, to=to, **more)


SOLICITED = bytes.fromhex("ff02" + "00" * 9 + "01ff000001")


def solicitation(option=bytes([1, 1]) + PEER, **more):
    return icmp6(135, bytes(4) + OUR_IP6 + option, to=SOLICITED, hops=255,
                 mac=bytes.fromhex("3333ff000001"), **more)


# What we sent and a router could not pass on.
QUOTED = ip(tcp(ACK)[34:42], source=OUR_IP)[14:]
QUOTED6 = ip6(tcp6(ACK)[54:62], 6, source=OUR_IP6, to=PEER_IP6)[14:]

PACKETS = {
    "v6_syn": tcp6(SYN, MSS),
    "v6_ack": tcp6(ACK),
    "v6_data": tcp6(PSH | ACK, TIMESTAMPS, bytes(100)),
    "v6_hop_by_hop": tcp6(SYN, headers=b"\6" + PAD8, first=0),
    "v6_chain": tcp6(SYN, headers=bytes([60]) + PAD8 + bytes([43]) + PAD8 +
                     bytes([44, 0, 4, 0, 0, 0, 0, 0]) + bytes([6, 0, 0, 0, 0, 0, 0, 1]), first=0),
    "v6_chain_endless": tcp6(SYN, headers=(bytes([60]) + PAD8) * 12, first=60),
    "v6_hop_by_hop_late": tcp6(SYN, headers=bytes([0]) + PAD8 + b"\6" + PAD8, first=60),
    "v6_extension_too_long": tcp6(SYN, headers=bytes([6, 255]) + PAD8[1:], first=60),
    "v6_option_runs_past": tcp6(SYN, headers=bytes([6, 0, 1, 9, 0, 0, 0, 0]), first=60),
    "v6_option_refused": tcp6(SYN, headers=bytes([6, 0, 0x81, 4, 0, 0, 0, 0]), first=60),
    "v6_jumbo": tcp6(SYN, headers=bytes([6, 0, 0xC2, 4, 0, 1, 0, 0]), first=0, length=0),
    "v6_routing_0": tcp6(SYN, headers=bytes([6, 0, 0, 0, 0, 0, 0, 0]), first=43),
    "v6_fragment_first": tcp6(SYN, headers=bytes([6, 0, 0, 1, 0, 0, 0, 1]), first=44),
    "v6_fragment_last": tcp6(SYN, headers=bytes([6, 0, 0xFF, 0xF8, 0, 0, 0, 1]), first=44),
    "v6_length_0": tcp6(SYN, length=0),
    "v6_length_65535": tcp6(SYN, length=65535),
    "v6_source_multicast": tcp6(SYN, source=SOLICITED),
    "v6_source_mapped": tcp6(SYN, source=bytes(10) + b"\xff\xff" + PEER_IP),
    "v6_echo": icmp6(128, bytes([0xAB, 0xCD, 0, 7]) + bytes(20)),
    "v6_solicitation": solicitation(),
    "v6_solicitation_option_0": solicitation(bytes([1, 0]) + PEER),
    "v6_solicitation_short": icmp6(135, bytes(12), hops=255),
    "v6_advertisement": icmp6(136, b"\x60" + bytes(3) + PEER_IP6 + bytes([2, 1]) + PEER, hops=255),
    "v6_too_big": icmp6(2, struct.pack(">I", 1300) + QUOTED6),
    "v6_unreachable_short": icmp6(1, bytes(4) + QUOTED6[:44], code=4),
    "icmp_too_big": icmp(3, QUOTED, code=4),
    "icmp_quote_ihl_15": icmp(3, b"\x4f" + QUOTED[1:], code=3),
    "empty": b"",
    "ethernet_only": ethernet(b""),
    "ethernet_cut": ethernet(b"")[:13],
    "ipv6": ethernet(bytes([0x60]) + bytes(39), 0x86DD),
    "vlan": ethernet(struct.pack(">HH", 5, 0x0800) + tcp(SYN)[14:], 0x8100),
    "multicast_mac": b"\x01" + tcp(SYN)[1:],
    "syn": tcp(SYN),
    "syn_mss": tcp(SYN, MSS),
    "syn_linux": tcp(SYN, LINUX),
    "syn_mss_last": tcp(SYN, b"\x01" * 36 + MSS),
    "syn_mss_length_0": tcp(SYN, bytes([2, 0, 5, 0xB4])),
    "syn_mss_length_255": tcp(SYN, bytes([2, 255, 5, 0xB4])),
    "syn_option_runs_past": tcp(SYN, bytes([1, 1, 1, 2])),
    "syn_unknown_option": tcp(SYN, bytes([253, 4, 9, 9]) + MSS),
    "syn_ack": tcp(SYN | ACK, MSS),
    "ack": tcp(ACK),
    "ack_timestamps": tcp(ACK, TIMESTAMPS),
    "ack_padded": tcp(ACK) + bytes(6),
    "fin_ack": tcp(FIN | ACK),
    "rst": tcp(RST),
    "all_flags": tcp(0xFF),
    "data_1": tcp(PSH | ACK, payload=b"x"),
    "data_100": tcp(PSH | ACK, payload=bytes(range(100))),
    "data_timestamps": tcp(PSH | ACK, TIMESTAMPS, b"GET / HTTP/1.1\r\n\r\n"),
    "ip_options": tcp(SYN, MSS, ip_options=b"\x01" * 8),
    "ip_options_40": tcp(ACK, ip_options=b"\x01" * 40),
    "ihl_lies": tcp(ACK, first=0x4F),
    "ihl_4": tcp(ACK, first=0x44),
    "version_6": tcp(ACK, first=0x65),
    "total_0": tcp(ACK, total=0),
    "total_19": tcp(ACK, total=19),
    "total_39": tcp(ACK, total=39),
    "total_runs_past": tcp(ACK, total=41),
    "total_65535": tcp(ACK, total=65535),
    "offset_0": tcp(ACK, offset=0),
    "offset_4": tcp(ACK, offset=4),
    "offset_15": tcp(ACK, offset=15),
    "fragment_first": tcp(ACK, fragment=0x2000),
    "fragment_last": tcp(ACK, fragment=0x0005),
    "source_zero": tcp(SYN, source=bytes(4)),
    "source_loopback": tcp(SYN, source=bytes([127, 0, 0, 1])),
    "source_multicast": tcp(SYN, source=bytes([224, 0, 0, 1])),
    "source_broadcast": tcp(SYN, source=b"\xff" * 4),
    "source_class_e": tcp(SYN, source=bytes([240, 0, 0, 1])),
    "port_0": tcp(SYN, source_port=0),
    "ip_checksum_wrong": ip(tcp(ACK)[34:], bad_checksum=1),
    "tcp_checksum_wrong": tcp(ACK, bad_checksum=1),
    "udp": ip(struct.pack(">HHHH", 53, 53, 8, 0), protocol=17),
    "echo_request": icmp(8, bytes(range(56))),
    "echo_request_zeroes": ip(bytes([8, 0, 0xF7, 0xFF, 0, 0, 0, 0]), protocol=1),
    "echo_request_odd": icmp(8, b"abc"),
    "echo_request_padded": icmp(8, b"") + bytes(18),
    "echo_reply": icmp(0, b"abcd"),
    "icmp_unreachable": icmp(3, tcp(SYN)[14:42], code=4),
    "icmp_short": ip(bytes(7), protocol=1),
    "icmp_checksum_wrong": icmp(8, b"abcd")[:-1] + b"x",
    "arp_request": arp(1),
    "arp_reply": arp(2, to=US),
    "arp_probe": arp(1, sender_ip=bytes(4)),
    "arp_op_3": arp(3),
    "arp_short": arp(1)[:-1],
    "arp_length_lies": arp(1, hardware_length=255),
    "arp_sender_broadcast": arp(2, sender=b"\xff" * 6),
}

folder = pathlib.Path(__file__).parent / "corpus" / "parse"
folder.mkdir(parents=True, exist_ok=True)
for name, frame in PACKETS.items():
    (folder / f"{name}.bin").write_bytes(frame)
print(f"{len(PACKETS)} files in {folder}")
