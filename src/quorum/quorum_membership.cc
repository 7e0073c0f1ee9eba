#include "quorum/quorum_membership.h"

#include <fmt/format.h>
#include <utility>

namespace millrace::quorum {
namespace {

std::string host_of(const config::Endpoint& endpoint, const raft::Voter* known) {
    if (!endpoint.host.empty()) return endpoint.host;
    if (known != nullptr) {
        for (const raft::Endpoint& each : known->endpoints) {
            if (each.listener == endpoint.listener) return each.host;
        }
    }
    return "localhost";  // as format has it
}

std::string to_string(const raft::VoterSet& voters) {
    std::string text;
    for (const raft::Voter& voter : voters.voters())
        text += fmt::format("{}{}", text.empty() ? "" : ", ", raft::to_string(voter.key));
    return text;
}

}  // namespace

raft::VoterSet static_voters(const config::BrokerConfig& config) {
    std::vector<raft::Voter> voters;
    for (const config::Voter& each : config.static_voters()) {
        raft::Voter voter;
        voter.key.id = each.id;
        voter.endpoints.push_back(
            {config.controller_listener(), each.address.host, each.address.port});
        voters.push_back(std::move(voter));
    }
    return raft::VoterSet(std::move(voters));
}

raft::Options raft_options(const config::BrokerConfig& config, const raft::ReplicaKey& self,
                           const raft::VoterSet& voters) {
    auto ms = [](std::int64_t count) { return Duration::milliseconds(count); };
    raft::Options options;
    options.self = self;
    for (const config::Endpoint& each : config.advertised_controller_endpoints()) {
        options.endpoints.push_back(
            {each.listener, host_of(each, voters.find(self.id)), each.port});
    }
    for (const config::HostPort& each : config.controller_bootstrap())
        options.bootstrap.push_back({config.controller_listener(), each.host, each.port});
    options.election_timeout = ms(config.controller_quorum_election_timeout_ms());
    options.election_backoff_max = ms(config.controller_quorum_election_backoff_max_ms());
    options.fetch_timeout = ms(config.controller_quorum_fetch_timeout_ms());
    options.request_timeout = ms(config.controller_quorum_request_timeout_ms());
    options.retry_backoff = ms(config.controller_quorum_retry_backoff_ms());
    return options;
}

Result<> check_role(const config::BrokerConfig& config) {
    if (config.is_controller()) return {};
    return fail(ErrorCode::invalid_config,
                "process.roles=broker: a node of this version follows the metadata log only as its "
                "controller. Set process.roles=broker,controller and run one node");
}

Result<> check_voters(const raft::VoterSet& voters, const raft::ReplicaKey& self,
                      const std::string& directory) {
    if (voters.empty()) {
        return fail(ErrorCode::invalid_config,
                    fmt::format("Neither controller.quorum.voters nor the metadata log in {} names "
                                "a voter. Format the directory with --standalone, or set "
                                "controller.quorum.voters={}@HOST:PORT",
                                directory, self.id));
    }
    if (voters.size() > 1) {
        return fail(ErrorCode::invalid_config,
                    fmt::format("The quorum has {} voters ({}), from controller.quorum.voters or "
                                "the metadata log in {}: a node of this version cannot connect to "
                                "other controllers. Run one controller: set "
                                "controller.quorum.voters={}@HOST:PORT, or format a new directory "
                                "with --standalone",
                                voters.size(), to_string(voters), directory, self.id));
    }
    if (voters.contains(self)) return {};
    return fail(ErrorCode::invalid_config,
                fmt::format("The only voter of the quorum is {}, from controller.quorum.voters or "
                            "the metadata log in {}, and this node is {}: node.id or the "
                            "directory.id in meta.properties is another node's. Correct node.id or "
                            "controller.quorum.voters, or bring back the directory's own "
                            "meta.properties",
                            to_string(voters), directory, raft::to_string(self)));
}

}  // namespace millrace::quorum
