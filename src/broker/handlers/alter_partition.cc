// AlterPartition (key 56): a leader asks for another ISR of its partitions (KIP-497).

#include "protocol/alter_partition.h"

#include "broker/controllers.h"
#include "broker/handler.h"
#include "broker/handlers.h"
#include "core/controller/alter_partition.h"

namespace millrace::broker {
namespace {

Task<AlterPartitionResponse> answer(const AlterPartitionRequest& request, const Caller& caller,
                                    Controllers& controllers) {
    controller::AlterPartition command{.request = request};
    auto response = co_await controllers.submit(std::move(command), caller);
    if (response) co_return *std::move(response);
    co_return AlterPartitionResponse{.error_code = response.error().code};
}

}  // namespace

constinit const Handler handlers::alter_partition = serve<answer>;

}  // namespace millrace::broker
