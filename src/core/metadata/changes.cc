#include "core/metadata/changes.h"

#include <algorithm>
#include <iterator>

namespace millrace::metadata {
namespace {

// Calls changed(key, before, after) for every key whose value differs, in order.
template <typename Key, typename T, typename Changed>
void walk(const SortedMap<Key, T>& before, const SortedMap<Key, T>& after, Changed changed) {
    auto old = before.begin();
    auto now = after.begin();
    while (old != before.end() || now != after.end()) {
        if (old == before.end() || (now != after.end() && now->key < old->key)) {
            changed(now->key, nullptr, now->value);
            ++now;
        } else if (now == after.end() || old->key < now->key) {
            changed(old->key, old->value, nullptr);
            ++old;
        } else if (const auto* chunk = old.whole_chunk();
                   chunk != nullptr && chunk == now.whole_chunk()) {
            old.skip_chunk();
            now.skip_chunk();
        } else {
            if (old->value != now->value && !(*old->value == *now->value))
                changed(old->key, old->value, now->value);
            ++old;
            ++now;
        }
    }
}

template <typename Key, typename T>
std::vector<Key> changed_keys(const SortedMap<Key, T>& before, const SortedMap<Key, T>& after) {
    std::vector<Key> keys;
    walk(before, after, [&](const Key& key, auto, auto) { keys.push_back(key); });
    return keys;
}

TopicChange topic_change(TopicPtr before, TopicPtr after) {
    static const SortedMap<std::int32_t, Partition> none;
    TopicChange change{std::move(before), std::move(after), {}};
    walk(change.created() ? none : change.before->partitions,
         change.deleted() ? none : change.after->partitions,
         [&](std::int32_t index, auto old, auto now) {
             change.partitions.push_back({index, std::move(old), std::move(now)});
         });
    return change;
}

}  // namespace

bool Changes::empty() const {
    return topics.empty() && brokers.empty() && configs.empty() && quotas.empty() &&
           scram.empty() && tokens.empty() && acls.empty() && !features && !controllers &&
           !producer_ids;
}

Changes diff(const Image& before, const Image& after) {
    Changes changes;
    std::vector<TopicChange> kept;
    walk(before.topics.by_id(), after.topics.by_id(),
         [&](const Uuid&, const TopicPtr& old, const TopicPtr& now) {
             (now == nullptr ? changes.topics : kept).push_back(topic_change(old, now));
         });
    std::ranges::move(kept, std::back_inserter(changes.topics));
    walk(before.brokers, after.brokers, [&](std::int32_t id, const auto& old, const auto& now) {
        changes.brokers.push_back({id, old, now});
    });
    changes.configs = changed_keys(before.configs, after.configs);
    changes.quotas = changed_keys(before.quotas, after.quotas);
    changes.scram = changed_keys(before.scram, after.scram);
    changes.tokens = changed_keys(before.tokens, after.tokens);
    changes.acls = changed_keys(before.acls, after.acls);
    changes.features = before.features != after.features;
    changes.controllers = !(before.controllers == after.controllers);
    changes.producer_ids = before.next_producer_id != after.next_producer_id;
    return changes;
}

}  // namespace millrace::metadata
