#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The smallest replicant: says READY=1 and lives until SIGTERM. `deaf` as argument: ignores SIGTERM;
`mute`: never gets ready; `brief`: exits at once with 3."""
import os
import signal
import socket
import sys


def notify(text):
    address = os.environ["NOTIFY_SOCKET"]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.connect("\0" + address[1:] if address.startswith("@") else address)
        s.sendall(text.encode())


habits = sys.argv[1:]
if "brief" in habits:
    sys.exit(3)
if "deaf" in habits:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
else:
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
if "mute" not in habits:
    notify("READY=1")
while True:
    signal.pause()
