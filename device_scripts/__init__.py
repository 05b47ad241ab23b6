"""What is pushed to a device. A package only so that it is installed with its data; nothing imports it."""
