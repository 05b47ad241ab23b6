"""Run an artifact on a target and keep what was seen: every sample, and the state of the machine."""
