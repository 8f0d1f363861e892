"""The conformance tests: one plain function for each check, asked of every case."""
