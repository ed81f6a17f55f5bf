"""Freed memory is kept for what comes next while a block asks for it, and goes back to the system afterwards."""

import ctypes
import subprocess
import sys

import pytest

# In a process of its own, whose heap has no holes yet.
PIECES = """
import resource
import sys
import torch
from pathlib import Path
from lima.model.memory import freed_memory_kept

def held():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

def cleared():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt * 4096

before = held()
with freed_memory_kept(sys.argv[1] == "kept"):
    torch.ones(20_000_000), torch.ones(5_000_000)
    stays = []
    first = cleared()
    for _ in range(20):
        big, small = torch.ones(19_000_000), torch.ones(4_000_000)
        stays.append(torch.ones(1000))
        del big, small
    asked, within = cleared() - first, held()
print(asked, within - before, held() - before, all(one.sum() == 1000 for one in stays))
"""


def pieces(how):
    done = subprocess.run([sys.executable, "-c", PIECES, how], capture_output=True, text=True, timeout=300)
    *numbers, right = done.stdout.split()
    assert right == "True", done.stderr
    return map(int, numbers)


@pytest.mark.slow
@pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "mallopt"), reason="not the allocator of glibc"
)
def test_freed_memory_is_kept_within_the_block_and_given_back_after_it():
    asked, within, after = pieces("kept")
    assert asked < 20 * 92e6 / 4, "little of it is new to the process"  # glibc before 2.38 fills few holes
    assert within > 90e6
    assert after < 50e6
    asked, _, _ = pieces("not kept")
    assert asked > 20 * 70e6, "the large pieces are new each time"
