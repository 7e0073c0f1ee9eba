#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/core.h>

#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/connect.h"
#include "cli/output.h"
#include "client/admin_cluster.h"
#include "protocol/api.h"

namespace millrace::cli {

namespace {

namespace json = boost::json;

constexpr Flag flags[] = {bootstrap_server().required(), command_config()};

std::int16_t newest_here(const ApiInfo& api) {
    return static_cast<std::int16_t>(api.max_version + (api.latest_unstable ? 1 : 0));
}

// "Fetch(1): 4 to 18 [usable: 18]"
std::string describe(const client::ApiVersionRange& range) {
    const ApiInfo* api = find_api(range.key);
    std::string out =
        fmt::format("{}({}): {}", api == nullptr ? "UNKNOWN" : api->name, range.key, range.min);
    if (range.max != range.min) out += fmt::format(" to {}", range.max);
    if (api == nullptr) return out;
    if (newest_here(*api) < range.min) return out + " [unusable: node too new]";
    if (range.max < api->min_version) return out + " [unusable: node too old]";
    return out + fmt::format(" [usable: {}]", std::min(newest_here(*api), range.max));
}

void print(const client::BrokerVersions& broker, Output& output) {
    const auto& node = broker.node;
    output.print("{}:{} (id: {} rack: {} isFenced: {}) -> ", node.address.host, node.address.port,
                 node.id, node.rack.value_or("null"), node.fenced);
    if (!broker.apis) {
        output.line("ERROR: {}", broker.apis.error().message);
        return;
    }
    std::map<std::int16_t, std::string> lines;
    for (const auto& range : *broker.apis) lines[range.key] = describe(range);
    for (const ApiInfo& api : all_apis()) {
        auto key = static_cast<std::int16_t>(api.key);
        if (api.on_broker) {
            lines.try_emplace(key, fmt::format("{}({}): UNSUPPORTED", api.name, key));
        }
    }
    output.write("(");
    const char* separator = "\n\t";
    for (const auto& [key, line] : lines) {
        output.print("{}{}", separator, line);
        separator = ",\n\t";
    }
    output.write("\n)\n");
}

json::object to_json(const client::BrokerVersions& broker) {
    json::object out{{"broker", broker.node.id},
                     {"host", broker.node.address.host},
                     {"port", broker.node.address.port}};
    if (!broker.apis) {
        out["error"] = broker.apis.error().message;
        return out;
    }
    json::array apis;
    for (const auto& range : *broker.apis) {
        const ApiInfo* api = find_api(range.key);
        json::object one{{"key", range.key},
                         {"name", api == nullptr ? json::value(nullptr) : json::value(api->name)},
                         {"min_version", range.min},
                         {"max_version", range.max}};
        bool usable =
            api != nullptr && newest_here(*api) >= range.min && range.max >= api->min_version;
        one["usable_version"] =
            usable ? json::value(std::min(newest_here(*api), range.max)) : json::value(nullptr);
        apis.push_back(std::move(one));
    }
    out["apis"] = std::move(apis);
    return out;
}

Task<Result<>> list(client::Admin& admin, const Arguments& arguments, Output& output) {
    ASSIGN_OR_CO_RETURN(auto brokers, co_await client::broker_api_versions(admin));
    json::array documents;
    for (const auto& broker : brokers) {
        if (arguments.as_json()) {
            documents.push_back(to_json(broker));
        } else {
            print(broker, output);
        }
    }
    if (arguments.as_json()) output.json(json::object{{"brokers", std::move(documents)}});
    co_return Result<>();
}

Task<int> run(env::Shard& shard, const Arguments& arguments, Output& output) {
    co_return co_await run_with_admin(shard, arguments, output, list);
}

}  // namespace

const Command tools::broker_api_versions{
    .name = "broker-api-versions",
    .kafka_name = "kafka-broker-api-versions",
    .summary = "list the APIs of each broker with their versions",
    .flags = flags,
    .run = run,
};

}  // namespace millrace::cli
