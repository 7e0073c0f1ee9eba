// AssignReplicasToDirs (key 73): a broker tells in which of its log directories replicas lie, so
// that the controller knows whom it hits when a directory fails (KIP-858).

#include "protocol/assign_replicas_to_dirs.h"

#include "broker/controllers.h"
#include "broker/handler.h"
#include "broker/handlers.h"
#include "core/controller/assign_directories.h"

namespace millrace::broker {
namespace {

Task<AssignReplicasToDirsResponse> answer(const AssignReplicasToDirsRequest& request,
                                          const Caller& caller, Controllers& controllers) {
    controller::AssignDirectories command{.request = request};
    auto response = co_await controllers.submit(std::move(command), caller);
    if (response) co_return *std::move(response);
    co_return AssignReplicasToDirsResponse{.error_code = response.error().code};
}

}  // namespace

constinit const Handler handlers::assign_replicas_to_dirs = serve<answer>;

}  // namespace millrace::broker
