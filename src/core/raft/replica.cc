#include "core/raft/replica.h"

#include <algorithm>
#include <fmt/format.h>

#include "base/check.h"

namespace millrace::raft {

std::string to_string(const ReplicaKey& key) {
    if (key.directory.is_zero()) return fmt::format("{}", key.id);
    return fmt::format("{}:{}", key.id, key.directory.to_string());
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

void VoterHistory::add(std::int64_t offset, VoterSet voters) {
    CHECK(entries_.empty() || entries_.back().offset < offset);
    entries_.push_back({offset, std::move(voters)});
}

void VoterHistory::truncate(std::int64_t end_offset) {
    while (!entries_.empty() && entries_.back().offset >= end_offset) entries_.pop_back();
}

std::optional<std::int64_t> VoterHistory::offset() const {
    if (entries_.empty()) return std::nullopt;
    return entries_.back().offset;
}

const VoterSet& VoterHistory::at_end(std::int64_t end_offset) const {
    for (auto entry = entries_.rbegin(); entry != entries_.rend(); ++entry) {
        if (entry->offset < end_offset) return entry->voters;
    }
    return fixed_;
}

}  // namespace millrace::raft
