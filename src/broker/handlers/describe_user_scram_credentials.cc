// DescribeUserScramCredentials (key 50): the mechanisms and iterations of users' SCRAM credentials
// (KIP-554). No users mean all users.

#include "protocol/describe_user_scram_credentials.h"

#include <map>

#include "broker/handler.h"
#include "broker/handlers.h"
#include "broker/metadata_cache.h"
#include "core/controller/scram_keys.h"

namespace millrace::broker {
namespace {

using Told = DescribeUserScramCredentialsResponse::DescribeUserScramCredentialsResult;

Told describe(const std::string& user, bool twice, const metadata::Image& image) {
    Told told;
    told.user = user;
    if (twice) {
        told.error_code = ErrorCode::duplicate_resource;
        told.error_message =
            "Cannot describe SCRAM credentials for the same user twice in a single request: " +
            user;
        return told;
    }
    for (const controller::ScramMechanism& mechanism : controller::scram_mechanisms()) {
        const auto* credential = image.scram.find(metadata::ScramUser{mechanism.code, user});
        if (credential == nullptr) continue;
        auto& info = told.credential_infos.emplace_back();
        info.mechanism = mechanism.code;
        info.iterations = credential->iterations;
    }
    if (told.credential_infos.empty()) {
        told.error_code = ErrorCode::resource_not_found;
        told.error_message = "Attempt to describe a user credential that does not exist: " + user;
    }
    return told;
}

Task<DescribeUserScramCredentialsResponse> answer(
    const DescribeUserScramCredentialsRequest& request, const Caller&, MetadataCache& cache) {
    metadata::ImagePtr image = cache.image();
    std::map<std::string, bool> users;  // and whether they are named twice
    if (!request.users || request.users->empty()) {
        for (const auto& [user, credential] : image->scram) users[user.name] = false;
    } else {
        for (const auto& user : *request.users) {
            auto [at, is_first] = users.try_emplace(user.name, false);
            if (!is_first) at->second = true;
        }
    }
    DescribeUserScramCredentialsResponse response;
    for (const auto& [user, twice] : users)
        response.results.push_back(describe(user, twice, *image));
    co_return response;
}

}  // namespace

constinit const Handler handlers::describe_user_scram_credentials = serve<answer>;

}  // namespace millrace::broker
