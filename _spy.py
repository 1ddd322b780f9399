import asyncio, sys, tempfile, subprocess
from pathlib import Path
from tests.bench import submit

async def main():
    with tempfile.TemporaryDirectory(prefix="eventrain-bench-") as f:
        async with submit.staged(Path(f)) as st:
            pids={'submit':st.submit.process.pid}
            import psutil
            for p in psutil.process_iter():
                try:
                    if p.environ().get('FUNCTION_TARGET')=='launch_job': pids['launch']=p.pid
                except Exception: pass
            ps=[subprocess.Popen(['/tmp/pyspy/bin/py-spy','record','-p',str(pid),'-d','15','-r','200','-f','raw','-o',f'/tmp/spy-{n}.txt'],stdout=subprocess.DEVNULL,stderr=subprocess.DEVNULL) for n,pid in pids.items()]
            await asyncio.sleep(1)
            submit.RATE=60
            await submit.offer(st.submit.address+submit.PATH, 60*14)
            for p in ps: await asyncio.to_thread(p.wait)
asyncio.run(main())
