"""Scenarios of raw requests, one or more an API, run by test_versions.py on two nodes.

A scenario is a function of a Transcript. It names its topics and groups after itself, so that
it leaves the others alone.
"""

ALL = {}


def scenario(api):
    """Registers a function as a scenario of an API."""
    def register(function):
        ALL[f"{api}-{function.__name__}"] = function
        return function
    return register
