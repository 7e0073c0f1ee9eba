#include "server/live_metadata.h"

#include <fmt/format.h>
#include <utility>

#include "client/admin_cluster.h"
#include "client/client_config.h"
#include "config/properties.h"
#include "env/shard.h"

namespace millrace::server {
namespace {

// Whoever names a broker for a controller, or the other way round, is told the flag for it.
Error with_hint(Error error, std::string_view flag) {
    if (error.code == ErrorCode::mismatched_endpoint_type)
        error.message += fmt::format(" Use {} for it.", flag);
    return error;
}

struct Controllers {
    std::string addresses;
    std::string cluster_id;
};

Task<Result<Controllers>> ask_brokers(client::Admin& admin) {
    Controllers found;
    ASSIGN_OR_CO_RETURN(auto cluster, co_await client::describe_cluster(admin));
    found.cluster_id = cluster.cluster_id;
    ASSIGN_OR_CO_RETURN(auto quorum, co_await client::describe_metadata_quorum(admin));
    for (const auto& [id, listeners] : quorum.nodes) {
        if (listeners.empty()) continue;
        found.addresses += fmt::format("{}{}", found.addresses.empty() ? "" : ",",
                                       listeners.front().address.to_string());
    }
    if (!found.addresses.empty()) co_return found;
    co_return fail(ErrorCode::unsupported_version,
                   "the brokers do not tell where their controllers are: name these with "
                   "--bootstrap-controller");
}

Task<Result<Controllers>> find_controllers(env::Shard& shard, const client::AdminConfig& config) {
    client::Admin admin(shard, config);
    Result<Controllers> found = co_await ask_brokers(admin);
    co_await admin.close();
    if (!found) co_return fail(with_hint(found.error(), "--bootstrap-controller"));
    co_return found;
}

}  // namespace

Task<Result<std::unique_ptr<LiveMetadata>>> LiveMetadata::open(env::Shard& shard,
                                                               LiveAddress address) {
    config::Properties file;
    if (!address.command_config.empty()) {
        ASSIGN_OR_CO_RETURN(file, client::read_properties(shard, address.command_config));
    }
    std::optional<std::string> cluster_id;
    if (!address.cluster_id.empty()) cluster_id = address.cluster_id;
    if (!address.bootstrap_server.empty()) {
        ASSIGN_OR_CO_RETURN(auto brokers,
                            client::AdminConfig::parse(
                                file.all(), {"bootstrap.servers", address.bootstrap_server}));
        ASSIGN_OR_CO_RETURN(Controllers found, co_await find_controllers(shard, brokers));
        address.bootstrap_controller = found.addresses;
        if (!cluster_id) cluster_id = found.cluster_id;
    }
    ASSIGN_OR_CO_RETURN(auto config,
                        client::AdminConfig::parse(
                            file.all(), {"bootstrap.controllers", address.bootstrap_controller}));
    co_return std::make_unique<LiveMetadata>(shard, config, std::move(cluster_id));
}

Task<Result<ShellSource>> LiveMetadata::read() {
    if (Result<> read = co_await observer_.catch_up(admin_.timeout()); !read)
        co_return fail(with_hint(read.error(), "--bootstrap-server"));
    co_return ShellSource{observer_.image(), observer_.provenance(), nullptr};
}

}  // namespace millrace::server
