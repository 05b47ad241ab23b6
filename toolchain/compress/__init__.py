"""Making a model smaller: vocabulary, structure, and teaching what is left."""
