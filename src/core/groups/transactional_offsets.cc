#include "core/groups/transactional_offsets.h"

#include <algorithm>
#include <utility>

namespace millrace::groups {

void TransactionalOffsets::hold(std::int64_t producer_id, const Key& key, CommittedOffset offset) {
    by_producer_[producer_id][key] = std::move(offset);
}

std::map<TransactionalOffsets::Key, CommittedOffset> TransactionalOffsets::release(
    std::int64_t producer_id) {
    auto held = by_producer_.extract(producer_id);
    return held ? std::move(held.mapped()) : std::map<Key, CommittedOffset>();
}

void TransactionalOffsets::drop(const Key& key) {
    for (auto& [producer_id, offsets] : by_producer_) offsets.erase(key);
}

bool TransactionalOffsets::holds(const Key& key) const {
    return std::ranges::any_of(by_producer_,
                               [&](const auto& held) { return held.second.contains(key); });
}

bool TransactionalOffsets::holds_any(const std::string& group) const {
    return std::ranges::any_of(by_producer_, [&](const auto& held) {
        auto first = held.second.lower_bound(Key{group, "", 0});
        return first != held.second.end() && first->first.group == group;
    });
}

std::set<TransactionalOffsets::Key> TransactionalOffsets::of(const std::string& group) const {
    std::set<Key> keys;
    for (const auto& [producer_id, offsets] : by_producer_) {
        for (auto each = offsets.lower_bound(Key{group, "", 0});
             each != offsets.end() && each->first.group == group; ++each)
            keys.insert(each->first);
    }
    return keys;
}

std::set<TransactionalOffsets::Key> TransactionalOffsets::of_topics(
    const std::set<std::string>& topics) const {
    std::set<Key> keys;
    for (const auto& [producer_id, offsets] : by_producer_) {
        for (const auto& [key, offset] : offsets)
            if (topics.contains(key.topic)) keys.insert(key);
    }
    return keys;
}

}  // namespace millrace::groups
