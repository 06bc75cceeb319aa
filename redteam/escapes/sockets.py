"""Sockets of every family, towards listeners outside and services of the kernel."""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
import struct

from escapes.declare import Target, snippet

LOOPBACK = "127.0.0.1"
IPPROTO_MPTCP = 262
NETLINK_SOCK_DIAG = 4
NETLINK_KOBJECT_UEVENT = 15
SOCK_DIAG_BY_FAMILY = 20
LISTENING = 1 << 10
SO_ATTACH_FILTER = 26

_KNOWN = {socket.AF_UNIX, socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK, socket.AF_VSOCK}


@snippet(proof="connection")
def connect_tcp(target: Target) -> str:
    """Connect to a port on loopback."""
    socket.create_connection((LOOPBACK, target["tcp4"]), 1).sendall(b"hello")
    return ""


@snippet(proof="connection")
def connect_tcp6(target: Target) -> str:
    """Connect to a port on loopback, IPv6."""
    socket.create_connection(("::1", target["tcp6"]), 1).sendall(b"hello")
    return ""


@snippet(proof="connection")
def connect_mapped(target: Target) -> str:
    """Connect to an IPv4 port by its address in IPv6."""
    with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as sock:
        sock.settimeout(1)
        sock.connect((f"::ffff:{LOOPBACK}", target["tcp4"]))
    return ""


@snippet(proof="connection")
def connect_unspecified(target: Target) -> str:
    """Connect to the address of no host, which is this one."""
    socket.create_connection(("0.0.0.0", target["tcp4"]), 1).sendall(b"hello")
    return ""


@snippet(proof="connection")
def connect_with_data(target: Target) -> str:
    """Connect by sending: a filter of `connect` does not see it."""
    with socket.socket() as sock:
        sock.settimeout(1)
        sock.sendto(b"hello", socket.MSG_FASTOPEN, (LOOPBACK, target["tcp4"]))
    return ""


@snippet(proof="connection")
def connect_multipath(target: Target) -> str:
    """Connect by multipath TCP: a rule about TCP does not cover it."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, IPPROTO_MPTCP) as sock:
        sock.settimeout(1)
        sock.connect((LOOPBACK, target["tcp4"]))
    return ""


@snippet(proof="connection")
def send_udp(target: Target) -> str:
    """Send a datagram to a port on loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(b"hello", (LOOPBACK, target["udp4"]))
    return ""


@snippet(proof="connection")
def connect_path(target: Target) -> str:
    """Connect to a socket that lies in a folder outside."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(target["unix_outside"])
    return ""


@snippet(proof="connection")
def connect_path_in_grant(target: Target) -> str:
    """Connect to a socket in the granted folder: a grant of files is none of who listens there."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(target["unix_granted"])
    return ""


@snippet(proof="connection")
def connect_abstract(target: Target) -> str:
    """Connect to a socket that has no place among the files."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect("\0" + target["abstract"])
    return ""


@snippet(proof="connection")
def send_abstract(target: Target) -> str:
    """Send to a socket that has no place among the files."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.sendto(b"hello", "\0" + target["abstract_datagram"])
    return ""


@snippet(proof="connection")
def send_descriptor(target: Target) -> str:
    """Hand a descriptor to a process outside."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.connect("\0" + target["abstract_datagram"])
        socket.send_fds(sock, [b"x"], [os.open("/", os.O_RDONLY)])
    return ""


@snippet(proof="connection")
def send_by_pair(target: Target) -> str:
    """Send to a socket in the granted folder by one end of a pair: no `socket`, no `connect`."""
    here, _ = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    here.sendto(b"hello", target["datagram_granted"])
    return ""


@snippet(proof="connection")
def send_message_by_pair(target: Target) -> str:
    """Do the same with a message, whose address no filter can see."""
    here, _ = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    here.sendmsg([b"hello"], [], 0, target["datagram_granted"])
    return ""


@snippet(proof="connection")
def send_abstract_by_pair(target: Target) -> str:
    """Send to a socket without a place among the files by one end of a pair."""
    here, _ = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    here.sendmsg([b"hello"], [], 0, "\0" + target["abstract_datagram"])
    return ""


@snippet(proof="connection")
def connect_by_pair(target: Target) -> str:
    """Connect one end of a pair to somebody else."""
    here, _ = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    here.connect(target["datagram_granted"])
    here.send(b"hello")
    return ""


@snippet(proof="file")
def bind_in_grant(target: Target) -> str:
    """Listen in the granted folder by one end of a pair, for whoever trusts what lies there."""
    here, _ = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    here.bind(f"{target['granted']}/service")
    return ""


@snippet(proof="claim")
def attach_program(target: Target) -> str:
    """Have the kernel compile a program of ours, as a filter of a pair of sockets."""
    del target
    here, _ = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    code = ctypes.create_string_buffer(struct.pack("<HBBI", 0x06, 0, 0, 0xFFFF), 8)
    program = struct.pack("<HxxxxxxQ", 1, ctypes.addressof(code))
    here.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)
    return "attached"


@snippet(proof="claim")
def send_out_of_band(target: Target) -> str:
    """Send urgent data by a pair of sockets, a path in the kernel that sandboxes were left by."""
    del target
    here, there = socket.socketpair()
    here.send(b"x", socket.MSG_OOB)
    return there.recv(1, socket.MSG_OOB).decode()


@snippet(proof="claim", root=True)
def open_raw(target: Target) -> str:
    """Open a socket for packets of one's own making."""
    del target
    socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    return "raw"


@snippet(proof="claim", root=True)
def open_packet(target: Target) -> str:
    """Open a socket that sees every packet."""
    del target
    socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    return "packet"


@snippet(proof="claim")
def list_listeners(target: Target) -> str:
    """Ask the kernel for all that listen."""
    request = struct.pack("=BBBBI48s", socket.AF_INET, socket.IPPROTO_TCP, 0, 0, LISTENING, b"")
    head = struct.pack("=IHHII", 16 + len(request), SOCK_DIAG_BY_FAMILY, 0x301, 1, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG) as sock:
        sock.settimeout(1)
        sock.send(head + request)
        found = sock.recv(2**20)
    return "the listener" if struct.pack(">H", target["tcp4"]) in found else ""


@snippet(proof="claim")
def listen_to_kernel(target: Target) -> str:
    """Be told of every device that comes and goes."""
    del target
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_KOBJECT_UEVENT)
    sock.bind((0, 1))
    return "device events"


@snippet(proof="claim")
def open_vsock(target: Target) -> str:
    """Open a socket towards the machine that runs this one; nothing is sent."""
    del target
    socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)
    return "vsock"


@snippet(proof="claim", unproven="the kernel is built without its cryptography for users")
def open_cryptography(target: Target) -> str:
    """Use the kernel's cryptography."""
    del target
    socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET).bind(("hash", "sha256"))
    return "sha256"


@snippet(proof="claim", root=True)
def open_any_family(target: Target) -> str:
    """Try every other family and kind."""
    del target
    found = []
    for family in set(range(50)) - _KNOWN:
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW, socket.SOCK_SEQPACKET):
            with contextlib.suppress(OSError):
                socket.socket(family, kind).close()
                found.append(f"{family}/{kind}")
    return " ".join(found)
