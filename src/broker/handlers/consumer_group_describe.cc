// ConsumerGroupDescribe (key 69): state, epochs, members and assignments of groups of the consumer
// protocol (KIP-848). UNSUPPORTED_VERSION where the node or the cluster has it switched off.

#include "protocol/consumer_group_describe.h"

#include "broker/consumer_protocol.h"
#include "broker/describe_groups.h"
#include "broker/handler.h"
#include "broker/handlers.h"

namespace millrace::broker {
namespace {

Task<ConsumerGroupDescribeResponse> answer(const ConsumerGroupDescribeRequest& request,
                                           const Caller&, MetadataCache& cache, Groups& groups,
                                           const config::BrokerConfig& config) {
    return describe_groups<ConsumerGroupDescribeResponse>(
        request, serves_consumer_protocol(config, *cache.image()), groups,
        [](const groups::GroupCoordinator& coordinator, const std::string& id) {
            return coordinator.describe_consumer(id);
        });
}

}  // namespace

constinit const Handler handlers::consumer_group_describe = serve<answer>;

}  // namespace millrace::broker
