#include "client/assignor_sticky.h"

#include <algorithm>
#include <set>

#include "client/sticky_balance.h"
#include "protocol/reader.h"
#include "protocol/writer.h"

namespace millrace::client {
namespace {

// Of the sticky assignor: partitions by topic, and since version 1 the generation.
Claim read_sticky(const std::optional<Slice>& user_data) {
    Claim claim;
    if (!user_data) return claim;
    Reader reader(user_data->bytes());
    std::size_t topics = reader.read_count("previous_assignment", false, false, 6).value_or(0);
    for (std::size_t i = 0; i < topics && reader.ok(); ++i) {
        std::string topic;
        std::vector<std::int32_t> partitions;
        reader.read_string(topic, "topic", false);
        reader.read_array(partitions, "partitions", false);
        for (std::int32_t partition : partitions) claim.partitions.push_back({topic, partition});
    }
    // Foreign bytes are no claim at all.
    if (!reader.ok()) return Claim();
    if (reader.remaining() >= 4) claim.generation = reader.read_int32("generation");
    return claim;
}

Claim read_cooperative(const Subscription& subscription) {
    Claim claim{subscription.owned, subscription.generation};
    if (claim.generation < 0 && subscription.user_data && subscription.user_data->size() >= 4)
        claim.generation = load_be<std::int32_t>(subscription.user_data->data());
    return claim;
}

}  // namespace

std::optional<Slice> StickyAssignor::user_data(std::span<const TopicPartition> had,
                                               std::int32_t generation) const {
    if (had.empty() && generation < 0) return std::nullopt;
    std::map<std::string, std::vector<std::int32_t>> topics;
    for (const TopicPartition& partition : had)
        topics[partition.topic].push_back(partition.partition);
    Writer writer(128);
    writer.write_count(topics.size(), "previous_assignment", false);
    for (const auto& [topic, partitions] : topics) {
        writer.write_string(topic, "topic", false);
        writer.write_array(partitions, "partitions", false);
    }
    writer.write_int32(generation);
    return std::move(writer).finish_in_memory();
}

Assignment StickyAssignor::assign(const PartitionCounts& counts,
                                  const Subscriptions& members) const {
    Claims claims;
    for (const auto& [id, subscription] : members)
        claims.emplace(id, read_sticky(subscription.user_data));
    return balance_sticky(counts, members, claims);
}

std::optional<Slice> CooperativeStickyAssignor::user_data(std::span<const TopicPartition>,
                                                          std::int32_t generation) const {
    Writer writer(4);
    writer.write_int32(generation);
    return std::move(writer).finish_in_memory();
}

Assignment CooperativeStickyAssignor::assign(const PartitionCounts& counts,
                                             const Subscriptions& members) const {
    Claims claims;
    for (const auto& [id, subscription] : members)
        claims.emplace(id, read_cooperative(subscription));
    Assignment assignment = balance_sticky(counts, members, claims);
    std::set<TopicPartition> given_up;
    for (const auto& [id, subscription] : members) {
        const auto& kept = assignment[id];
        for (const TopicPartition& partition : subscription.owned)
            if (std::ranges::find(kept, partition) == kept.end()) given_up.insert(partition);
    }
    for (auto& [id, partitions] : assignment) {
        const auto& owned = members.at(id).owned;
        std::erase_if(partitions, [&](const TopicPartition& partition) {
            return given_up.contains(partition) &&
                   std::ranges::find(owned, partition) == owned.end();
        });
    }
    return assignment;
}

}  // namespace millrace::client
