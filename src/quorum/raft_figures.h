#pragma once

#include <cstdint>
#include <deque>
#include <optional>

#include "base/time.h"
#include "core/raft/raft.h"

namespace millrace::quorum {

// Samples of the last half minute to minute, in two windows of thirty seconds, as the library of
// Apache's raft-metrics keeps them.
class RecentSamples {
  public:
    void add(double value, Time now);
    // Of none: no value.
    std::optional<double> average(Time now) const;
    std::optional<double> max(Time now) const;
    // The samples' sum a second.
    double rate(Time now) const;

  private:
    struct Window {
        Time began;
        double sum = 0;
        double max = 0;
        std::uint64_t count = 0;
    };
    Window sum_of(Time now) const;

    std::deque<Window> windows_;  // at most two
};

// What raft-metrics tell beside where the quorum stands: how fast it is.
class RaftFigures {
  public:
    // As a leader; `end` is the log's afterwards.
    void appended(std::int64_t records, std::int64_t end, Time now);
    void fetched(std::int64_t records, Time now);
    void committed(std::int64_t high_watermark, Time now);
    void role_changed(raft::Role role, Time now);

    double append_rate(Time now) const { return appended_.rate(now); }
    double fetch_rate(Time now) const { return fetched_.rate(now); }
    // Milliseconds from an append of a leader to its commit, and from the beginning of an election
    // to its leader.
    const RecentSamples& commit_latency() const { return commit_latency_; }
    const RecentSamples& election_latency() const { return election_latency_; }

  private:
    struct Uncommitted {
        std::int64_t end = 0;
        Time appended;
    };

    RecentSamples appended_;
    RecentSamples fetched_;
    RecentSamples commit_latency_;
    RecentSamples election_latency_;
    std::deque<Uncommitted> uncommitted_;
    std::optional<Time> election_began_;
};

}  // namespace millrace::quorum
