"""The live tail: one hub per process, a stream per viewer."""
