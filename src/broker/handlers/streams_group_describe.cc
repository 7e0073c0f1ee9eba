// StreamsGroupDescribe (key 89): state, epochs, topology, members and tasks of streams groups
// (KIP-1071). UNSUPPORTED_VERSION where streams groups are switched off.

#include "protocol/streams_group_describe.h"

#include "broker/describe_groups.h"
#include "broker/handler.h"
#include "broker/handlers.h"
#include "broker/metadata_cache.h"
#include "broker/streams_protocol.h"

namespace millrace::broker {
namespace {

Task<StreamsGroupDescribeResponse> answer(const StreamsGroupDescribeRequest& request, const Caller&,
                                          const config::BrokerConfig& config, MetadataCache& cache,
                                          Groups& groups) {
    return describe_groups<StreamsGroupDescribeResponse>(
        request, serves_streams_groups(config, *cache.image()), groups,
        [](const groups::GroupCoordinator& coordinator, const std::string& id) {
            return coordinator.describe_streams(id);
        });
}

}  // namespace

constinit const Handler handlers::streams_group_describe = serve<answer>;

}  // namespace millrace::broker
