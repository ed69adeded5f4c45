"""One half of one run with the Python package net-queue; speaks the endpoint protocol (lib/endpoint.mjs) with the runner."""

import json
import logging
import os
import sys
import threading
import time
import uuid
from collections import deque

import net_queue as nq
from net_queue.utils.stream import BufferSerializer

FIRST = bytes([0xC1, 0x52, 0x93, 0x24])
LAST = bytes([0x1E, 0x8D, 0x3C, 0xAB])
# What is on its way at most: the package itself has no bound.
MOST_BYTES = 64 << 20
MOST_MESSAGES = 4096
DRAIN_S = 10
TAIL_S = 0.15

logging.disable(logging.CRITICAL)
spec = json.loads(sys.argv[1])
size = spec["size"]
kinds = 4 if spec["ordered"] else 1


def say(**message):
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def listen(handlers):
    """What the runner says, on a thread of its own; the process ends with it."""

    def read():
        for line in sys.stdin:
            message = json.loads(line)
            handler = handlers.get(message["type"])
            if handler:
                handler(message)
        os._exit(2)

    threading.Thread(target=read, daemon=True).start()


def communicator(purpose, port):
    buffers = BufferSerializer()
    return nq.new(nq.Protocol.TCP, purpose, nq.CommunicatorOptions(
        id=uuid.uuid4(),
        netloc=nq.NetworkLocation("127.0.0.1", port),
        serialization=nq.SerializationOptions(load=buffers.load, dump=buffers.dump),
    ))


class Clock:
    """The timed window: after the warm-up, before the end of the load."""

    def __init__(self):
        self.count = 0
        self.marks = []

    def start(self):
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        time.sleep(spec["warmup"])
        self.mark()
        time.sleep(spec["seconds"])
        self.mark()

    def mark(self):
        self.marks.append((time.monotonic(), self.count, time.process_time()))

    def result(self):
        if len(self.marks) < 2:
            return {}
        seconds, count, cpu = (end - start for start, end in zip(*self.marks))
        return {"seconds": seconds, "count": count, "cpu": cpu, "jsCpu": cpu}


def receive():
    server = communicator("server", 0)
    clock = Clock()
    wrong = 0

    def tell(message):
        end = time.monotonic() + DRAIN_S
        while time.monotonic() < end and (clock.count < message["count"] or len(clock.marks) < 2):
            time.sleep(0.01)
        say(type="result", **clock.result(), received=clock.count, wrong=wrong)

    listen({"begin": lambda _: clock.start(), "expect": tell})
    say(type="listening", address={"port": server._comm.getsockname()[1]})
    say(type="ready")
    while True:
        data = server.get().data
        kind = clock.count % kinds
        if len(data) != size or data[0] != FIRST[kind] or data[-1] != LAST[kind]:
            wrong += 1
        clock.count += 1


def make(kind):
    period = bytes((i * 31 + kind * 7) & 0x7F for i in range(128))
    message = bytearray((period * (size // 128 + 1))[:size])
    message[0], message[-1] = FIRST[kind], LAST[kind]
    return bytes(message)


def send():
    client = communicator("client", spec["address"]["port"])
    clock = Clock()
    begun = threading.Event()
    listen({"begin": lambda _: begun.set()})
    say(type="ready")
    begun.wait()
    messages = [make(kind) for kind in range(kinds)]
    most = max(2, min(MOST_MESSAGES, MOST_BYTES // size))
    waiting = deque()
    clock.start()
    end = time.monotonic() + spec["warmup"] + spec["seconds"] + TAIL_S
    while time.monotonic() < end:
        waiting.append(client.put(messages[clock.count % kinds]))
        clock.count += 1
        if len(waiting) >= most:
            waiting.popleft().result()
    for future in waiting:
        future.result()
    say(type="offered")
    say(type="sent", sent=clock.count, result=clock.result())
    # Stays until the runner ends it.
    threading.Event().wait()


receive() if spec["role"] == "receive" else send()
