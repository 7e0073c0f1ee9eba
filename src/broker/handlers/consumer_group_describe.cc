// ConsumerGroupDescribe (key 69): state, epochs, members and assignments of groups of the consumer
// protocol (KIP-848). UNSUPPORTED_VERSION where the node or the cluster has it switched off.

#include "protocol/consumer_group_describe.h"

#include "broker/authorized_operations.h"
#include "broker/consumer_protocol.h"
#include "broker/groups.h"
#include "broker/handler.h"
#include "broker/handlers.h"

namespace millrace::broker {
namespace {

using Told = ConsumerGroupDescribeResponse::DescribedGroup;

Task<Told> describe(const std::string& id, Groups& groups) {
    if (id.empty()) co_return Told{.error_code = ErrorCode::invalid_group_id, .group_id = id};
    co_return co_await groups.with(
        id,
        [&](GroupHost& host) -> Task<Told> {
            ErrorCode error = co_await host.settled();
            if (error != ErrorCode::none) co_return Told{.error_code = error, .group_id = id};
            co_return host.coordinator().describe_consumer(id);
        },
        [&](ErrorCode error) { return Told{.error_code = error, .group_id = id}; });
}

Task<ConsumerGroupDescribeResponse> answer(const ConsumerGroupDescribeRequest& request,
                                           const Caller&, MetadataCache& cache, Groups& groups,
                                           const config::BrokerConfig& config) {
    ConsumerGroupDescribeResponse response;
    bool served = serves_consumer_protocol(config, *cache.image());
    for (const std::string& id : request.group_ids) {
        Told told = served ? co_await describe(id, groups)
                           : Told{.error_code = ErrorCode::unsupported_version, .group_id = id};
        if (request.include_authorized_operations && told.error_code == ErrorCode::none) {
            told.authorized_operations = group_operations;
        }
        response.groups.push_back(std::move(told));
    }
    co_return response;
}

}  // namespace

constinit const Handler handlers::consumer_group_describe = serve<answer>;

}  // namespace millrace::broker
