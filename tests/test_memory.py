"""Memory that was freed goes back to the system."""

import ctypes
import sys
from pathlib import Path

import pytest
import torch

from lima.model.memory import give_back


def held():
    """Bytes of this process that are in memory"""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="not the allocator of glibc"
)
def test_holes_between_what_stays_are_given_back():
    first = torch.ones(6_000_000)  # after it glibc takes pieces of that size from its heap, as it does in training
    del first
    pieces = [(torch.ones(100_000), torch.ones(64)) for _ in range(800)]
    stays = [small for _, small in pieces]
    del pieces
    before = held()
    give_back()
    assert before - held() > 200e6
    assert all(one.sum() == 64 for one in stays)
