"""From files and foreign tables to entities: readers, mappings, checks and the load."""
