#!/usr/bin/env python3
"""Asks a running `mosa serve` one request at a time, and then many at a time, and holds the answers against each other.

usage: serve_load.py --url http://127.0.0.1:8000 --prompts FILE.csv [--column NAME] [--clients 64] [--seconds 60]
                     [--alone-seconds 20] [--distinct 64] [--max-tokens 96] [--model NAME] [--pid PID] [--any-bytes] [--mixed]

Every distinct request is first answered alone; then every client asks one after another for so many seconds. An answer
that is not the one given alone, is lost, or belongs to another request is an error (with --any-bytes, as for `--batching
padded`, only counted). --mixed asks for all kinds of answers at the same time: every other client streams, some of the
requests go to each model the server lists (adapters too), at a temperature with a seed, without defences, with forced
words, short, or with every step (`diffusing`). With --pid the server's memory is read every second and told as a series of at
most 30 numbers. Needs nothing but Python's standard library. One JSON object on stdout.
"""
import argparse
import asyncio
import csv
import json
import sys
import time
from urllib.parse import urlsplit
from urllib.request import urlopen


class Client:
    """A connection that is kept, and speaks as much HTTP as this needs."""

    def __init__(self, url):
        parts = urlsplit(url)
        self.host, self.port = parts.hostname, parts.port or 80
        self.reader = self.writer = None

    async def ask(self, body):
        if self.writer is None:
            self.reader, self.writer = await asyncio.open_connection(self.host, self.port)
        data = json.dumps(body).encode()
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: {self.host}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(data)}\r\n\r\n"
        )
        self.writer.write(head.encode() + data)
        lines = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        status = int(lines[0].split()[1])
        if "transfer-encoding: chunked" in map(str.lower, lines):
            return status, streamed(await self.chunks())
        length = next(int(line.split(":")[1]) for line in lines if line.lower().startswith("content-length:"))
        return status, json.loads(await self.reader.readexactly(length))


    async def chunks(self):
        whole = b""
        while size := int((await self.reader.readline()).strip(), 16):
            whole += await self.reader.readexactly(size)
            await self.reader.readexactly(2)
        await self.reader.readexactly(2)
        return whole.decode()


def streamed(text):
    """A streamed answer in the shape of one that is sent whole."""
    data = [line[6:] for line in text.split("\n") if line.startswith("data: ")]
    if data.pop() != "[DONE]":
        sys.exit(f"a stream has no end: {text[-300:]}")
    events = [json.loads(line) for line in data]
    errors = [event for event in events if "error" in event]
    if errors:
        return errors[0]
    choices = [choice for event in events for choice in event["choices"]]
    parts = [choice["delta"]["content"] for choice in choices if "content" in choice["delta"]]
    # With `diffusing` every content is a whole canvas, the last one the answer.
    canvases = any("tokens" in event.get("mosa", {}) for event in events)
    content = parts[-1] if canvases else "".join(parts)
    finish = [choice["finish_reason"] for choice in choices if choice["finish_reason"]]
    own = next(event["mosa"] for event in events if "forwards" in event.get("mosa", {}))
    return {"choices": [{"message": {"content": content}, "finish_reason": finish[-1]}], "usage": events[-1]["usage"], "mosa": own}


def listed(url):
    with urlopen(url + "/v1/models", timeout=60) as response:
        return json.load(response)["data"]


def mixed(a, plain):
    """The same prompts, asked in all kinds of ways."""
    models = listed(a.url)
    own = [
        {}, {"temperature": 1.0, "seed": 7}, {"temperature": 0.5, "seed": 11}, {"max_tokens": a.max_tokens // 3},
        {"mosa": {"prefill": [{"offset": 4, "text": " the old bridge"}]}}, {"mosa": {"defences": []}}, {"n": 1, "stop": ["."]},
    ]
    made = []
    for n, body in enumerate(plain):
        made.append(body | own[n % len(own)] | {"model": models[n % len(models)]["id"]})
    return made


def as_stream(body, n):
    """A request as a client that streams sends it."""
    return body | {"stream": True, "stream_options": {"include_usage": True}, "diffusing": n % 4 == 1}


def requests(a):
    with open(a.prompts, newline="") as f:
        rows = list(csv.DictReader(f))
    column = a.column or next(c for c in ("goal", "Behavior", "prompt", "question") if c in rows[0])
    texts = list(dict.fromkeys(row[column] for row in rows))[: a.distinct]
    if not texts:
        sys.exit(f"{a.prompts}: no prompts")
    model = {"model": a.model} if a.model else {}
    plain = [model | {"messages": [{"role": "user", "content": t}], "max_tokens": a.max_tokens} for t in texts]
    return mixed(a, plain) if a.mixed else plain


def told(answer):
    choice = answer["choices"][0]
    return choice["message"]["content"], choice["finish_reason"], answer["usage"], answer["mosa"]["forwards"]


async def alone(a, asked):
    """The answer to every request, and the rate of one client."""
    client, known, tokens, n, spent = Client(a.url), {}, 0, 0, []
    began = time.monotonic()
    while len(known) < len(asked) or time.monotonic() - began < a.alone_seconds:
        body = asked[n % len(asked)]
        t = time.monotonic()
        status, answer = await client.ask(body)
        spent.append(time.monotonic() - t)
        if status != 200:
            sys.exit(f"status {status}: {answer}")
        said = told(answer)
        if known.setdefault(n % len(asked), said) != said:
            sys.exit(f"the same request alone has two answers: {known[n % len(asked)]} and {said}")
        tokens, n = tokens + said[2]["completion_tokens"], n + 1
    return known, measured(n, tokens, time.monotonic() - began, spent)


def measured(n, tokens, seconds, spent):
    spent.sort()
    at = lambda q: round(spent[min(len(spent) - 1, int(q * len(spent)))], 4)
    return {
        "answers": n, "seconds": round(seconds, 2), "answers_per_s": round(n / seconds, 2),
        "tokens_per_s": round(tokens / seconds, 1), "p50_s": at(0.5), "p95_s": at(0.95), "max_s": round(spent[-1], 4),
    }


async def together(a, asked, known):
    until, spent, wrong, busy, tokens = time.monotonic() + a.seconds, [], [], 0, 0

    async def one(number):
        nonlocal tokens, busy
        client, n = Client(a.url), number
        while time.monotonic() < until:
            t = time.monotonic()
            body = asked[n % len(asked)]
            status, answer = await client.ask(as_stream(body, number) if a.mixed and number % 2 else body)
            if status == 429:
                busy += 1
                await asyncio.sleep(0.2)
                continue
            if status != 200 or "error" in answer:
                sys.exit(f"status {status}: {answer}")
            said = told(answer)
            if said != known[n % len(asked)]:
                wrong.append((n % len(asked), said))
            tokens += said[2]["completion_tokens"]
            spent.append(time.monotonic() - t)
            n += a.clients + 1

    async def watched():
        while time.monotonic() < until:
            sizes.append(memory(a.pid))
            await asyncio.sleep(1)

    began, sizes = time.monotonic(), []
    await asyncio.gather(*(one(number) for number in range(a.clients)), watched())
    found = measured(len(spent), tokens, time.monotonic() - began, spent) | {"busy": busy, "not_as_alone": len(wrong)}
    if a.pid:
        found["rss_mb"] = sizes[:: max(1, len(sizes) // 30)]
        minute = min(60, len(sizes) // 3 or 1)
        found["rss_mb_first_and_last_minute"] = [max(sizes[:minute]), max(sizes[-minute:])]
    return found, wrong


def memory(pid):
    if not pid:
        return None
    with open(f"/proc/{pid}/status") as f:
        return next(int(line.split()[1]) // 1024 for line in f if line.startswith("VmRSS:"))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--url", default="http://127.0.0.1:8000")
    p.add_argument("--prompts", required=True)
    p.add_argument("--column")
    p.add_argument("--model")
    p.add_argument("--clients", type=int, default=64)
    p.add_argument("--seconds", type=float, default=60)
    p.add_argument("--alone-seconds", type=float, default=20)
    p.add_argument("--distinct", type=int, default=64)
    p.add_argument("--max-tokens", type=int, default=96)
    p.add_argument("--pid", type=int)
    p.add_argument("--any-bytes", action="store_true")
    p.add_argument("--mixed", action="store_true")
    a = p.parse_args()
    asked = requests(a)
    known, single = asyncio.run(alone(a, asked))
    before = memory(a.pid)
    many, wrong = asyncio.run(together(a, asked, known))
    found = {"distinct": len(asked), "clients": a.clients, "alone": single, "together": many,
             "ratio": round(many["answers_per_s"] / single["answers_per_s"], 3), "rss_mb": [before, memory(a.pid)]}
    print(json.dumps(found))
    if wrong and not a.any_bytes:
        index, said = wrong[0]
        sys.exit(f"request {index}: together {said}, alone {known[index]}")


if __name__ == "__main__":
    main()
