// AlterClientQuotas (key 49): sets and removes quotas of users, client ids and addresses (KIP-546).

#include "protocol/alter_client_quotas.h"

#include "broker/controllers.h"
#include "broker/handler.h"
#include "broker/handlers.h"
#include "core/controller/alter_client_quotas.h"

namespace millrace::broker {
namespace {

AlterClientQuotasResponse refused(const AlterClientQuotasRequest& request, const Error& error) {
    AlterClientQuotasResponse response;
    for (const auto& wanted : request.entries) {
        auto& entry = response.entries.emplace_back();
        entry.error_code = error.code;
        entry.error_message = error.message;
        for (const auto& part : wanted.entity) {
            auto& data = entry.entity.emplace_back();
            data.entity_type = part.entity_type;
            data.entity_name = part.entity_name;
        }
    }
    return response;
}

Task<AlterClientQuotasResponse> answer(const AlterClientQuotasRequest& request,
                                       const Caller& caller, Controllers& controllers) {
    controller::AlterClientQuotas command{.request = request};
    auto decided = co_await controllers.submit(std::move(command), caller);
    co_return decided ? *std::move(decided) : refused(request, decided.error());
}

}  // namespace

constinit const Handler handlers::alter_client_quotas = serve<answer>;

}  // namespace millrace::broker
