// How the streams groups of a partition of __consumer_offsets are driven; see group_host.cc.

#include "broker/coordinators/group_host.h"

namespace millrace::broker {

Task<StreamsHeartbeat> GroupHost::streams_heartbeat(const StreamsGroupHeartbeatRequest& request,
                                                    groups::Client client) {
    StreamsHeartbeat told;
    auto response = co_await log_.run([&] {
        auto decision = coordinator_.streams_heartbeat(request, client, shard_.now());
        told.missing = std::move(decision.missing);
        return coordinator::Decision<StreamsGroupHeartbeatResponse>{std::move(decision.response),
                                                                    std::move(decision.records)};
    });
    count_rebalances();
    streams_due_.follow();
    if (!response)
        co_return StreamsHeartbeat{.response = {.error_code = response.error()}, .missing = {}};
    told.response = *std::move(response);
    co_return told;
}

}  // namespace millrace::broker
