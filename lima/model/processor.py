"""What the processor can do, by what it says of itself and never by timing, so that two runs on one machine compute the same.

Knows nothing of models.
"""

import os
import platform
from functools import lru_cache
from pathlib import Path

import torch

WITHOUT_BFLOAT16 = ("SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX2_VNNI_2", "AVX512_CORE", "AVX512_CORE_VNNI")
"Values of ONEDNN_MAX_CPU_ISA, by which a user limits the instructions that oneDNN takes, that leave out those for bfloat16"


def about_the_processor() -> str:
    """Maker and features, as the system has them"""
    try:
        return Path("/proc/cpuinfo").read_text(errors="replace")
    except OSError:
        return platform.processor()


@lru_cache
def bfloat16_is_native() -> bool:
    """Whether this processor multiplies bfloat16 by instructions of its own, AVX512-BF16 or AMX, and torch uses them"""
    able = torch.backends.mkldnn.is_available() and torch.backends.cpu.get_cpu_capability() == "AVX512"
    able = able and os.environ.get("ONEDNN_MAX_CPU_ISA", "").upper() not in WITHOUT_BFLOAT16
    return able and not {"avx512_bf16", "amx_bf16"}.isdisjoint(about_the_processor().split())
