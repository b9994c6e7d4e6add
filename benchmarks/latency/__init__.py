"""How long one simple question takes: leads created, by month and direction.

A build answers thousands of questions together; a person at a screen asks one. The same question is asked of the
product, of SQL by hand, and of two other semantic layers over the same DuckDB file, each in an environment of its own
because they need other versions of the packages that we use. Process, packages, definitions and connection are there
before the clock starts; it stops when the rows are in Python. The first question is timed, and then more of the same.
"""
