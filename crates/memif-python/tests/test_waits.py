"""Waits: each ends with Ctrl-C, at the end of what is waited for, and holds up no other thread."""

import asyncio
import contextlib
import os
import select
import signal
import threading
import time
from ctypes import c_char_p

import pytest
from conftest import PATIENCE, Thread, memif, receive, until


@contextlib.contextmanager
def interrupted():
    """Ctrl-C comes while the body waits, and ends it with KeyboardInterrupt."""
    timer = threading.Timer(0.1, os.kill, [os.getpid(), signal.SIGINT])
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        yield
    timer.join()


def test_keyboard_interrupt_in_every_wait(pair, path):
    slave, master = pair
    with interrupted():
        slave.recv()
    with interrupted():
        slave.recv_into(bytearray(100))
    with interrupted():
        slave.recv_one()
    with interrupted():
        next(slave)
    slave.send([b"full"] * 1024, 0)
    with interrupted():
        slave.send([b"one more"])
    with interrupted():
        slave.flush()
    slave.socket.events()
    with interrupted():
        slave.socket.next_event()
    with memif.Interface(path) as lonely:
        with interrupted():
            lonely.wait_connected(None)
    other = Thread(slave.recv)
    time.sleep(0.02)
    with interrupted():
        # The other thread has its turn all the time.
        slave.recv()
    with interrupted():
        slave.close(flush=None)
    # It is closed all the same.
    with pytest.raises((memif.ClosedError, memif.DisconnectedError)):
        other.result()
    assert slave.closed
    # And nothing was lost on the other side.
    assert receive(master, 1024) == [b"full"] * 1024


def test_a_handler_runs_and_the_wait_goes_on(pair):
    slave, master = pair
    seen = []
    before = signal.signal(signal.SIGUSR1, lambda *_: seen.append(master.send([b"from the handler"])))
    try:
        timer = threading.Timer(0.05, os.kill, [os.getpid(), signal.SIGUSR1])
        timer.start()
        assert slave.recv(timeout=PATIENCE) == [b"from the handler"] and seen == [1]
        timer.join()
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_other_threads_run_meanwhile(pair):
    slave, _ = pair
    waiting = Thread(slave.recv, 1, 0.3)
    count = 0
    while waiting.is_alive():
        count += 1
    assert waiting.result() == [] and count > 1000


def test_one_thread_receives_another_one_sends(pair):
    slave, master = pair
    number = 20000
    threads = [
        Thread(slave.send, [b"to the master"] * number),
        Thread(receive, master, number),
        Thread(master.send, [b"to the slave"] * number),
        Thread(receive, slave, number),
    ]
    for thread in threads:
        thread.result()


def test_many_threads_share_one_direction(pair):
    slave, master = pair
    senders = [Thread(slave.send, [bytes([number])] * 2000) for number in range(1, 5)]
    received = []

    def take():
        while len(received) < 8000:
            received.extend(master.recv(7, 0.05))

    def take_one():
        while len(received) < 8000:
            packet = master.recv_one(0.05)
            if packet is not None:
                received.append(packet)

    for thread in [*senders, *(Thread(each) for each in (take, take_one) * 2)]:
        thread.result()
    assert sorted(received) == sorted(bytes([number]) for number in range(1, 5) for _ in range(2000))


def test_close_ends_the_waits_of_others(pair):
    slave, master = pair
    slave.send([b"full"] * 1024, 0)
    waits = [
        Thread(slave.recv),
        Thread(slave.send, [b"more"]),
        Thread(slave.recv_into, bytearray(10)),
        Thread(slave.recv_one),
        Thread(slave.flush),
    ]
    time.sleep(0.05)
    slave.close(flush=0)
    for wait in waits:
        with pytest.raises((memif.ClosedError, memif.DisconnectedError)):
            wait.result()


def readable(interface, timeout=0.0):
    return select.select([interface], [], [], timeout)[0] == [interface]


def test_the_descriptor_is_readable_exactly_while_there_is_something(pair):
    slave, master = pair
    master.send([b"before it was asked for"])
    assert readable(slave)
    assert slave.recv(timeout=0) == [b"before it was asked for"]
    assert not readable(slave)
    number = slave.fileno()
    for _ in range(50):
        master.send([b"packet"] * 10)
        for left in range(9, -1, -1):
            assert readable(slave, PATIENCE) and readable(slave), "told by level"
            assert slave.recv(1, 0) == [b"packet"]
            assert not readable(slave) or left > 0
        assert slave.recv(timeout=0) == [] and not readable(slave)
    assert slave.fileno() == number


def test_the_descriptor_after_waits(pair):
    """Waits and the descriptor may be mixed."""
    slave, master = pair
    slave.fileno()
    for _ in range(20):
        thread = Thread(slave.recv, 64, PATIENCE)
        master.send([b"one"])
        assert thread.result() == [b"one"]
        master.send([b"two"])
        assert readable(slave, PATIENCE)
        assert slave.recv(timeout=0) == [b"two"]
        until(lambda: not readable(slave) or slave.recv(timeout=0))


def test_the_descriptor_tells_of_links(path):
    with memif.Interface(path, role="master") as master:
        assert not readable(master)
        for _ in range(3):
            with memif.Interface(path) as slave:
                assert readable(master, PATIENCE), "a link came up"
                assert master.recv(timeout=0) == []
                assert not readable(master)
                slave.wait_connected(PATIENCE)
                slave.send([b"packet"])
                assert readable(master, PATIENCE) and master.recv(timeout=0) == [b"packet"]
            assert readable(master, PATIENCE), "it went down"
            with pytest.raises(memif.DisconnectedError):
                master.recv(timeout=0)
            assert not readable(master)


def test_the_descriptor_of_a_polling_interface(path):
    with memif.Interface(path, rx_mode="polling") as interface:
        with pytest.raises(memif.OptionError, match="give 'adaptive'"):
            interface.fileno()


def test_coroutines(path):
    async def client():
        async with memif.Interface(path) as interface:
            peer = await interface.wait_connected(PATIENCE)
            assert peer.interface_name == "memif0"
            assert await interface.recv(timeout=0.01) == []
            packets = [bytes([number % 256]) * 60 for number in range(5000)]
            sending = asyncio.ensure_future(interface.send(packets))
            received = []
            async for packet in interface:
                received.append(packet)
                if len(received) == len(packets):
                    break
            assert await sending == len(packets) and received == packets
            assert await interface.send([b"x"] * 5000, 0.05) >= 1024
            assert await interface.send(memoryview(bytes(6)).cast("B", (2, 3)), 0.05) in (0, 2)

    async def server(interface):
        left = 5000
        while left:
            packets = await interface.recv(timeout=PATIENCE)
            left -= len(packets)
            assert await interface.send(packets) == len(packets)

    async def both():
        async with memif.Interface(path, role="master") as master:
            await asyncio.gather(client(), server_when_up(master))
            with pytest.raises(memif.DisconnectedError):
                while True:
                    await master.recv(timeout=PATIENCE)
        assert master.interface.closed

    async def server_when_up(master):
        await master.wait_connected(PATIENCE)
        await server(master)

    asyncio.run(asyncio.wait_for(both(), PATIENCE))


def test_a_coroutine_is_cancelled(pair):
    async def main():
        interface = memif.AsyncInterface(pair[0])
        task = asyncio.ensure_future(interface.recv())
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        pair[1].send([b"packet"])
        assert await interface.recv(timeout=PATIENCE) == [b"packet"]
        with pytest.raises(memif.PacketError) as told:
            await interface.send([b"sent", b""])
        assert told.value.sent == 1
        for packets in [(c_char_p * 2)(), [b"sent", (c_char_p * 2)()], "text"]:
            with pytest.raises(TypeError, match="bytes"):
                await interface.send(packets)

    asyncio.run(main())
