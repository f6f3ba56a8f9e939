import socket


def connect(family, kind, address):
    with socket.socket(family, kind) as door:
        door.settimeout(2)
        door.connect(address)
        door.send(b"out")


attempt("TCP", connect, socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", PORT))
attempt("UDP", connect, socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", PORT))
attempt("a Unix socket", connect, socket.AF_UNIX, socket.SOCK_STREAM, SOCKET)
attempt("a socket of a routing family", socket.socket, socket.AF_NETLINK, socket.SOCK_RAW)
say("TRIED")
