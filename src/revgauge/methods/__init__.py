"""Methods: numeric procedures on plain numbers and arrays, which no database has.

They know neither metrics nor tables. What they compute is defined where it is used; here stands how.
"""
