// ConsumerGroupHeartbeat (key 68): a member of the consumer protocol (KIP-848) joins, leaves, or
// tells that it lives and what it has; it is told what it is to have. UNSUPPORTED_VERSION where the
// node or the cluster has that protocol switched off.

#include "protocol/consumer_group_heartbeat.h"

#include "broker/consumer_protocol.h"
#include "broker/groups.h"
#include "broker/handler.h"
#include "broker/handlers.h"

namespace millrace::broker {
namespace {

Task<ConsumerGroupHeartbeatResponse> answer(const ConsumerGroupHeartbeatRequest& request,
                                            const Caller& caller, MetadataCache& cache,
                                            Groups& groups, const config::BrokerConfig& config) {
    auto refuse = [](ErrorCode error) {
        return ConsumerGroupHeartbeatResponse{.error_code = error};
    };
    if (!serves_consumer_protocol(config, *cache.image()))
        co_return refuse(ErrorCode::unsupported_version);
    groups::Client client{std::string(caller.client_id()), "/" + caller.peer().address.host};
    co_return co_await groups.with(
        request.group_id,
        [&](GroupHost& host) { return host.consumer_heartbeat(request, caller.version(), client); },
        refuse);
}

}  // namespace

constinit const Handler handlers::consumer_group_heartbeat = serve<answer>;

}  // namespace millrace::broker
