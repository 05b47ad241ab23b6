"""The command `edgewright`: the only place that prints, exits and reads flags."""
