#pragma once

#include <cstdint>
#include <optional>

#include "base/time.h"
#include "core/raft/epochs.h"
#include "core/raft/replica.h"

namespace millrace::raft {

enum class Role;

// What must survive a crash besides the log: the file quorum-state.
struct QuorumState {
    std::int32_t epoch = 0;
    std::int32_t leader = no_node;
    ReplicaKey voted;
    bool operator==(const QuorumState&) const = default;
};

// The decisions that the safety of the quorum rests on, each by itself. There is one set of rules,
// KRaft's; tests break one after the other, and see that the laws of consensus notice
// (faults_test.cc).
class Rules {
  public:
    virtual ~Rules() = default;

    // What rests on a vote or an epoch leaves the node once that is on stable storage.
    virtual bool may_leave(std::uint64_t version, std::uint64_t durable) const {
        return version <= durable;
    }
    // One vote an epoch, none in an epoch that has its leader.
    virtual bool may_vote(const QuorumState& state, const ReplicaKey& candidate) const;
    // A candidate's log holds all that ours may have helped to commit.
    virtual bool up_to_date(OffsetAndEpoch candidate, const LogFacts& own) const {
        return candidate >= own.last();
    }
    // Nobody that hears a leader helps to depose it (KIP-996).
    virtual bool may_help_rival(Role role, bool hears_leader) const;
    // An answer counts for the request that waits for it, and in the epoch in which it was asked.
    virtual bool is_awaited(std::uint64_t answered, std::uint64_t in_flight) const {
        return answered == in_flight && in_flight != 0;
    }
    virtual bool is_current(std::int32_t told, std::int32_t epoch) const { return told >= epoch; }
    // A sync says nothing of bytes that were written after a cut of the log.
    virtual bool covers(std::uint64_t synced, std::uint64_t generation) const {
        return synced == generation;
    }
    // Records of earlier epochs are committed with one of this epoch (Ongaro's thesis, 3.6.2).
    virtual bool may_commit(std::int64_t end, std::int64_t epoch_start) const {
        return end > epoch_start;
    }
    // A log that parts from its leader's is cut where they part, and nowhere before (KIP-101).
    virtual std::int64_t cut(const LogFacts& own, OffsetAndEpoch diverging,
                             std::int64_t high_watermark) const;
    // Voters count from the moment they are in the log (4.1).
    virtual const VoterSet& in_force(const VoterHistory& voters,
                                     std::optional<std::int64_t> high_watermark) const;
    // One change after the other, and none before this epoch has committed: only then can no
    // earlier leader's change come back (4.1, and the correction to it of 2015).
    virtual bool may_change_voters(std::optional<std::int64_t> high_watermark,
                                   std::int64_t epoch_start,
                                   std::optional<std::int64_t> last_change) const;
    // A leader that has heard from a majority now has to hear from one again by then, or gives up.
    virtual Time hears_again_by(Time now, Duration fetch_timeout) const {
        return now + fetch_timeout + fetch_timeout / 2;
    }
};

inline const Rules kraft_rules;

}  // namespace millrace::raft
