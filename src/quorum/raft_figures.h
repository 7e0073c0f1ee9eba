#pragma once

#include <cstdint>
#include <deque>
#include <optional>

#include "base/recent_samples.h"
#include "base/time.h"
#include "core/raft/raft.h"

namespace millrace::quorum {

// What raft-metrics tell beside where the quorum stands: how fast it is.
class RaftFigures {
  public:
    // As a leader; `end` is the log's afterwards.
    void appended(std::int64_t records, std::int64_t end, Time now);
    void fetched(std::int64_t records, Time now);
    void committed(std::int64_t high_watermark, Time now);
    void role_changed(raft::Role role, Time now);
    void worked(Duration work, Time now);

    double append_rate(Time now) const { return appended_.rate(now); }
    double fetch_rate(Time now) const { return fetched_.rate(now); }
    // The part of the time in which there was nothing to do.
    double idle(Time now) const;
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
    RecentSamples worked_;  // seconds
    RecentSamples commit_latency_;
    RecentSamples election_latency_;
    std::deque<Uncommitted> uncommitted_;
    std::optional<Time> election_began_;
};

}  // namespace millrace::quorum
