#include "quorum/quorum_membership.h"

#include <algorithm>
#include <fmt/format.h>
#include <utility>

namespace millrace::quorum {
namespace {

std::string host_of(const config::Endpoint& endpoint, const raft::Voter* known,
                    const std::string& host_name) {
    if (!endpoint.host.empty()) return endpoint.host;
    if (known != nullptr) {
        for (const raft::Endpoint& each : known->endpoints) {
            if (each.listener == endpoint.listener) return each.host;
        }
    }
    return host_name;
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
                           const raft::VoterSet& voters, const std::string& host_name) {
    auto ms = [](std::int64_t count) { return Duration::milliseconds(count); };
    raft::Options options;
    options.self = self;
    for (const config::Endpoint& each : config.advertised_controller_endpoints()) {
        options.endpoints.push_back(
            {each.listener, host_of(each, voters.find(self.id), host_name), each.port});
    }
    for (const config::HostPort& each : config.controller_bootstrap())
        options.bootstrap.push_back({config.controller_listener(), each.host, each.port});
    options.election_timeout = ms(config.controller_quorum_election_timeout_ms());
    options.election_backoff_max = ms(config.controller_quorum_election_backoff_max_ms());
    options.fetch_timeout = ms(config.controller_quorum_fetch_timeout_ms());
    options.request_timeout = ms(config.controller_quorum_request_timeout_ms());
    options.retry_backoff = ms(config.controller_quorum_retry_backoff_ms());
    options.auto_join = config.controller_quorum_auto_join_enable();
    return options;
}

Result<> check_voters(const config::BrokerConfig& config, const raft::VoterSet& voters,
                      const raft::ReplicaKey& self, const std::string& directory) {
    auto is_own = [&](const auto& address) {
        return std::ranges::any_of(config.advertised_controller_endpoints(), [&](const auto& own) {
            return own.host == address.host && own.port == address.port;
        });
    };
    if (voters.empty() && std::ranges::all_of(config.controller_bootstrap(), is_own)) {
        return fail(ErrorCode::invalid_config,
                    fmt::format("Neither controller.quorum.voters nor the metadata log in {} names "
                                "a voter, and controller.quorum.bootstrap.servers names no other "
                                "controller. Format the directory with --standalone, or set "
                                "controller.quorum.voters={}@HOST:PORT",
                                directory, self.id));
    }
    if (voters.size() != 1 || !config.is_controller() || voters.contains(self)) return {};
    const raft::Voter& only = voters.voters().front();
    if (only.key.id != self.id && std::ranges::none_of(only.endpoints, is_own)) return {};
    return fail(ErrorCode::invalid_config,
                fmt::format("The only voter of the quorum is {}, from the metadata log in {}, and "
                            "this node is {}: node.id or the directory.id in meta.properties is "
                            "another node's. Correct node.id, or bring back the directory's own "
                            "meta.properties",
                            raft::to_string(only.key), directory, raft::to_string(self)));
}

}  // namespace millrace::quorum
