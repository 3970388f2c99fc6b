"""Methods of a campaign: symnum's searches, peers, baselines, and anything with SRBench's contract."""

from symnum.evaluation.methods.base import Answer, Method, NotApplicable, Training
from symnum.evaluation.methods.registry import available, make_method, methods

__all__ = ["Answer", "Method", "NotApplicable", "Training", "available", "make_method", "methods"]
