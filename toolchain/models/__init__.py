"""Model families: how each is loaded, fed, sliced and rebuilt."""
