"""Methods that a campaign can run: symnum's searches, peers, baselines, and anything with SRBench's contract."""

from symnum.evaluation.methods.base import Answer, Method, Training
from symnum.evaluation.methods.registry import available, make_method, methods

__all__ = ["Answer", "Method", "Training", "available", "make_method", "methods"]
