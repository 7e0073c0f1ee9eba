// AlterConfigs (key 33): gives a resource the configs of the request and no others.

#include "protocol/alter_configs.h"

#include "broker/controllers.h"
#include "broker/handler.h"
#include "broker/handlers.h"
#include "core/controller/alter_configs.h"

namespace millrace::broker {
namespace {

Task<AlterConfigsResponse> answer(const AlterConfigsRequest& request, const Caller&,
                                  Controllers& controllers) {
    auto response = co_await controllers.submit(controller::AlterConfigs{.request = request});
    if (response) co_return *std::move(response);
    AlterConfigsResponse failed;
    for (const auto& resource : request.resources) {
        failed.responses.push_back({.error_code = response.error().code,
                                    .error_message = response.error().message,
                                    .resource_type = resource.resource_type,
                                    .resource_name = resource.resource_name});
    }
    co_return failed;
}

}  // namespace

constinit const Handler handlers::alter_configs = serve<answer>;

}  // namespace millrace::broker
