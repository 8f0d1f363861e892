"""The fleet: a session's cases rendered on the nodes of a cluster, one run for each kind of machine."""
