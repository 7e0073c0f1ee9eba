// ElectLeaders (key 43): makes the preferred replicas lead, or any replica where none does
// (KIP-460).

#include "protocol/elect_leaders.h"

#include "broker/controllers.h"
#include "broker/handler.h"
#include "broker/handlers.h"
#include "core/controller/elect_leaders.h"

namespace millrace::broker {
namespace {

Task<ElectLeadersResponse> answer(const ElectLeadersRequest& request, const Caller&,
                                  Controllers& controllers) {
    auto response = co_await controllers.submit(controller::ElectLeaders{.request = request});
    if (!response) co_return controller::refuse(request, response.error());
    co_return *std::move(response);
}

}  // namespace

constinit const Handler handlers::elect_leaders = serve<answer>;

}  // namespace millrace::broker
