// BrokerRegistration (key 62): a broker comes, and gets the epoch of this life of its (KIP-631).

#include "protocol/broker_registration.h"

#include "broker/controllers.h"
#include "broker/handler.h"
#include "broker/handlers.h"
#include "core/controller/broker_registration.h"

namespace millrace::broker {
namespace {

Task<BrokerRegistrationResponse> answer(const BrokerRegistrationRequest& request,
                                        const Caller& caller, Controllers& controllers) {
    controller::RegisterBroker command{.request = request, .version = caller.version()};
    auto response = co_await controllers.submit(std::move(command), caller);
    if (response) co_return *std::move(response);
    co_return BrokerRegistrationResponse{.error_code = response.error().code};
}

}  // namespace

constinit const Handler handlers::broker_registration = serve<answer>;

}  // namespace millrace::broker
