import pytest, time
from tests.faults.machine import Machine, Visitor, hidden
from tests.waiting import wait_until
def test_it(tmp_path, database_url, make_clip):
    clip = make_clip("fast-clip.mp4", "testsrc=s=320x320:r=24:d=4", "sine=f=440:d=4,aformat=channel_layouts=stereo")
    t=time.monotonic()
    def lap(w):
        nonlocal t
        n=time.monotonic(); print(f"{n-t:.2f} {w}"); t=n
    m = Machine(tmp_path/"m", database_url, clip=clip)
    try:
        m.add_person("a@example.org"); lap("person")
        m.start_web(); lap("web")
        w=m.start_worker(); lap("worker")
        v=Visitor(m,"a@example.org"); lap("sign in")
        f=v.fill_in("one"); lap("form")
        m.arm("put:video.mp4.half")
        assert v.send("/videos", f)==303; lap("post")
        wait_until(lambda: not w.is_alive, 20); w.process.wait(); lap("hit")
        assert m.is_hit
        m.start_worker(); lap("restart")
        m.wait_for_the_end(); lap("end")
        m.check(); lap("check")
    finally:
        m.close()
        print((m.faults/"trace").read_text())
        for p in m.parts: print(p.log, p.log.read_text()[-1500:])
