"""The templates, for what the operator's tool reads of them."""

from tests.synthesis import _begin_to_synthesize, synthesis, synthesized  # noqa: F401
