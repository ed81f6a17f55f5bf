"""What the processor can do, by what it says of itself and never by timing, so that two runs on one machine compute the same.

Knows nothing of models.
"""

import os
import platform
from functools import lru_cache
from pathlib import Path

import torch

WITHOUT_BFLOAT16 = ("SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX2_VNNI_2", "AVX512_CORE", "AVX512_CORE_VNNI")
"Limits that a user sets to the instructions that oneDNN takes, of those that leave out the ones for bfloat16"

LIMITS = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")
"The variables that oneDNN reads for that: the first that is set, the older one second"


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
    limit = next((os.environ[name] for name in LIMITS if os.environ.get(name)), "")
    able = able and limit.upper() not in WITHOUT_BFLOAT16
    return able and not {"avx512_bf16", "amx_bf16"}.isdisjoint(about_the_processor().split())
