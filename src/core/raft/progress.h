#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "base/time.h"
#include "core/raft/replica.h"

namespace millrace::raft {

// What a leader knows of the replicas: how far each has the log on stable storage, and so what is
// committed.
class Progress {
  public:
    struct Replica {
        std::optional<std::int64_t> end;  // none until it has fetched in this epoch
        std::optional<Time> last_fetch;
        std::optional<Time> last_caught_up;
        std::int64_t leader_end_at_fetch = 0;
        bool acknowledged = false;  // the leader's epoch
    };

    Progress() = default;
    Progress(ReplicaKey self, const VoterSet& voters, std::int64_t epoch_start, Time now);

    void set_voters(const VoterSet& voters);
    // The leader's own log is on stable storage below `end`.
    void local_durable(std::int64_t end);
    void fetched(const ReplicaKey& replica, std::int64_t offset, std::int64_t leader_end, Time now);
    // The voter is alive, though it does not fetch: it is given a snapshot.
    void heard(const ReplicaKey& replica);
    void acknowledge(std::int32_t voter);

    // The offset below which a majority of the voters has everything; -1: not known.
    std::int64_t committed() const;
    // Whether an observer has had all of the log since this leader leads, and is there still.
    bool caught_up(const ReplicaKey& observer, Time now) const;
    std::int64_t epoch_start() const { return epoch_start_; }
    // Voters that have not yet answered BeginQuorumEpoch or fetched.
    std::vector<std::int32_t> unacknowledged() const;
    // The other voters, most advanced first.
    std::vector<ReplicaKey> successors() const;
    // True once each time a majority (the leader's own voice included) has fetched.
    bool majority_fetched();

    const std::map<ReplicaKey, Replica>& voters() const { return voters_; }
    // Forgets those that have not fetched for five minutes.
    const std::map<ReplicaKey, Replica>& observers(Time now);
    std::optional<std::int64_t> local_end() const { return local_end_; }

  private:
    ReplicaKey self_;
    std::int64_t epoch_start_ = 0;
    std::optional<std::int64_t> local_end_;
    std::map<ReplicaKey, Replica> voters_;  // keys as in the voter set
    std::map<ReplicaKey, Replica> observers_;
    std::set<std::int32_t> recently_fetched_;

    std::map<ReplicaKey, Replica>::iterator find_voter(const ReplicaKey& replica);
    bool self_is_voter() const;
};

}  // namespace millrace::raft
