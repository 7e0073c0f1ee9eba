// ControllerRegistration (key 70): a controller tells where it is heard, and what it supports
// (KIP-919).

#include "protocol/controller_registration.h"

#include "broker/controllers.h"
#include "broker/handler.h"
#include "broker/handlers.h"
#include "core/controller/broker_registration.h"

namespace millrace::broker {
namespace {

Task<ControllerRegistrationResponse> answer(const ControllerRegistrationRequest& request,
                                            const Caller& caller, Controllers& controllers) {
    controller::RegisterController command{.request = request};
    auto response = co_await controllers.submit(std::move(command), caller);
    if (response) co_return *std::move(response);
    co_return ControllerRegistrationResponse{.error_code = response.error().code,
                                             .error_message = response.error().message};
}

}  // namespace

constinit const Handler handlers::controller_registration = serve<answer>;

}  // namespace millrace::broker
