"""The profiles of the devices Edgewright knows: data for `edgewright.specs.profiles`, no code."""
