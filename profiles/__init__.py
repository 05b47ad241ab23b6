"""The profiles of the devices Edgewright knows: data for `toolchain.profiles`, no code."""
