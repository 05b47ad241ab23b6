"""What a device's facts imply for a model before it has run there."""
