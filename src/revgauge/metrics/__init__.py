"""The definitions, one module for each family; the folder is walked, so a new module needs no list."""
