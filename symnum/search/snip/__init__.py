"""Searches with the decoder of SNIP: samples and beams, among embeddings, and word by word with a plan.

Meidani et al. 2024 (arXiv:2310.02227), Kamienny et al. 2022 (arXiv:2204.10532), Shojaee et al. 2023
(arXiv:2303.06833). The network needs the extra ``neural``; nothing here is imported by a plain fit.
"""
