#include "cli/scram.h"

#include <fmt/core.h>
#include <openssl/evp.h>

#include "base/random.h"
#include "cli/arguments.h"
#include "client/retry.h"
#include "env/shard.h"
#include "protocol/alter_user_scram_credentials.h"
#include "protocol/describe_user_scram_credentials.h"

namespace millrace::cli {

namespace {

struct Mechanism {
    std::string_view name;
    std::int8_t id;
    std::size_t hash_size;
    const EVP_MD* (*hash)();
};
constexpr Mechanism mechanisms[] = {
    {"SCRAM-SHA-256", 1, 32, EVP_sha256},
    {"SCRAM-SHA-512", 2, 64, EVP_sha512},
};
constexpr std::int32_t least_iterations = 4096;
constexpr std::size_t salt_size = 32;

const Mechanism* find_mechanism(std::string_view name) {
    for (const Mechanism& one : mechanisms) {
        if (one.name == name) return &one;
    }
    return nullptr;
}

std::string_view mechanism_name(std::int8_t id) {
    for (const Mechanism& one : mechanisms) {
        if (one.id == id) return one.name;
    }
    return "UNKNOWN";
}

using Upsertion = AlterUserScramCredentialsRequest::ScramCredentialUpsertion;

Result<Upsertion> upsertion(const std::string& user, const config::Property& property,
                            Random& random) {
    const Mechanism& mechanism = *find_mechanism(property.key);
    std::string_view text = property.value;
    std::int32_t iterations = least_iterations;
    auto broken = [&] {
        return misuse(fmt::format("{} has to be [iterations=N,password=TEXT]", property.key));
    };
    if (text.starts_with("iterations=")) {
        std::size_t comma = text.find(',');
        if (comma == std::string_view::npos) return broken();
        std::string_view digits = text.substr(11, comma - 11);
        if (digits != "-1") {
            auto number = parse_int32(digits);
            if (!number) return broken();
            iterations = *number;
        }
        text.remove_prefix(comma + 1);
    }
    if (!text.starts_with("password=")) return broken();
    text.remove_prefix(9);
    if (iterations < least_iterations) {
        return misuse(fmt::format("Iterations {} is less than the minimum {} required for {}",
                                  iterations, least_iterations, property.key));
    }
    Buffer salt(salt_size);
    while (salt.size() < salt_size) salt.push_back(static_cast<std::uint8_t>(random.next()));
    Buffer salted;
    salted.resize(mechanism.hash_size);
    int hashed = PKCS5_PBKDF2_HMAC(text.data(), static_cast<int>(text.size()), salt.data(),
                                   static_cast<int>(salt.size()), iterations, mechanism.hash(),
                                   static_cast<int>(salted.size()), salted.data());
    if (hashed != 1) return fail(ErrorCode::unknown_server_error, "the password cannot be hashed");
    return Upsertion{user, mechanism.id, iterations, std::move(salt).freeze(),
                     std::move(salted).freeze()};
}

Task<Result<std::vector<ScramUser>>> describe_once(
    client::Admin& admin, const DescribeUserScramCredentialsRequest& request) {
    ASSIGN_OR_CO_RETURN(auto broker, co_await admin.cluster().any());
    ASSIGN_OR_CO_RETURN(auto reply, co_await broker->call(request));
    auto& response = reply.response;
    if (response.error_code != ErrorCode::none) {
        co_return fail(response.error_code,
                       response.error_message.value_or(std::string(name_of(response.error_code))));
    }
    std::vector<ScramUser> users;
    for (auto& result : response.results) {
        ScramUser user{.name = std::move(result.user), .credentials = {}};
        if (result.error_code == ErrorCode::resource_not_found) continue;
        if (result.error_code != ErrorCode::none) {
            user.credentials =
                fail(result.error_code,
                     result.error_message.value_or(std::string(name_of(result.error_code))));
        } else {
            for (const auto& info : result.credential_infos) {
                user.credentials->push_back({mechanism_name(info.mechanism), info.iterations});
            }
        }
        users.push_back(std::move(user));
    }
    co_return users;
}

Task<Result<>> alter_once(client::Admin& admin, const AlterUserScramCredentialsRequest& request) {
    ASSIGN_OR_CO_RETURN(auto controller, co_await admin.cluster().controller());
    ASSIGN_OR_CO_RETURN(auto reply, co_await controller->call(request));
    for (auto& result : reply.response.results) {
        if (result.error_code == ErrorCode::none) continue;
        co_return fail(result.error_code,
                       result.error_message.value_or(std::string(name_of(result.error_code))));
    }
    co_return Result<>();
}

}  // namespace

bool is_scram_mechanism(std::string_view key) { return find_mechanism(key) != nullptr; }

Task<Result<std::vector<ScramUser>>> describe_scram(client::Admin& admin,
                                                    std::vector<std::string> users) {
    DescribeUserScramCredentialsRequest request;
    if (users.empty()) request.users.reset();
    for (std::string& user : users) request.users->push_back({std::move(user)});
    auto once = [&] { return describe_once(admin, request); };
    co_return co_await client::with_retries(admin.cluster(), "describing SCRAM credentials",
                                            admin.deadline(), once);
}

Task<Result<>> alter_scram(client::Admin& admin, std::string user,
                           std::vector<config::Property> set, std::vector<std::string> removed) {
    AlterUserScramCredentialsRequest request;
    for (const std::string& name : removed) {
        request.deletions.push_back({user, find_mechanism(name)->id});
    }
    for (const config::Property& property : set) {
        ASSIGN_OR_CO_RETURN(Upsertion one, upsertion(user, property, admin.shard().random()));
        request.upsertions.push_back(std::move(one));
    }
    auto once = [&] { return alter_once(admin, request); };
    co_return co_await client::with_retries(admin.cluster(), "altering SCRAM credentials",
                                            admin.deadline(), once);
}

}  // namespace millrace::cli
