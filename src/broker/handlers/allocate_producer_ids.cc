// AllocateProducerIds (key 67): the next block of producer ids, for a broker to give out (KIP-730).

#include "protocol/allocate_producer_ids.h"

#include "broker/controllers.h"
#include "broker/handler.h"
#include "broker/handlers.h"
#include "core/controller/allocate_producer_ids.h"

namespace millrace::broker {
namespace {

Task<AllocateProducerIdsResponse> answer(const AllocateProducerIdsRequest& request,
                                         const Caller& caller, Controllers& controllers) {
    controller::AllocateProducerIds command{.request = request};
    auto response = co_await controllers.submit(std::move(command), caller);
    if (response) co_return *std::move(response);
    co_return AllocateProducerIdsResponse{.error_code = response.error().code};
}

}  // namespace

constinit const Handler handlers::allocate_producer_ids = serve<answer>;

}  // namespace millrace::broker
