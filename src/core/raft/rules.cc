#include "core/raft/rules.h"

#include "core/raft/raft.h"

namespace millrace::raft {

bool Rules::may_vote(const QuorumState& state, const ReplicaKey& candidate) const {
    if (state.leader != no_node) return false;
    if (state.voted.id == no_node) return true;
    return state.voted.id == candidate.id &&
           (state.voted.directory.is_zero() || state.voted.directory == candidate.directory);
}

bool Rules::may_help_rival(Role role, bool hears_leader) const {
    return role != Role::leader && !(role == Role::follower && hears_leader);
}

std::int64_t Rules::cut(const LogFacts& own, OffsetAndEpoch diverging, std::int64_t) const {
    return own.truncation_point(diverging);
}

const VoterSet& Rules::in_force(const VoterHistory& voters, std::optional<std::int64_t>) const {
    return voters.current();
}

bool Rules::may_change_voters(std::optional<std::int64_t> high_watermark, std::int64_t epoch_start,
                              std::optional<std::int64_t> last_change) const {
    return high_watermark && *high_watermark > epoch_start && last_change &&
           *last_change < *high_watermark;
}

}  // namespace millrace::raft
