import asyncio, os, tempfile, sys
from pathlib import Path
from tests.bench import tick, world
from tests.postgres_server import PostgresServer
load, core = world.cores()
os.sched_setaffinity(0, load)
with tempfile.TemporaryDirectory(prefix="eventrain-bench-") as name:
    folder=Path(name); (folder/"postgres").mkdir(); (folder/"0"/"s3").mkdir(parents=True)
    server=PostgresServer(folder/"postgres"); server.start()
    try:
        f=asyncio.run(tick.measure(server,int(sys.argv[1]),folder/"0",rounds=int(sys.argv[2]),tapped=False,core=core))
        for x in f: print(x.jobs, x.found, x.seconds, x.cpu_seconds, x.peak_mb)
    finally: server.stop()
