"""Files that run elsewhere: one module a runtime, and the check that they still say the same."""
