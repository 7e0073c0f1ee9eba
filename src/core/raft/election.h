#pragma once

#include <cstdint>
#include <set>
#include <vector>

#include "core/raft/replica.h"

namespace millrace::raft {

// The votes of one election, or of one round of pre-votes.
class Election {
  public:
    Election() = default;
    explicit Election(const VoterSet& voters) {
        for (const Voter& voter : voters.voters()) waiting_.insert(voter.key.id);
        majority_ = voters.majority();
    }

    // Later answers of the same voter, and those of others, do not count.
    void record(std::int32_t voter, bool granted) {
        if (waiting_.erase(voter) == 0) return;
        (granted ? granting_ : rejecting_).insert(voter);
    }
    bool won() const { return majority_ > 0 && granting_.size() >= majority_; }
    bool lost() const { return granting_.size() + waiting_.size() < majority_; }
    const std::set<std::int32_t>& waiting() const { return waiting_; }
    const std::set<std::int32_t>& granting() const { return granting_; }

  private:
    std::size_t majority_ = 0;
    std::set<std::int32_t> waiting_, granting_, rejecting_;
};

}  // namespace millrace::raft
