#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace millrace::metadata {

// Codes of type, operation and permission as schema/enums.tsv has them.
struct Acl {
    std::int8_t resource_type = 0;
    std::string resource_name;
    std::int8_t pattern_type = 0;
    std::string principal;
    std::string host;
    std::int8_t operation = 0;
    std::int8_t permission = 0;

    bool operator==(const Acl&) const = default;
};

// mechanism: 1 SCRAM-SHA-256, 2 SCRAM-SHA-512.
struct ScramUser {
    std::int8_t mechanism = 0;
    std::string name;
    auto operator<=>(const ScramUser&) const = default;
};
struct ScramCredential {
    std::string salt;
    std::string stored_key;
    std::string server_key;
    std::int32_t iterations = 0;
    bool operator==(const ScramCredential&) const = default;
};

// KIP-48; times in milliseconds since 1970.
struct DelegationToken {
    std::string owner;
    std::string requester;
    std::vector<std::string> renewers;
    std::int64_t issued = 0;
    std::int64_t max = 0;
    std::int64_t expires = 0;
    bool operator==(const DelegationToken&) const = default;
};

// "user", "client-id" or "ip", and whose; no name means the default of that type.
struct QuotaEntityPart {
    std::string type;
    std::optional<std::string> name;
    auto operator<=>(const QuotaEntityPart&) const = default;
};
using QuotaEntity = std::vector<QuotaEntityPart>;  // by type
using Quotas = std::map<std::string, double, std::less<>>;

}  // namespace millrace::metadata
