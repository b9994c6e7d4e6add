"""Tables that several metrics share: each is computed once in a build, whatever reads it."""
