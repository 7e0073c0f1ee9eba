// OffsetDelete (key 47): deletes committed offsets of a group for topics it does not read
// (KIP-496).

#include "protocol/offset_delete.h"

#include "broker/groups.h"
#include "broker/handler.h"
#include "broker/handlers.h"

namespace millrace::broker {
namespace {

Task<OffsetDeleteResponse> answer(const OffsetDeleteRequest& request, const Caller&,
                                  MetadataCache& cache, Groups& groups) {
    metadata::ImagePtr image = cache.image();
    OffsetDeleteRequest known{.group_id = request.group_id};
    OffsetDeleteResponse unknown;
    for (const auto& topic : request.topics) {
        OffsetDeleteRequest::OffsetDeleteRequestTopic there{.name = topic.name};
        OffsetDeleteResponse::OffsetDeleteResponseTopic missing{.name = topic.name};
        for (const auto& each : topic.partitions) {
            if (image->topics.find(std::string_view(topic.name), each.partition_index) != nullptr) {
                there.partitions.push_back(each);
            } else {
                missing.partitions.push_back({.partition_index = each.partition_index,
                                              .error_code = ErrorCode::unknown_topic_or_partition});
            }
        }
        if (!there.partitions.empty()) known.topics.push_back(std::move(there));
        if (!missing.partitions.empty()) unknown.topics.push_back(std::move(missing));
    }
    OffsetDeleteResponse response = co_await groups.with(
        request.group_id, [&](GroupHost& host) { return host.delete_offsets(known); },
        [](ErrorCode error) { return OffsetDeleteResponse{.error_code = error}; });
    if (response.error_code != ErrorCode::none) co_return response;
    for (auto& topic : unknown.topics) response.topics.push_back(std::move(topic));
    co_return response;
}

}  // namespace

constinit const Handler handlers::offset_delete = serve<answer>;

}  // namespace millrace::broker
