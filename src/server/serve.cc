#include <CLI/CLI.hpp>
#include <algorithm>

#include "server/arguments.h"
#include "server/commands.h"
#include "server/run_node.h"
#include "server/version.h"

namespace millrace::server {

int serve(std::span<const std::string> arguments) {
    std::string file;
    std::vector<std::string> assignments;
    CLI::App app("Runs a node in the foreground, until SIGTERM.", "millrace server");
    app.add_option("FILE", file, "Configuration, as Kafka's server.properties")->required();
    app.add_option("--override", assignments, "KEY=VALUE in place of the file's; may be repeated")
        ->expected(1)
        ->take_all();
    app.set_version_flag("--version", std::string(version));
    try {
        std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
        app.parse(std::move(reversed));
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? done : failed;
    }

    std::vector<config::Property> overrides;
    for (const std::string& each : assignments) {
        Result<config::Property> parsed = config::parse_assignment(each);
        if (!parsed) return complain("server", "--override " + parsed.error().message);
        overrides.push_back(*std::move(parsed));
    }
    Result<config::BrokerConfig> config = read_config(file, overrides);
    if (!config) return complain("server", config.error().message);
    return run_node(*config);
}

}  // namespace millrace::server
