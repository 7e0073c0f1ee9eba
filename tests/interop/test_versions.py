"""Each advertised API at each advertised version, compared with the oracle field by field."""

import re

import pytest

import scenarios
from harness import sweep, wire
from scenarios import (  # noqa: F401: they register
    configs, consumer_groups, coordinated, data, groups, quotas, security, shares, streams, topics,
    transactions)


def summary(lines):
    """One line for what differs in many versions and elements."""
    alike = {}
    for line in lines:
        alike.setdefault(re.sub(r" v[0-9]+ ", " v* ", re.sub(r"\[\d+\]", "[*]", line)),
                         []).append(line)
    return [f"{same[0]} (and {len(same) - 1} alike)" if len(same) > 1 else same[0]
            for same in alike.values()]


@pytest.mark.parametrize("name", scenarios.ALL)
def test_answers_are_apaches(name, oracle, node):
    transcripts = []
    for one in (oracle, node):
        transcript = sweep.Transcript(one)
        try:
            scenarios.ALL[name](transcript)
        finally:
            transcripts.append(transcript)
            transcript.close()
        assert one.alive(), f"the node ended:\n{one.tail()}"
    lines = sweep.compare(*transcripts)
    assert not lines, f"{len(lines)} differences:\n" + "\n".join(summary(lines)[:40])
    assert transcripts[0].answers


def test_advertised_ranges(oracle, node):
    """What the node advertises, it has at exactly Apache's versions."""
    with oracle.connect() as theirs, node.connect() as ours:
        wanted, got = wire.api_versions(theirs), wire.api_versions(ours)
    assert {name: wanted.get(name) for name in got} == got
    missing = [name for name in topics.MAIN_JOB_NAMES if name not in got]
    assert not missing, f"not advertised: {', '.join(missing)}"
