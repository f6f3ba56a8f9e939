#!/usr/bin/env python3
"""Treats a `mosa serve` of its own as the network would, and says what becomes of it and of everybody else.

usage: serve_abuse.py [--mosa PROGRAM] [--model DIR] [--only NAME ...] [--idle 10000] [--big 1000000000] [--out FILE.jsonl]

Slow readers, readers that stop, half-sent bodies, slow heads, thousands of idle connections, more than there are files for, a
gigabyte with and without a length, bytes that are no text, unknown fields, pipelines, old and odd HTTP, kill -9 and a start
at the same address. While each of them goes on, one client asks the same question again and again: its answer stays the same
byte for byte, and how long it took is a line of the result, beside the server's memory (VmRSS) before, at most and after. A
check that fails is named and the exit code is 1. Needs Linux, and nothing but Python's standard library.
"""
import argparse
import contextlib
import http.client
import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HEAD = "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
QUESTION = {"messages": [{"role": "user", "content": "Where is the old bridge?"}]}
LONG = QUESTION | {"mosa": {"gen_length": 192, "steps": 192, "block_length": 32}}


class Server:
    """A server of the script's own, and the memory it takes."""

    def __init__(self, given, *more, addr="127.0.0.1:0", files=None):
        command = [given.mosa, "serve", "--model", given.model, "--name", "m", "--addr", addr, "--quiet"]
        command += ["--gen-length", "64", "--steps", "32", "--block-length", "32", "--max-queue", "1000", *more]
        limits = lambda: files and resource.setrlimit(resource.RLIMIT_NOFILE, (files // 2, files))
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=limits)
        line = ""
        while "http://" not in line:
            line = self.process.stderr.readline()
            assert line, "the server ended before it listened"
        self.host, port = re.search(r"http://([^/:]+):(\d+)/", line).groups()
        self.port = int(port)
        threading.Thread(target=self.process.stderr.read, daemon=True).start()

    def connect(self, receive=None):
        made = socket.socket()
        if receive:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
        made.settimeout(150)
        made.connect((self.host, self.port))
        return made

    def raw(self, data):
        """Everything a connection says to these bytes, until it closes; and how long that took."""
        began = time.monotonic()
        with self.connect() as made:
            made.sendall(data)
            return everything(made), time.monotonic() - began

    def metric(self, name):
        found = re.search(rf"^mosa_{re.escape(name)} (\d+)", self.text("/metrics"), re.M)
        return int(found.group(1)) if found else 0

    def text(self, path):
        made = http.client.HTTPConnection(self.host, self.port, timeout=60)
        made.request("GET", path)
        told = made.getresponse().read().decode()
        made.close()
        return told

    def memory(self):
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", text).group(1)) / 1024

    def close(self):
        self.process.terminate()
        self.process.wait(60)


class Bystander:
    """A client that asks the same thing again and again on one connection, while others misbehave."""

    def __init__(self, server):
        self.server, self.wrong, self.seconds, self.memory = server, [], [], []
        self.ends = threading.Event()
        self.expected = self.asked(http.client.HTTPConnection(server.host, server.port, timeout=120))
        self.thread = threading.Thread(target=self.run, daemon=True)

    def asked(self, made):
        made.request("POST", "/v1/chat/completions", json.dumps(QUESTION), {"Content-Type": "application/json"})
        response = made.getresponse()
        told = json.loads(response.read())
        return told["choices"] if response.status == 200 else told

    def run(self):
        made = http.client.HTTPConnection(self.server.host, self.server.port, timeout=120)
        while not self.ends.is_set():
            began = time.monotonic()
            try:
                said = self.asked(made)
            except OSError as error:
                self.wrong.append(repr(error))
                return
            if said != self.expected:
                self.wrong.append(said)
            self.seconds.append(time.monotonic() - began)
            self.memory.append(self.server.memory())
            time.sleep(0.05)

    def __enter__(self):
        self.before = self.server.memory()
        self.thread.start()
        until("nobody is answered", lambda: self.seconds or self.wrong)
        return self

    def __exit__(self, *_):
        self.ends.set()
        self.thread.join(150)

    def told(self):
        assert not self.wrong, f"another client was answered {self.wrong[0]}"
        assert self.seconds, "another client was never answered"
        self.seconds.sort()
        return {
            "others_answers": len(self.seconds), "others_p50_s": round(self.seconds[len(self.seconds) // 2], 3),
            "others_max_s": round(self.seconds[-1], 3),
            "rss_mb": [round(self.before, 1), round(max(self.memory), 1), round(self.server.memory(), 1)],
        }


def everything(made):
    """What is said until the connection closes; a reset counts as an end, and is told."""
    told = b""
    try:
        while part := made.recv(65536):
            told += part
    except ConnectionError as error:
        told += f"<{type(error).__name__}>".encode()
    return told


def post(body, more="", path="/v1/chat/completions"):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HEAD.replace("/v1/chat/completions", path).encode() + f"{more}Content-Length: {len(data)}\r\n\r\n".encode() + data


def status(told):
    found = re.match(rb"HTTP/1\.[01] (\d+)", told)
    return int(found.group(1)) if found else None


def until(what, so, seconds=120):
    end = time.monotonic() + seconds
    while not so():
        assert time.monotonic() < end, what
        time.sleep(0.1)


def flat(told, more):
    """Memory that grew by no more than so many MB."""
    before, most, _ = told["rss_mb"]
    assert most - before <= more, f"memory grew from {before} to {most} MB"
    return told


# --- the checks: each gets a server, and returns what it measured ---


def slow_readers(server, given):
    """Readers of a few bytes a second get their events; the row is free long before they have read them."""
    count, seconds = 32, 20
    with Bystander(server) as bystander:
        readers = [server.connect(receive=2048) for _ in range(count)]
        for made in readers:
            made.sendall(post(LONG | {"stream": True, "diffusing": True}, "Connection: close\r\n"))
        read, end, idle = [b""] * count, time.monotonic() + seconds, None
        while time.monotonic() < end:
            for at, made in enumerate(readers):
                read[at] += made.recv(8)
            if idle is None and server.metric("running") <= 1 and server.metric("waiting") == 0:
                idle = round(time.monotonic() - end + seconds, 1)
            time.sleep(1)
        assert all(part.startswith(b"HTTP/1.1 200") for part in read), read[0]
        assert idle is not None, "answers nobody reads hold their rows"
        for made in readers[1:]:
            made.close()
        rest = read[0] + everything(readers[0])
        assert b"[DONE]" in rest and b'"finish_reason":"' in rest, rest[-200:]
    return flat(bystander.told(), 40) | {"readers": count, "rows_free_after_s": idle}


def reader_that_stops(server, given):
    """Who takes not a byte of their answers for as long as one may take (--timeout) is cut off."""
    server = Server(given, "--timeout", "3")
    try:
        with Bystander(server) as bystander:
            made = server.connect(receive=2048)
            began = time.monotonic()
            made.setblocking(False)
            with contextlib.suppress(BlockingIOError, ConnectionError):
                for _ in range(4000):
                    made.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            until("the connection stays", lambda: server.metric("connections") <= 2, 60)
            cut = round(time.monotonic() - began, 1)
            made.close()
        return flat(bystander.told(), 20) | {"cut_after_s": cut}
    finally:
        server.close()


def half_sent_bodies(server, given):
    """A body that does not go on is status 408 after 30 seconds, and its connection is free; one that breaks off is gone at once."""
    data, count = json.dumps(QUESTION).encode(), 200
    with Bystander(server) as bystander:
        began = time.monotonic()
        broken = server.connect()
        broken.sendall(HEAD.encode() + b"Content-Length: 5000\r\n\r\n" + data)
        until("it is there", lambda: server.metric("connections") >= 2)
        broken.close()
        waiting = [server.connect() for _ in range(count)]
        for made in waiting:
            made.sendall(HEAD.encode() + f"Content-Length: {len(data)}\r\n\r\n".encode() + data[:20])
        told = everything(waiting[0])
        seconds = round(time.monotonic() - began, 1)
        assert status(told) == 408 and b"slow_request" in told, told
        for made in waiting[1:]:
            assert status(everything(made)) == 408
            made.close()
        waiting[0].close()
        until("the connections stay", lambda: server.metric("connections") <= 2)
    return flat(bystander.told(), 20) | {"bodies": count, "closed_after_s": seconds}


def slow_heads(server, given):
    """A head that comes a byte a second is closed after 75 seconds, and so is a connection that says nothing."""
    with Bystander(server) as bystander:
        began = time.monotonic()
        slow, silent = [server.connect() for _ in range(100)], server.connect()
        silent.settimeout(100)
        for byte in b"GET / HTTP/1.1\r\nX-Long: " + b"a" * 100:
            try:
                for made in slow:
                    made.send(bytes([byte]))
            except ConnectionError:
                break
            if time.monotonic() - began > 90:
                break
            time.sleep(1)
        seconds = round(time.monotonic() - began, 1)
        assert 60 < seconds < 90, f"closed after {seconds} s"
        assert everything(silent) == b""
        for made in slow:
            made.close()
    return flat(bystander.told(), 20) | {"closed_after_s": seconds}


def idle_connections(server, given):
    """Thousands of open connections that say nothing: answers still come, and they all go when the server is told to stop."""
    server = Server(given)
    try:
        with Bystander(server) as bystander:
            began = time.monotonic()
            idle = [server.connect() for _ in range(given.idle)]
            until("not all of them are there", lambda: server.metric("connections") >= given.idle, 60)
            made = round(time.monotonic() - began, 1)
            answered = len(bystander.seconds)
            until("nobody else is answered", lambda: len(bystander.seconds) >= answered + 20, 60)
            there, with_all = server.metric("connections"), server.memory()
        began = time.monotonic()
        server.close()
        stopped = round(time.monotonic() - began, 1)
        for one in idle:
            one.close()
        told = {"others_answers": len(bystander.seconds), "others_max_s": round(max(bystander.seconds), 3)}
        assert not bystander.wrong, bystander.wrong[0]
        each = round((with_all - bystander.before) * 1024 / given.idle, 1)
        return told | {"connections": there, "opened_in_s": made, "stopped_in_s": stopped, "kb_each": each,
                       "rss_mb": [round(bystander.before, 1), round(with_all, 1)]}
    finally:
        if server.process.poll() is None:
            server.close()


def more_connections_than_files(server, given):
    """With no file left, those that are there are answered, and who comes waits until one of them goes."""
    server = Server(given, files=120)
    try:
        with Bystander(server) as bystander:
            idle = [server.connect() for _ in range(300)]
            answered = len(bystander.seconds)
            until("nobody else is answered", lambda: len(bystander.seconds) >= answered + 20, 60)
            late = server.connect()
            late.sendall(post(QUESTION, "Connection: close\r\n"))
            late.settimeout(1)
            with contextlib.suppress(TimeoutError):
                assert not late.recv(100), "there was a file after all: the soft limit of 60 was raised to more than 120"
            late.settimeout(60)
            for made in idle:
                made.close()
            began = time.monotonic()
            told = everything(late)
            assert status(told) == 200, told
            seconds = round(time.monotonic() - began, 1)
        return flat(bystander.told(), 20) | {"files": 120, "connections": 300, "answered_after_room_s": seconds}
    finally:
        server.close()


def gigabyte_with_a_length(server, given):
    """A body that says it is a gigabyte is status 413 at once, also to a client that sends all of it before it reads."""
    with Bystander(server) as bystander:
        told, early = server.raw(HEAD.encode() + f"Content-Length: {given.big}\r\n\r\n{{".encode())
        assert status(told) == 413 and b"Connection: close" in told.replace(b"connection", b"Connection"), told
        made, sent, part = server.connect(), 0, b" " * (1 << 20)
        made.sendall(HEAD.encode() + f"Content-Length: {given.big}\r\n\r\n".encode())
        began = time.monotonic()
        with contextlib.suppress(ConnectionError):
            while sent < given.big:
                made.sendall(part)
                sent += len(part)
        told = everything(made)
        assert status(told) == 413, told
        told, _ = server.raw(HEAD.encode() + f"Expect: 100-continue\r\nContent-Length: {given.big}\r\n\r\n".encode())
        assert status(told) == 413, "a client that asks first is not told to go on"
    return flat(bystander.told(), 20) | {"told_after_s": round(early, 3), "sent_mb": sent >> 20, "sent_in_s": round(time.monotonic() - began, 1)}


def gigabyte_in_chunks(server, given):
    """The same without a length ends at the limit."""
    with Bystander(server) as bystander:
        made, sent = server.connect(), 0
        made.sendall(HEAD.encode() + b"Transfer-Encoding: chunked\r\n\r\n")
        chunk = b"100000\r\n" + b" " * (1 << 20) + b"\r\n"
        with contextlib.suppress(ConnectionError):
            while sent < given.big:
                made.sendall(chunk)
                sent += 1 << 20
        told = everything(made)
        assert status(told) == 413 and b"request_too_large" in told, told
    return flat(bystander.told(), 24) | {"sent_mb": sent >> 20}


def bytes_that_are_no_text(server, given):
    """Invalid UTF-8, broken JSON, nested JSON and things that are not HTTP are a 400 each that says what is wrong."""
    close = "Connection: close\r\n"
    with Bystander(server) as bystander:
        for body, word in [
            (b'{"messages": [{"role": "user", "content": "\xff\xfe"}]}', "UTF-8"), (b'{"messages": ', "JSON"), (b"[" * 100_000, "JSON"),
            (b"", "JSON"), (b"[]", "object"), (b'{"messages": [{"role": "user", "content": "\\ud800"}]}', "JSON"),
            (b'{"max_tokens": 1e400}', "JSON"), (os.urandom(100_000), "UTF-8"),
        ]:
            told, _ = server.raw(post(body, close))
            assert status(told) == 400 and word.encode() in told, (body[:60], told)
        for data in (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x00" * 100 + b"\r\n\r\n"):
            told, _ = server.raw(data)
            assert status(told) == 400, (data, told)
        told, _ = server.raw(b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 200_000 + b"\r\n\r\n")
        assert status(told) == 431, told[:200]
        told, _ = server.raw(HEAD.encode() + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n{}   ")
        assert status(told) == 400, told
        told, _ = server.raw(post(QUESTION, close + "Content-Type: application/json\r\n").replace(b"application/json", b"text/plain"))
        assert status(told) == 415 and b"Content-Type" in told, told
    return flat(bystander.told(), 30)


def unknown_fields(server, given):
    """A field nobody honours is a 400 that names it, wherever it stands."""
    with Bystander(server) as bystander:
        for more, name in [
            ({"max_tokns": 5}, "max_tokns"), ({"mosa": {"step": 5}}, "mosa.step"), ({"stream_options": {"x": 1}}, "stream_options.x"),
            ({"tools": [{"type": "function"}]}, "tools"), ({"mosa": {"defences": ["wall"]}}, "mosa.defences"),
        ]:
            told, _ = server.raw(post(QUESTION | more, "Connection: close\r\n"))
            error = json.loads(told.split(b"\r\n\r\n", 1)[1])["error"]
            assert status(told) == 400 and error["param"] == name and error["message"], told
    return bystander.told()


def odd_http(server, given):
    """HTTP/1.0, HEAD, OPTIONS, pipelines, 100-continue, bytes one by one: each is answered as the standard says."""
    close = "Connection: close\r\n"
    with Bystander(server) as bystander:
        old = post(QUESTION).replace(b"HTTP/1.1", b"HTTP/1.0")
        told, _ = server.raw(old)
        assert status(told) == 200 and told.startswith(b"HTTP/1.0") and b"choices" in told, told
        told, _ = server.raw(post(QUESTION | {"stream": True}).replace(b"HTTP/1.1", b"HTTP/1.0"))
        assert b"[DONE]" in told and b"chunked" not in told.lower(), told[:300]
        told, _ = server.raw(f"HEAD / HTTP/1.1\r\nHost: x\r\n{close}\r\n".encode())
        assert status(told) == 200 and told.endswith(b"\r\n\r\n") and b"content-length" in told.lower(), told
        told, _ = server.raw(f"OPTIONS /v1/chat/completions HTTP/1.1\r\nHost: x\r\n{close}\r\n".encode())
        assert status(told) == 405 and b"allow: post" in told.lower() and b"access-control" not in told.lower(), told
        told, _ = server.raw(f"DELETE /v1/models HTTP/1.1\r\nHost: x\r\n{close}\r\n".encode())
        assert status(told) == 405 and b"allow: get,head" in told.lower(), told
        asked = [QUESTION | {"mosa": {"gen_length": length, "steps": length, "block_length": 4}} for length in (8, 12, 16)]
        alone = [json.loads(server.raw(post(body, close))[0].split(b"\r\n\r\n", 1)[1])["choices"] for body in asked]
        told, _ = server.raw(b"".join(post(body, close if body is asked[-1] else "") for body in asked))
        bodies = [part.split(b"\r\n\r\n", 1)[1] for part in told.split(b"HTTP/1.1 ")[1:]]
        assert [json.loads(body)["choices"] for body in bodies] == alone, told
        with server.connect() as made:
            data = json.dumps(QUESTION).encode()
            made.sendall(HEAD.encode() + f"{close}Expect: 100-continue\r\nContent-Length: {len(data)}\r\n\r\n".encode())
            assert made.recv(100).startswith(b"HTTP/1.1 100"), "it is not told to go on"
            made.sendall(data)
            assert status(everything(made)) == 200
        with server.connect() as made:
            for byte in post(QUESTION, close):
                made.send(bytes([byte]))
                time.sleep(0.002)
            assert status(everything(made)) == 200
    return bystander.told()


def routes_in_metrics(server, given):
    """Whatever paths are asked for, metrics have the same few names."""
    for at in range(2000):
        server_path = f"/v1/{at}" if at % 2 else f"/{at}/x?y={at}"
        if at % 100 == 0:
            made = http.client.HTTPConnection(server.host, server.port, timeout=60)
        made.request("GET", server_path)
        assert made.getresponse().read()
    told = server.text("/metrics")
    other = re.search(r'route="other",status="404"\} (\d+)', told)
    assert other and int(other.group(1)) >= 2000, told
    names = set(re.findall(r'route="([^"]*)"', told))
    assert len(names) < 12, names
    return {"routes": len(names)}


def clients_that_vanish(server, given):
    """Clients that go away in the middle of their answers, two hundred times: rows and places are free, memory is as before."""
    with Bystander(server) as bystander:
        for _ in range(200):
            made = server.connect()
            made.sendall(post(LONG | {"stream": True}))
            made.recv(10)
            made.close()
        until("something is left", lambda: server.metric("running") + server.metric("waiting") <= 1)
    return flat(bystander.told(), 40) | {"cancelled": server.metric("cancelled_total")}


def kill_and_restart(server, given):
    """kill -9 in the middle of answers, and a start at the same address at once: the same answers."""
    server = Server(given)
    with Bystander(server) as bystander:
        expected = bystander.expected
        bystander.ends.set()
    crowd = [server.connect() for _ in range(20)]
    for made in crowd:
        made.sendall(post(LONG | {"stream": True}))
        made.recv(10)
    server.process.send_signal(signal.SIGKILL)
    server.process.wait()
    ended = [everything(made) for made in crowd]
    assert not any(b"[DONE]" in told for told in ended), "an answer was whole already: nothing was cut off"
    began = time.monotonic()
    again = Server(given, addr=f"{server.host}:{server.port}")
    try:
        seconds = round(time.monotonic() - began, 1)
        with Bystander(again) as after:
            until("it does not answer", lambda: after.seconds)
        assert after.expected == expected, "it answers otherwise than before"
        return {"cut_off": len(ended), "listens_again_after_s": seconds} | after.told()
    finally:
        again.close()


CHECKS = [
    bytes_that_are_no_text, unknown_fields, odd_http, routes_in_metrics, gigabyte_with_a_length, gigabyte_in_chunks, clients_that_vanish,
    slow_readers, reader_that_stops, more_connections_than_files, kill_and_restart, idle_connections, half_sent_bodies, slow_heads,
]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--mosa", type=Path, default=ROOT / "target" / "release" / "mosa")
    p.add_argument("--model", type=Path, default=ROOT / "assets" / "world" / "model")
    p.add_argument("--only", nargs="*", metavar="NAME", choices=[check.__name__ for check in CHECKS])
    p.add_argument("--idle", type=int, default=10_000)
    p.add_argument("--big", type=int, default=1_000_000_000)
    p.add_argument("--out", type=Path)
    given = p.parse_args()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < given.idle + 500:
        sys.exit(f"{given.idle} connections need as many files, and the system allows {hard}: give a smaller --idle")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    server, failed = Server(given), 0
    try:
        for check in CHECKS:
            if given.only and check.__name__ not in given.only:
                continue
            began, row = time.monotonic(), {"check": check.__name__}
            try:
                row |= {"passed": True} | check(server, given)
            except Exception as error:
                failed += 1
                row |= {"passed": False, "error": f"{type(error).__name__}: {error}"[:600]}
            row["seconds"] = round(time.monotonic() - began, 1)
            print(json.dumps(row), flush=True)
            if given.out:
                with given.out.open("a") as lines:
                    lines.write(json.dumps(row) + "\n")
    finally:
        server.close()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
