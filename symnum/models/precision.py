"""Where bfloat16 is faster than float32."""

from __future__ import annotations

import torch

_CPU = ("amx_bf16", "avx512_bf16", "arm_bf16", "bf16")
"""Instructions of processors that multiply matrices of bfloat16; without them torch imitates it, thirty
times slower than float32."""


def half_is_fast(device: torch.device | str = "cpu") -> bool:
    """Whether a device multiplies matrices of bfloat16 itself."""
    device = torch.device(device)
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type != "cpu":
        return False
    known = torch.cpu.get_capabilities()
    return any(known.get(name, False) for name in _CPU)


def mixed_precision(device: torch.device | str) -> torch.autocast:
    """Context in which matrices are multiplied in bfloat16 where that is faster, else in float32."""
    return torch.autocast(torch.device(device).type, torch.bfloat16, enabled=half_is_fast(device))
