"""The parts of a page that tell measurements."""
