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


PACKETS = {
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
