import asyncio, os, tempfile, sys, time, json, statistics
from pathlib import Path
from tests.bench import submit
import psutil
secs=int(sys.argv[1])
async def offer(address,count):
    import aiohttp
    headers = {**submit.bearer(), "content-type": "application/json"}
    body = json.dumps(submit.BODY).encode()
    res=[]
    async with aiohttp.ClientSession(headers=headers, connector=aiohttp.TCPConnector(limit=400)) as client:
        async def one(n,due):
            async with client.post(address, data=body) as a:
                await a.read(); res.append((n,(time.monotonic()-due)*1e3,a.status))
        began=time.monotonic(); sent=[]
        for n in range(count):
            due=began+n/100
            await asyncio.sleep(max(0,due-time.monotonic()))
            sent.append(asyncio.create_task(one(n,due)))
        await asyncio.gather(*sent)
    return res
async def main():
    with tempfile.TemporaryDirectory(prefix="eventrain-bench-") as f:
        async with submit.staged(Path(f)) as st:
            t=asyncio.create_task(submit._tick(st))
            procs={p.pid:p for p in psutil.process_iter()}
            def cpu():
                out={}
                for p in psutil.process_iter(['pid','cmdline','name','cpu_times','nice']):
                    try:
                        c=' '.join(p.info['cmdline'] or [])[:400]
                        k = 'launch' if 'launch_job' in str(p.environ().get('FUNCTION_TARGET')) else p.environ().get('FUNCTION_TARGET') or ('site' if 'tests.bench.site' in c else 'postgres' if 'postgres' in (p.info['name'] or '') else 'rclone' if 'rclone' in c else 'driver' if p.pid==os.getpid() else 'other')
                        ct=p.info['cpu_times']; out[k]=out.get(k,0)+ct.user+ct.system
                        if k=='site': out['site_children']=ct.children_user+ct.children_system
                    except Exception: pass
                return out
            a=cpu()
            res=await offer(st.submit.address+submit.PATH, 100*secs)
            b=cpu()
            print({k:round((b[k]-a.get(k,0)),1) for k in b})
            n=await st.pool.fetchval(submit.CREATED); print('created at end', n)
            last=time.monotonic()
            print('created after', await submit._until(st, submit.CREATED, 100*secs, last))
            t.cancel()
            for s in range(0,secs):
                xs=sorted(x for n,x,_ in res if n//100==s)
                print(s, 'p50 %.0f p95 %.0f max %.0f'%(xs[50],xs[95],xs[-1]))
            xs=[x for _,x,_ in res]
            print('ALL p50', statistics.median(xs), 'p95', statistics.quantiles(xs,n=20)[18])
asyncio.run(main())
