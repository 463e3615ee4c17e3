"""The built-in world: Jules, GitHub, sites, their clock, their chance, their judge."""
