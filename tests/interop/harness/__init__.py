"""The pieces that the suites are made of: nodes, clients, codecs, tool runs."""
