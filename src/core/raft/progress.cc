#include "core/raft/progress.h"

#include <algorithm>

#include "base/check.h"

namespace millrace::raft {

namespace {
constexpr Duration observer_session = Duration::seconds(300);
// Of one that is to become a voter, since its last fetch.
constexpr Duration observer_patience = Duration::seconds(3600);
}  // namespace

Progress::Progress(ReplicaKey self, const VoterSet& voters, std::int64_t epoch_start, Time now)
    : self_(self), epoch_start_(epoch_start) {
    set_voters(voters);
    if (auto own = find_voter(self_); own != voters_.end()) {
        own->second.acknowledged = true;
        own->second.last_fetch = own->second.last_caught_up = now;
    }
}

std::map<ReplicaKey, Progress::Replica>::iterator Progress::find_voter(const ReplicaKey& replica) {
    // A voter of a static quorum is known by its id alone.
    auto found = voters_.find({replica.id, Uuid{}});
    return found != voters_.end() ? found : voters_.find(replica);
}

bool Progress::self_is_voter() const {
    return voters_.contains(self_) || voters_.contains({self_.id, Uuid{}});
}

void Progress::set_voters(const VoterSet& voters) {
    std::map<ReplicaKey, Replica> next;
    for (const Voter& voter : voters.voters()) {
        Replica replica;
        if (auto old = find_voter(voter.key); old != voters_.end()) {
            replica = old->second;
            voters_.erase(old);
        } else if (auto observer = observers_.find(voter.key); observer != observers_.end()) {
            replica = observer->second;
            observers_.erase(observer);
        }
        next.emplace(voter.key, replica);
    }
    for (auto& [key, replica] : voters_) observers_.emplace(key, replica);
    voters_ = std::move(next);
    std::erase_if(recently_fetched_, [&](std::int32_t id) { return voters.find(id) == nullptr; });
    if (local_end_) local_durable(*local_end_);
}

void Progress::local_durable(std::int64_t end) {
    CHECK(!local_end_ || *local_end_ <= end);
    local_end_ = end;
    if (auto own = find_voter(self_); own != voters_.end()) own->second.end = end;
}

void Progress::fetched(const ReplicaKey& replica, std::int64_t offset, std::int64_t leader_end,
                       Time now) {
    if (replica.id < 0 || replica.id == self_.id) return;
    auto voter = find_voter(replica);
    Replica& state = voter != voters_.end() ? voter->second : observers_[replica];
    // It has what the leader had when it fetched before: it was caught up then.
    if (offset >= leader_end) {
        state.last_caught_up = now;
    } else if (state.last_fetch && offset >= state.leader_end_at_fetch) {
        state.last_caught_up = std::max(state.last_caught_up.value_or(Time{}), *state.last_fetch);
    }
    state.end = offset;
    state.last_fetch = now;
    state.leader_end_at_fetch = leader_end;
    state.acknowledged = true;
    if (voter != voters_.end()) recently_fetched_.insert(replica.id);
}

void Progress::heard(const ReplicaKey& replica) {
    if (find_voter(replica) != voters_.end()) recently_fetched_.insert(replica.id);
}

void Progress::acknowledge(std::int32_t voter) {
    for (auto& [key, replica] : voters_) {
        if (key.id == voter) replica.acknowledged = true;
    }
}

std::int64_t Progress::committed() const {
    std::vector<std::int64_t> ends;
    for (const auto& [key, replica] : voters_) ends.push_back(replica.end.value_or(-1));
    if (ends.empty()) return -1;
    std::ranges::sort(ends, std::greater<>{});
    return ends[ends.size() / 2];
}

bool Progress::caught_up(const ReplicaKey& observer, Time now) const {
    auto at = observers_.find(observer);
    if (at == observers_.end() || !at->second.last_caught_up || !at->second.last_fetch)
        return false;
    return now - *at->second.last_fetch < observer_patience;
}

std::vector<std::int32_t> Progress::unacknowledged() const {
    std::vector<std::int32_t> ids;
    for (const auto& [key, replica] : voters_) {
        if (!replica.acknowledged && key.id != self_.id) ids.push_back(key.id);
    }
    return ids;
}

std::vector<ReplicaKey> Progress::successors() const {
    std::vector<std::pair<std::int64_t, ReplicaKey>> others;  // the end negated, to sort down
    for (const auto& [key, replica] : voters_) {
        if (key.id != self_.id) others.emplace_back(-replica.end.value_or(-1), key);
    }
    std::ranges::sort(others);
    std::vector<ReplicaKey> keys;
    for (const auto& [negated_end, key] : others) keys.push_back(key);
    return keys;
}

bool Progress::majority_fetched() {
    std::size_t voices = recently_fetched_.size() + (self_is_voter() ? 1 : 0);
    if (voices < voters_.size() / 2 + 1) return false;
    recently_fetched_.clear();
    return true;
}

const std::map<ReplicaKey, Progress::Replica>& Progress::observers(Time now) {
    std::erase_if(observers_, [&](const auto& entry) {
        return !entry.second.last_fetch || now - *entry.second.last_fetch >= observer_session;
    });
    return observers_;
}

}  // namespace millrace::raft
