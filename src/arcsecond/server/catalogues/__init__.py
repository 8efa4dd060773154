"""Objects, exoplanets, standard stars: read-only, offline first."""
