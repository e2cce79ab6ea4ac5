import pathlib; exec(pathlib.Path("/tmp/prof.py").read_text())
import pytest
from tests.money.test_machine import *
from tests.money.test_machine import _no_ffmpeg
@pytest.mark.both_databases
def test_prof(fresh, database):
    few = settings(SETTINGS, max_examples=20, phases=[Phase.generate], stateful_step_count=30, derandomize=True)
    t0=time.process_time()
    run_state_machine_as_test(lambda: Money(fresh), settings=few)
    print(time.process_time()-t0, {k:(round(v,2),N[k]) for k,v in T.items()}); T.clear();N.clear()
