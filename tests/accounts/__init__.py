"""Users of a site that has a model of its own for them: no name, no permissions, a UUID as the primary key."""
