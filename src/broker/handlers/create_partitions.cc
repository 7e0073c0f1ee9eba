// CreatePartitions (key 37): raises the number of partitions of topics.

#include "protocol/create_partitions.h"

#include "broker/client_quotas.h"
#include "broker/controllers.h"
#include "broker/handler.h"
#include "broker/handlers.h"
#include "core/controller/create_partitions.h"

namespace millrace::broker {
namespace {

Task<CreatePartitionsResponse> answer(const CreatePartitionsRequest& request, const Caller& caller,
                                      Controllers& controllers, ClientQuotas& limits) {
    auto kind = quotas::MutationQuota::kind_of(caller.version(), 3);
    controller::CreatePartitions command{.request = request,
                                         .quota = limits.mutations(caller.request, kind)};
    auto response = co_await controllers.submit(std::move(command), caller);
    if (response) co_return *std::move(response);
    CreatePartitionsResponse failed;
    for (const auto& topic : request.topics) {
        failed.results.push_back({.name = topic.name,
                                  .error_code = response.error().code,
                                  .error_message = response.error().message});
    }
    co_return failed;
}

}  // namespace

constinit const Handler handlers::create_partitions = serve<answer>;

}  // namespace millrace::broker
