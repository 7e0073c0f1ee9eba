// AlterUserScramCredentials (key 51): sets and removes what servers know of users' passwords
// (KIP-554).

#include "protocol/alter_user_scram_credentials.h"

#include <set>

#include "broker/controllers.h"
#include "broker/handler.h"
#include "broker/handlers.h"
#include "core/controller/alter_scram.h"

namespace millrace::broker {
namespace {

AlterUserScramCredentialsResponse refused(const AlterUserScramCredentialsRequest& request,
                                          const Error& error) {
    std::set<std::string> users;
    for (const auto& each : request.deletions) users.insert(each.name);
    for (const auto& each : request.upsertions) users.insert(each.name);
    AlterUserScramCredentialsResponse response;
    for (const std::string& user : users) {
        auto& result = response.results.emplace_back();
        result.user = user;
        result.error_code = error.code;
        result.error_message = error.message;
    }
    return response;
}

Task<AlterUserScramCredentialsResponse> answer(const AlterUserScramCredentialsRequest& request,
                                               const Caller& caller, Controllers& controllers) {
    controller::AlterScramCredentials command{.request = request};
    auto decided = co_await controllers.submit(std::move(command), caller);
    co_return decided ? *std::move(decided) : refused(request, decided.error());
}

}  // namespace

constinit const Handler handlers::alter_user_scram_credentials = serve<answer>;

}  // namespace millrace::broker
