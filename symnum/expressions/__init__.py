"""The shared language: operators, Expression, parser, printers, evaluator, equivalence, units, tokenizer."""

from symnum.expressions.expression import Expression
from symnum.expressions.operators import OPERATORS, Operator

__all__ = ["OPERATORS", "Expression", "Operator"]
