"""What a model is for: its score, its labels, and what a method without a network achieves."""
