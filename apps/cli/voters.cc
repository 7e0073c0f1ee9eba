#include "cli/voters.h"

#include <algorithm>
#include <fmt/core.h>
#include <map>

#include "cli/arguments.h"
#include "cli/connect.h"
#include "client/client_config.h"
#include "client/retry.h"
#include "config/endpoints.h"
#include "config/text.h"
#include "protocol/add_raft_voter.h"
#include "protocol/remove_raft_voter.h"

namespace millrace::cli {

namespace {

constexpr std::string_view is_it_a_controllers = "is this the configuration file of a controller?";

Result<std::int32_t> node_id(const config::Properties& node) {
    const auto* id = node.find("node.id");
    if (id == nullptr) {
        return misuse(fmt::format("node.id is not set: {}", is_it_a_controllers));
    }
    auto number = parse_int32(config::trim(id->value));
    if (!number || *number < 0) {
        return misuse(fmt::format("node.id '{}' is no id: {}", id->value, is_it_a_controllers));
    }
    if (node.get("process.roles").find("controller") == std::string_view::npos) {
        return misuse(
            fmt::format("process.roles does not contain 'controller': {}", is_it_a_controllers));
    }
    return *number;
}

Result<Uuid> directory_id(env::Shard& shard, const config::Properties& node) {
    std::string_view directory = node.get("metadata.log.dir");
    if (directory.empty()) {
        auto directories = split(node.get("log.dirs"), ',');
        if (!directories.empty()) directory = config::trim(directories.front());
    }
    if (directory.empty()) {
        return misuse(
            fmt::format("neither metadata.log.dir nor log.dirs is set: {}", is_it_a_controllers));
    }
    std::string path = fmt::format("{}/meta.properties", directory);
    ASSIGN_OR_RETURN(auto meta, client::read_properties(shard, path));
    std::string_view id = meta.get("directory.id");
    if (id.empty()) return misuse(fmt::format("{} has no directory.id", path));
    return Uuid::parse(id);
}

Result<std::vector<client::QuorumListener>> listeners(const config::Properties& node) {
    std::map<std::string, env::Address, std::less<>> by_name;
    for (std::string_view key : {"listeners", "advertised.listeners"}) {
        for (std::string_view word : split(node.get(key), ',')) {
            std::string_view text = config::trim(word);
            std::size_t at = text.find("://");
            if (at == std::string_view::npos) {
                return misuse(fmt::format("{}: '{}' is not NAME://HOST:PORT", key, text));
            }
            ASSIGN_OR_RETURN(auto address, config::parse_host_port(text.substr(at + 3), true));
            by_name[config::upper_case(text.substr(0, at))] = {address.host, address.port};
        }
    }
    std::vector<client::QuorumListener> found;
    auto names = split(node.get("controller.listener.names"), ',');
    if (names.empty()) {
        return misuse(fmt::format("controller.listener.names is not set: {}", is_it_a_controllers));
    }
    for (std::string_view word : names) {
        std::string name = config::upper_case(config::trim(word));
        auto at = by_name.find(name);
        if (at == by_name.end()) {
            return misuse(
                fmt::format("the controller listener {} is none of listeners and "
                            "advertised.listeners",
                            name));
        }
        env::Address address = at->second;
        if (address.host.empty()) address.host = "localhost";
        found.push_back({name, std::move(address)});
    }
    return found;
}

template <typename Request>
Task<Result<>> ask(client::Admin& admin, const Request& request) {
    ASSIGN_OR_CO_RETURN(auto controller, co_await admin.cluster().controller());
    ASSIGN_OR_CO_RETURN(auto reply, co_await controller->call(request));
    ErrorCode code = reply.response.error_code;
    if (code == ErrorCode::none) co_return Result<>();
    co_return fail(code, reply.response.error_message.value_or(std::string(name_of(code))));
}

}  // namespace

std::string endpoint_text(const client::QuorumListener& listener) {
    return fmt::format("{}://{}", listener.name, listener.address.to_string());
}

Result<Voter> read_voter(env::Shard& shard, const config::Properties& node) {
    Voter voter;
    ASSIGN_OR_RETURN(voter.id, node_id(node));
    ASSIGN_OR_RETURN(voter.directory_id, directory_id(shard, node));
    ASSIGN_OR_RETURN(voter.listeners, listeners(node));
    return voter;
}

Task<Result<>> add_voter(client::Admin& admin, Voter voter) {
    AddRaftVoterRequest request;
    request.cluster_id.reset();
    request.timeout_ms = static_cast<std::int32_t>(admin.timeout().ms());
    request.voter_id = voter.id;
    request.voter_directory_id = voter.directory_id;
    for (const auto& listener : voter.listeners) {
        request.listeners.push_back({listener.name, listener.address.host, listener.address.port});
    }
    auto once = [&] { return ask(admin, request); };
    co_return co_await client::with_retries(admin.cluster(), "adding a voter", admin.deadline(),
                                            once);
}

Task<Result<>> remove_voter(client::Admin& admin, std::int32_t id, Uuid directory_id) {
    RemoveRaftVoterRequest request;
    request.cluster_id.reset();
    request.voter_id = id;
    request.voter_directory_id = directory_id;
    auto once = [&] { return ask(admin, request); };
    co_return co_await client::with_retries(admin.cluster(), "removing a voter", admin.deadline(),
                                            once);
}

}  // namespace millrace::cli
