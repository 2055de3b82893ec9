#!/usr/bin/env python3
"""What telling webhooks costs: a message in processor time, and the process while nothing happens.

    .venv/bin/python bench/webhooks.py

A sender sends to a receiver in another process, beside one that never answers; then it waits.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cinefab.app.records import open_records
from cinefab.app.settings import load_settings
from cinefab.app.telling import seal_of
from cinefab.core.ids import PrincipalId, TenantId
from cinefab.deliver.webhooks.endpoints import create_webhook
from cinefab.deliver.webhooks.tables import webhook_delivery
from cinefab.store.facts import OutboxEvent, record_event
from cinefab.tenancy.local import LOCAL_TENANT

EVENTS, SUBJECTS, IDLE_S = 1000, 50, 20


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        if self.path == "/never":
            time.sleep(60)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def receive(port: multiprocessing.Queue[int]) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    port.put(server.server_address[1])
    server.serve_forever()


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


def main() -> None:
    ports: multiprocessing.Queue[int] = multiprocessing.Queue()
    receiver = multiprocessing.Process(target=receive, args=(ports,), daemon=True)
    receiver.start()
    url = f"http://127.0.0.1:{ports.get()}"
    with tempfile.TemporaryDirectory() as home:
        os.environ |= {"CINEFAB_HOME": home, "CINEFAB_WEBHOOK_NETWORKS": "127.0.0.0/8"}
        settings = load_settings()
        with open_records(settings) as records:
            now_us = records.clock.now_us()
            with records.db.write() as connection:
                for path in ("hook", "never"):
                    create_webhook(
                        connection,
                        seal_of(settings),
                        tenant=TenantId(LOCAL_TENANT),
                        url=f"{url}/{path}",
                        events=["*"],
                        description=path,
                        by=PrincipalId("prn_bench"),
                        ids=records.ids,
                        now_us=now_us,
                    )
                for number in range(EVENTS):
                    event = OutboxEvent(
                        kind="job.running",
                        subject=f"job_{number % SUBJECTS}",
                        body={"status": "running", "failure": None},
                    )
                    record_event(connection, event, tenant=LOCAL_TENANT, now_us=now_us)
            command = [sys.executable, "-m", "cinefab", "webhooks"]
            began = time.monotonic()
            sender = subprocess.Popen(command)
            done = webhook_delivery.c.state == "delivered"
            count = 0
            while count < EVENTS:
                time.sleep(0.1)
                with records.db.read() as connection:
                    rows = connection.execute(webhook_delivery.select().where(done)).all()
                count = len(rows)
            took, used = time.monotonic() - began, cpu_s(sender.pid)
            print(
                f"{EVENTS} messages in order of {SUBJECTS} subjects, beside one that never answers"
            )
            print(f"  {EVENTS / took:.0f}/s, {used / EVENTS * 1000:.2f} ms of processor a message")
            before = cpu_s(sender.pid)
            time.sleep(IDLE_S)
            idle = (cpu_s(sender.pid) - before) / IDLE_S * 100
            print(f"idle: {idle:.2f}% of a core, {rss_mb(sender.pid):.0f} MB")
            sender.terminate()
            sender.wait()
    receiver.terminate()


if __name__ == "__main__":
    main()
