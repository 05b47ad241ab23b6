"""The task `text-generation`: to write what answers a prompt, such as the summary of a text."""

from __future__ import annotations

from edgewright.tasks.language_modelling import LanguageModelling
from edgewright.tasks.task import TABLES


class TextGeneration(LanguageModelling):
    """The tokens of a completion, and the one that ends it, after its prompt; the prompt itself is not learned."""

    inputs = frozenset({"task.max_length", "task.chat_template", "data.extra_text_packages"})
    columns = ("prompt", "completion", "source")
    suffixes = TABLES
    builtin_data = ("docstring-summaries",)
    ends = True


TEXT_GENERATION = TextGeneration()
