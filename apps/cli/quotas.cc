#include "cli/quotas.h"

#include <algorithm>
#include <fmt/core.h>

#include "cli/arguments.h"
#include "client/retry.h"
#include "protocol/alter_client_quotas.h"
#include "protocol/describe_client_quotas.h"

namespace millrace::cli {

namespace {

enum Match : std::int8_t { exact_name = 0, default_name = 1, any_name = 2 };

Task<Result<std::vector<QuotaEntity>>> describe_once(client::Admin& admin,
                                                     const DescribeClientQuotasRequest& request) {
    ASSIGN_OR_CO_RETURN(auto broker, co_await admin.cluster().any());
    ASSIGN_OR_CO_RETURN(auto reply, co_await broker->call(request));
    auto& response = reply.response;
    if (response.error_code != ErrorCode::none) {
        co_return fail(response.error_code,
                       response.error_message.value_or(std::string(name_of(response.error_code))));
    }
    std::vector<QuotaEntity> found;
    if (!response.entries) co_return found;
    for (auto& entry : *response.entries) {
        QuotaEntity one;
        for (auto& part : entry.entity) one.parts[part.entity_type] = std::move(part.entity_name);
        for (auto& quota : entry.values) one.quotas[quota.key] = quota.value;
        found.push_back(std::move(one));
    }
    std::ranges::sort(found, {}, &QuotaEntity::parts);
    co_return found;
}

Task<Result<>> alter_once(client::Admin& admin, const AlterClientQuotasRequest& request) {
    ASSIGN_OR_CO_RETURN(auto controller, co_await admin.cluster().controller());
    ASSIGN_OR_CO_RETURN(auto reply, co_await controller->call(request));
    for (auto& entry : reply.response.entries) {
        if (entry.error_code == ErrorCode::none) continue;
        co_return fail(entry.error_code,
                       entry.error_message.value_or(std::string(name_of(entry.error_code))));
    }
    co_return Result<>();
}

}  // namespace

Task<Result<std::vector<QuotaEntity>>> describe_quotas(client::Admin& admin, Entities entities) {
    DescribeClientQuotasRequest request;
    request.strict = true;
    for (std::size_t i = 0; i < entities.types.size(); ++i) {
        DescribeClientQuotasRequest::ComponentData component;
        component.entity_type = quota_type(entities.types[i]);
        component.match.reset();
        component.match_type = any_name;
        if (i < entities.names.size()) {
            component.match_type = entities.names[i].empty() ? default_name : exact_name;
            if (!entities.names[i].empty()) component.match = entities.names[i];
        }
        request.components.push_back(std::move(component));
    }
    auto once = [&] { return describe_once(admin, request); };
    co_return co_await client::with_retries(admin.cluster(), "describing quotas", admin.deadline(),
                                            once);
}

Task<Result<>> alter_quotas(client::Admin& admin, Entities entities,
                            std::map<std::string, std::optional<double>> changes) {
    AlterClientQuotasRequest request;
    auto& entry = request.entries.emplace_back();
    for (std::size_t i = 0; i < entities.types.size(); ++i) {
        AlterClientQuotasRequest::EntityData part;
        part.entity_type = quota_type(entities.types[i]);
        part.entity_name.reset();
        if (!entities.names[i].empty()) part.entity_name = entities.names[i];
        entry.entity.push_back(std::move(part));
    }
    for (const auto& [key, quota] : changes) {
        entry.ops.push_back({key, quota.value_or(0), !quota.has_value()});
    }
    auto once = [&] { return alter_once(admin, request); };
    co_return co_await client::with_retries(admin.cluster(), "altering quotas", admin.deadline(),
                                            once);
}

std::string_view quota_type(std::string_view entity_type) {
    if (entity_type == "users") return "user";
    if (entity_type == "clients") return "client-id";
    return "ip";
}

bool is_quota_of_user(std::string_view key) {
    return key == "producer_byte_rate" || key == "consumer_byte_rate" ||
           key == "request_percentage" || key == "controller_mutation_rate";
}

bool is_quota_of_ip(std::string_view key) { return key == "connection_creation_rate"; }

}  // namespace millrace::cli
