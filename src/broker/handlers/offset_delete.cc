// OffsetDelete (key 47): deletes committed offsets of a group for topics it does not read
// (KIP-496).

#include "protocol/offset_delete.h"

#include "broker/groups.h"
#include "broker/handler.h"
#include "broker/handlers.h"

namespace millrace::broker {
namespace {

// Those partitions of the request that exist.
OffsetDeleteRequest known_partitions(const OffsetDeleteRequest& request,
                                     const metadata::Image& image) {
    OffsetDeleteRequest known{.group_id = request.group_id};
    for (const auto& topic : request.topics) {
        auto& kept = known.topics.emplace_back();
        kept.name = topic.name;
        for (const auto& each : topic.partitions) {
            bool exists = image.topics.find(std::string_view(topic.name), each.partition_index);
            if (exists) kept.partitions.push_back(each);
        }
    }
    return known;
}

Task<OffsetDeleteResponse> answer(const OffsetDeleteRequest& request, const Caller&,
                                  MetadataCache& cache, Groups& groups) {
    OffsetDeleteRequest known = known_partitions(request, *cache.image());
    OffsetDeleteResponse response = co_await groups.with(
        request.group_id, [&](GroupHost& host) { return host.delete_offsets(known); },
        [](ErrorCode error) { return OffsetDeleteResponse{.error_code = error}; });
    if (response.error_code != ErrorCode::none) co_return response;
    // In the order of the request, with those that do not exist.
    for (std::size_t t = 0; t < request.topics.size(); ++t) {
        std::vector<OffsetDeleteResponse::OffsetDeleteResponsePartition> deleted =
            std::move(response.topics[t].partitions);
        auto& told = response.topics[t].partitions;
        told.clear();
        std::size_t next = 0;
        for (const auto& each : request.topics[t].partitions) {
            bool exists =
                next < deleted.size() && deleted[next].partition_index == each.partition_index;
            if (exists) {
                told.push_back(deleted[next++]);
            } else {
                told.push_back({.partition_index = each.partition_index,
                                .error_code = ErrorCode::unknown_topic_or_partition});
            }
        }
    }
    co_return response;
}

}  // namespace

constinit const Handler handlers::offset_delete = serve<answer>;

}  // namespace millrace::broker
