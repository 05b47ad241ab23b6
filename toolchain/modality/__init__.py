"""Modalities: how texts and images become what a model reads, without torch."""
