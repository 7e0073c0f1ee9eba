#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "core/groups/committed_offset.h"

namespace millrace::groups {

// Offsets that transactions have committed to groups and whose transactions are open (KIP-98).
class TransactionalOffsets {
  public:
    struct Key {
        std::string group;
        std::string topic;
        std::int32_t partition = 0;
        auto operator<=>(const Key&) const = default;
    };

    void hold(std::int64_t producer_id, const Key& key, CommittedOffset offset);
    // Those of the producer's transaction, which has ended.
    std::map<Key, CommittedOffset> release(std::int64_t producer_id);
    // The offset was deleted, whoever commits it.
    void drop(const Key& key);
    bool holds(const Key& key) const;
    bool holds_any(const std::string& group) const;
    // Of the group, and of the topics; each once, whoever commits it.
    std::set<Key> of(const std::string& group) const;
    std::set<Key> of_topics(const std::set<std::string>& topics) const;

  private:
    std::map<std::int64_t, std::map<Key, CommittedOffset>> by_producer_;
};

}  // namespace millrace::groups
