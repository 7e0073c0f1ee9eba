// AlterPartitionReassignments (key 45): gives partitions other replicas, or calls that off
// (KIP-455).

#include "protocol/alter_partition_reassignments.h"

#include "broker/controllers.h"
#include "broker/handler.h"
#include "broker/handlers.h"
#include "core/controller/reassign_partitions.h"

namespace millrace::broker {
namespace {

using Response = AlterPartitionReassignmentsResponse;

Task<Response> answer(const AlterPartitionReassignmentsRequest& request, const Caller&,
                      Controllers& controllers) {
    auto response = co_await controllers.submit(controller::ReassignPartitions{.request = request});
    if (response) co_return *std::move(response);
    co_return Response{.error_code = response.error().code,
                       .error_message = response.error().message};
}

}  // namespace

constinit const Handler handlers::alter_partition_reassignments = serve<answer>;

}  // namespace millrace::broker
