// millrace quickstart: a node with few questions. What it does not ask for it decides: both roles,
// a cluster of its own, formatted where it is not yet.

#include <CLI/CLI.hpp>
#include <fmt/core.h>

#include "base/random.h"
#include "base/uuid.h"
#include "env/posix/disk.h"
#include "env/posix/world.h"
#include "quorum/format.h"
#include "server/arguments.h"
#include "server/commands.h"
#include "server/run_node.h"

namespace millrace::server {
namespace {

struct Wanted {
    std::string data = "./data";
    std::string listen = "127.0.0.1:9092";
    std::string config_file;
};

Result<config::BrokerConfig> configured(const Wanted& wanted) {
    if (!wanted.config_file.empty()) return read_config(wanted.config_file);
    Result<config::HostPort> address = config::parse_host_port(wanted.listen, true);
    if (!address) return fail(address.error().code, "--listen: " + address.error().message);
    config::Properties file;
    auto set = [&](std::string key, std::string value) {
        file.set(std::move(key), std::move(value));
    };
    // The controller is heard next to the clients' port, by this machine alone.
    int controller_port = address->port == 0       ? 0
                          : address->port == 65535 ? 65534
                                                   : address->port + 1;
    std::string controller = fmt::format("127.0.0.1:{}", controller_port);
    set("process.roles", "broker,controller");
    set("node.id", "1");
    set("listeners",
        fmt::format("PLAINTEXT://{},CONTROLLER://{}", to_string(*address), controller));
    set("controller.listener.names", "CONTROLLER");
    set("controller.quorum.bootstrap.servers", controller);
    set("log.dirs", wanted.data);
    // The defaults ask for three brokers.
    for (const char* key :
         {"offsets.topic.replication.factor", "transaction.state.log.replication.factor",
          "transaction.state.log.min.isr", "share.coordinator.state.topic.replication.factor",
          "share.coordinator.state.topic.min.isr"}) {
        set(key, "1");
    }
    set("group.initial.rebalance.delay.ms", "0");
    return config::BrokerConfig::parse(file);
}

Result<> format_where_needed(env::Shard& shard, const config::BrokerConfig& config) {
    quorum::FormatCommand command{.cluster_id = Uuid::random(shard.random()).to_string(),
                                  .standalone = config.static_voters().empty(),
                                  .ignore_formatted = true};
    for (const std::string& directory : config.log_directories()) {
        std::string meta = directory + "/meta.properties";
        if (!shard.disk().exists(meta)) continue;
        // One is there: the others join its cluster.
        ASSIGN_OR_RETURN(std::string text, env::read_file(shard.disk(), meta));
        ASSIGN_OR_RETURN(auto properties, storage::MetaProperties::parse(text, meta));
        if (properties.cluster_id) command.cluster_id = *properties.cluster_id;
    }
    ASSIGN_OR_RETURN(std::string told, quorum::format(shard.disk(), config, command, shard.random(),
                                                      shard.wall_ms()));
    return {};
}

void greet(const Process& process) {
    std::string address = "127.0.0.1:9092";
    for (const auto& listener : process.broker().listeners()) {
        if (!listener->is_controller) address = listener->advertised.to_string();
    }
    fmt::print(
        "Millrace is listening on {}.\n"
        "Try:  echo hello | kcat -b {} -P -t hello && kcat -b {} -C -t hello -e\n"
        "Ctrl-C stops it.\n",
        address, address, address);
    std::fflush(stdout);
}

}  // namespace

int quickstart(std::span<const std::string> arguments) {
    Wanted wanted;
    CLI::App app("Formats storage where needed, and runs a node.", "millrace quickstart");
    auto* data =
        app.add_option("--data", wanted.data, "Where it keeps its data")->capture_default_str();
    auto* listen =
        app.add_option("--listen", wanted.listen, "HOST:PORT for clients")->capture_default_str();
    app.add_option("--config", wanted.config_file, "A server.properties in place of these")
        ->excludes(data)
        ->excludes(listen);
    try {
        app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? done : failed;
    }

    Result<config::BrokerConfig> config = configured(wanted);
    if (!config) return complain("quickstart", config.error().message);
    Result<> formatted;
    {
        env::posix::World world({.shards = 1, .helper_threads = 1, .timestamp_log = false});
        world.run([&](env::Shard& shard) -> Task<int> {
            formatted = format_where_needed(shard, *config);
            co_return done;
        });
    }
    if (!formatted) return complain("quickstart", formatted.error().message);
    return run_node(*config, greet);
}

}  // namespace millrace::server
