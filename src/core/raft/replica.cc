#include "core/raft/replica.h"

#include <algorithm>
#include <fmt/format.h>

namespace millrace::raft {

std::string to_string(const ReplicaKey& key) {
    if (key.directory.is_zero()) return fmt::format("{}", key.id);
    return fmt::format("{}:{}", key.id, key.directory.to_string());
}

std::string spelled_out(const ReplicaKey& key) {
    return fmt::format("ReplicaKey(id={}, directoryId={})", key.id,
                       key.directory.is_zero() ? "<undefined>" : key.directory.to_string());
}

VoterSet::VoterSet(std::vector<Voter> voters) : voters_(std::move(voters)) {
    std::ranges::sort(voters_, {}, [](const Voter& voter) { return voter.key.id; });
}

const Voter* VoterSet::find(std::int32_t id) const {
    auto found = std::ranges::find(voters_, id, [](const Voter& voter) { return voter.key.id; });
    return found == voters_.end() ? nullptr : &*found;
}

bool VoterSet::contains(const ReplicaKey& key) const {
    const Voter* voter = find(key.id);
    if (voter == nullptr) return false;
    return voter->key.directory.is_zero() || voter->key.directory == key.directory;
}

VoterSet VoterSet::with(Voter voter) const {
    std::vector<Voter> voters;
    for (const Voter& old : voters_) {
        if (old.key.id != voter.key.id) voters.push_back(old);
    }
    voters.push_back(std::move(voter));
    return VoterSet(std::move(voters));
}

VoterSet VoterSet::without(std::int32_t id) const {
    std::vector<Voter> voters;
    for (const Voter& voter : voters_) {
        if (voter.key.id != id) voters.push_back(voter);
    }
    return VoterSet(std::move(voters));
}

std::string VoterSet::keys_spelled_out() const {
    std::string text;
    for (const Voter& voter : voters_) text += (text.empty() ? "" : ", ") + spelled_out(voter.key);
    return "[" + text + "]";
}

}  // namespace millrace::raft
