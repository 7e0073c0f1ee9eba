#include "cli/reassignments.h"

#include "client/retry.h"
#include "protocol/list_partition_reassignments.h"

namespace millrace::cli {

namespace {

Task<Result<Reassignments>> ask_once(client::Admin& admin) {
    ASSIGN_OR_CO_RETURN(auto controller, co_await admin.cluster().controller());
    ListPartitionReassignmentsRequest request;
    ASSIGN_OR_CO_RETURN(auto reply, co_await controller->call(request));
    const auto& response = reply.response;
    Reassignments found;
    if (response.error_code == ErrorCode::cluster_authorization_failed) co_return found;
    if (response.error_code != ErrorCode::none) {
        co_return fail(response.error_code, response.error_message.value_or("reassignments"));
    }
    for (const auto& topic : response.topics) {
        for (const auto& partition : topic.partitions) {
            found[{topic.name, partition.partition_index}] = {
                partition.replicas, partition.adding_replicas, partition.removing_replicas};
        }
    }
    co_return found;
}

}  // namespace

Task<Result<Reassignments>> list_reassignments(client::Admin& admin) {
    auto ask = [&admin] { return ask_once(admin); };
    auto found = co_await client::with_retries(admin.cluster(), "listing reassignments",
                                               admin.deadline(), ask);
    if (!found && found.error().code == ErrorCode::unsupported_version) co_return Reassignments();
    co_return found;
}

}  // namespace millrace::cli
