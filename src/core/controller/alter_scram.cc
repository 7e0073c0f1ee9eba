#include "core/controller/alter_scram.h"

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/controller/scram_keys.h"
#include "core/controller/state.h"
#include "core/controller/too_large.h"

namespace millrace::controller {
namespace {

using Deletion = AlterUserScramCredentialsRequest::ScramCredentialDeletion;
using Upsertion = AlterUserScramCredentialsRequest::ScramCredentialUpsertion;

Result<> check_name(const std::string& user, std::int8_t mechanism) {
    if (user.empty()) return fail(ErrorCode::unacceptable_credential, "Username must not be empty");
    if (find_scram_mechanism(mechanism) == nullptr)
        return fail(ErrorCode::unsupported_sasl_mechanism, "Unknown SCRAM mechanism");
    return {};
}

Result<> check_version(const State& state) {
    if (state.metadata_version().supports_scram()) return {};
    return fail(ErrorCode::unsupported_version,
                "The current metadata.version does not support SCRAM");
}

Result<> check(const Deletion& deletion, const State& state) {
    RETURN_IF_ERROR(check_version(state));
    RETURN_IF_ERROR(check_name(deletion.name, deletion.mechanism));
    metadata::ScramUser user{deletion.mechanism, deletion.name};
    if (state.image().scram.find(user) == nullptr) {
        return fail(ErrorCode::resource_not_found,
                    "Attempt to delete a user credential that does not exist");
    }
    return {};
}

Result<> check(const Upsertion& upsertion, const State& state) {
    RETURN_IF_ERROR(check_version(state));
    RETURN_IF_ERROR(check_name(upsertion.name, upsertion.mechanism));
    if (upsertion.iterations < find_scram_mechanism(upsertion.mechanism)->min_iterations)
        return fail(ErrorCode::unacceptable_credential, "Too few iterations");
    if (upsertion.iterations > max_scram_iterations)
        return fail(ErrorCode::unacceptable_credential, "Too many iterations");
    return {};
}

metadata::VersionedRecord record_of(const Deletion& deletion) {
    RemoveUserScramCredentialRecord record;
    record.name = deletion.name;
    record.mechanism = deletion.mechanism;
    return {std::move(record), 0};
}

metadata::VersionedRecord record_of(const Upsertion& upsertion) {
    ScramKeys keys =
        scram_keys(*find_scram_mechanism(upsertion.mechanism), upsertion.salted_password.bytes());
    UserScramCredentialRecord record;
    record.name = upsertion.name;
    record.mechanism = upsertion.mechanism;
    record.salt = upsertion.salt;
    record.stored_key = std::move(keys.stored_key);
    record.server_key = std::move(keys.server_key);
    record.iterations = upsertion.iterations;
    return {std::move(record), 0};
}

// What became of each user, in the order the request names them.
class Outcomes {
  public:
    // Whether the alteration is the user's first and may be made.
    void note(const std::string& user, Result<> checked) {
        auto [at, is_first] = of_.try_emplace(user, std::move(checked));
        if (is_first) {
            order_.push_back(user);
        } else if (at->second) {
            at->second = fail(ErrorCode::duplicate_resource,
                              "A user credential cannot be altered twice in the same request");
        }
    }
    void refuse(const std::string& user, ErrorCode code) { of_.at(user) = fail(code); }
    bool succeeded(const std::string& user) const { return of_.at(user).has_value(); }
    AlterUserScramCredentialsResponse response() const {
        AlterUserScramCredentialsResponse response;
        for (const std::string& user : order_) {
            auto& result = response.results.emplace_back();
            result.user = user;
            result.error_message = std::nullopt;
            const Result<>& outcome = of_.at(user);
            if (outcome) continue;
            result.error_code = outcome.error().code;
            if (!outcome.error().message.empty()) result.error_message = outcome.error().message;
        }
        return response;
    }

  private:
    std::map<std::string, Result<>> of_;
    std::vector<std::string> order_;
};

}  // namespace

Decision<AlterUserScramCredentialsResponse> decide(const AlterScramCredentials& command,
                                                   const State& state, Inputs) {
    const AlterUserScramCredentialsRequest& request = command.request;
    Outcomes outcomes;
    for (const Deletion& each : request.deletions) outcomes.note(each.name, check(each, state));
    for (const Upsertion& each : request.upsertions) outcomes.note(each.name, check(each, state));

    Decision<AlterUserScramCredentialsResponse> decision;
    for (const Deletion& each : request.deletions) {
        if (outcomes.succeeded(each.name)) decision.records.push_back(record_of(each));
    }
    for (const Upsertion& each : request.upsertions) {
        if (!outcomes.succeeded(each.name)) continue;
        // As Apache, whose cryptography has no empty keys.
        if (each.salted_password.empty()) {
            outcomes.refuse(each.name, ErrorCode::unknown_server_error);
        } else {
            decision.records.push_back(record_of(each));
        }
    }
    decision.response = outcomes.response();
    refuse_if_too_large(decision, decision.response.results);
    return decision;
}

}  // namespace millrace::controller
