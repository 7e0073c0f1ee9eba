// StreamsGroupDescribe (key 89): state, epochs, topology, members and tasks of streams groups
// (KIP-1071). UNSUPPORTED_VERSION where streams groups are switched off.

#include "protocol/streams_group_describe.h"

#include "broker/authorized_operations.h"
#include "broker/groups.h"
#include "broker/handler.h"
#include "broker/handlers.h"
#include "broker/metadata_cache.h"
#include "broker/streams_protocol.h"

namespace millrace::broker {
namespace {

using Told = StreamsGroupDescribeResponse::DescribedGroup;

Task<Told> describe(const std::string& id, Groups& groups) {
    auto refuse = [&](ErrorCode error) { return Told{.error_code = error, .group_id = id}; };
    if (id.empty()) co_return refuse(ErrorCode::invalid_group_id);
    co_return co_await groups.with(
        id,
        [&](GroupHost& host) -> Task<Told> {
            ErrorCode error = co_await host.settled();
            co_return error == ErrorCode::none ? host.coordinator().describe_streams(id)
                                               : refuse(error);
        },
        refuse);
}

Task<StreamsGroupDescribeResponse> answer(const StreamsGroupDescribeRequest& request, const Caller&,
                                          const config::BrokerConfig& config, MetadataCache& cache,
                                          Groups& groups) {
    StreamsGroupDescribeResponse response;
    bool served = serves_streams_groups(config, *cache.image());
    for (const std::string& id : request.group_ids) {
        Told told = served ? co_await describe(id, groups)
                           : Told{.error_code = ErrorCode::unsupported_version, .group_id = id};
        if (request.include_authorized_operations && told.error_code == ErrorCode::none)
            told.authorized_operations = group_operations;
        response.groups.push_back(std::move(told));
    }
    co_return response;
}

}  // namespace

constinit const Handler handlers::streams_group_describe = serve<answer>;

}  // namespace millrace::broker
