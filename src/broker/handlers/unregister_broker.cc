// UnregisterBroker (key 64): forgets a broker that is gone for good (KIP-631).

#include "protocol/unregister_broker.h"

#include "broker/controllers.h"
#include "broker/handler.h"
#include "broker/handlers.h"
#include "core/controller/broker_registration.h"

namespace millrace::broker {
namespace {

Task<UnregisterBrokerResponse> answer(const UnregisterBrokerRequest& request, const Caller& caller,
                                      Controllers& controllers) {
    controller::UnregisterBroker command{.request = request};
    auto response = co_await controllers.submit(std::move(command), caller);
    if (response) co_return *std::move(response);
    UnregisterBrokerResponse failed;
    failed.error_code = response.error().code;
    failed.error_message = response.error().message;
    co_return failed;
}

}  // namespace

constinit const Handler handlers::unregister_broker = serve<answer>;

}  // namespace millrace::broker
