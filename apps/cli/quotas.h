#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/task.h"
#include "cli/entities.h"
#include "client/admin.h"

namespace millrace::cli {

// Quotas of users, clients and addresses (DescribeClientQuotas, AlterClientQuotas).
struct QuotaEntity {
    // By type ("user", "client-id", "ip"); no name is the default of the type.
    std::map<std::string, std::optional<std::string>> parts;
    std::map<std::string, double> quotas;
};
// Of exactly these types: of the named ones, and of all where there is no name.
Task<Result<std::vector<QuotaEntity>>> describe_quotas(client::Admin& admin, Entities entities);
// A quota without a value is removed.
Task<Result<>> alter_quotas(client::Admin& admin, Entities entities,
                            std::map<std::string, std::optional<double>> changes);

// "users" to "user", "clients" to "client-id", "ips" to "ip".
std::string_view quota_type(std::string_view entity_type);
bool is_quota_of_user(std::string_view key);  // and of clients
bool is_quota_of_ip(std::string_view key);

}  // namespace millrace::cli
