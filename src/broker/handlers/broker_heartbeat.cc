// BrokerHeartbeat (key 63): a broker is alive, how far it has read the metadata, and whether it
// wants to stop (KIP-631).

#include "protocol/broker_heartbeat.h"

#include "broker/controllers.h"
#include "broker/failure_detector.h"
#include "broker/handler.h"
#include "broker/handlers.h"
#include "core/controller/heartbeat.h"

namespace millrace::broker {
namespace {

Task<BrokerHeartbeatResponse> answer(const BrokerHeartbeatRequest& request, const Caller& caller,
                                     Controllers& controllers, FailureDetector& detector) {
    controller::BrokerHeartbeat command{.request = request};
    auto response = co_await controllers.submit(std::move(command), caller);
    if (!response) co_return BrokerHeartbeatResponse{.error_code = response.error().code};
    if (response->error_code == ErrorCode::none)
        detector.heard(caller.peer(), request.broker_id, request.broker_epoch);
    co_return *std::move(response);
}

}  // namespace

constinit const Handler handlers::broker_heartbeat = serve<answer>;

}  // namespace millrace::broker
