#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/task.h"
#include "client/admin.h"
#include "config/properties.h"

namespace millrace::cli {

// SCRAM credentials of users (DescribeUserScramCredentials, AlterUserScramCredentials).
bool is_scram_mechanism(std::string_view key);  // SCRAM-SHA-256, SCRAM-SHA-512

struct ScramUser {
    std::string name;
    struct Credential {
        std::string_view mechanism;
        std::int32_t iterations = 0;
    };
    Result<std::vector<Credential>> credentials;
};
// Of these users, of all when there is none.
Task<Result<std::vector<ScramUser>>> describe_scram(client::Admin& admin,
                                                    std::vector<std::string> users);

// `set`: SCRAM-SHA-256 with "[iterations=N,]password=TEXT"; `removed`: mechanisms.
Task<Result<>> alter_scram(client::Admin& admin, std::string user,
                           std::vector<config::Property> set, std::vector<std::string> removed);

}  // namespace millrace::cli
