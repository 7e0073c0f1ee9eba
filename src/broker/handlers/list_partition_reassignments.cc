// ListPartitionReassignments (key 46): the reassignments under way, as the active controller knows
// them (KIP-455).

#include "protocol/list_partition_reassignments.h"

#include "broker/controllers.h"
#include "broker/handler.h"
#include "broker/handlers.h"
#include "core/controller/reassign_partitions.h"

namespace millrace::broker {
namespace {

using Response = ListPartitionReassignmentsResponse;

Task<Response> answer(const ListPartitionReassignmentsRequest& request, const Caller&,
                      Controllers& controllers) {
    auto response = co_await controllers.submit(controller::ListReassignments{.request = request});
    if (response) co_return *std::move(response);
    co_return Response{.error_code = response.error().code,
                       .error_message = response.error().message};
}

}  // namespace

constinit const Handler handlers::list_partition_reassignments = serve<answer>;

}  // namespace millrace::broker
