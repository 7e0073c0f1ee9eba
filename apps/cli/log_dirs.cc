#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>
#include <set>

#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/connect.h"
#include "cli/output.h"
#include "client/admin_cluster.h"

namespace millrace::cli {

namespace {

namespace json = boost::json;

constexpr Flag flags[] = {
    bootstrap_server().required(),
    command_config(),
    on_off("describe", "tell what is in log directories").required(),
    value("topic-list", "TOPIC,…", "these topics alone"),
    value("broker-list", "ID,…", "these brokers alone"),
};

using Directories = std::map<std::string, client::LogDirDescription>;

// Kafka's tool names the class of the error; of a directory there is this one.
std::string error_name(const Error& error) {
    if (error.code != ErrorCode::kafka_storage_error) return error.message;
    return "org.apache.kafka.common.errors.KafkaStorageException";
}

// Names and order of the members are those that Kafka's tool has.
json::object to_json(const std::string& path, const client::LogDirDescription& directory,
                     const std::set<std::string, std::less<>>& topics) {
    json::array partitions;
    for (const auto& [partition, replica] : directory.replicas) {
        if (!topics.empty() && !topics.contains(partition.topic)) continue;
        partitions.push_back(json::object{{"partition", to_string(partition)},
                                          {"size", replica.bytes},
                                          {"offsetLag", replica.lag},
                                          {"isFuture", replica.future}});
    }
    json::value error = nullptr;
    if (!directory.status) error = error_name(directory.status.error());
    return {{"partitions", std::move(partitions)}, {"error", error}, {"logDir", path}};
}

Task<Result<std::vector<std::int32_t>>> choose_brokers(client::Admin& admin,
                                                       const Arguments& arguments) {
    ASSIGN_OR_CO_RETURN(auto cluster, co_await client::describe_cluster(admin));
    std::set<std::int32_t> there;
    for (const auto& node : cluster.nodes) there.insert(node.id);
    std::set<std::int32_t> wanted;
    std::set<std::int32_t> missing;
    for (std::string_view word : split(arguments.text("broker-list"), ',')) {
        auto id = parse_int32(word);
        if (!id) co_return misuse(fmt::format("--broker-list: '{}' is no broker's id", word));
        (there.contains(*id) ? wanted : missing).insert(*id);
    }
    if (!missing.empty()) {
        co_return fail(ErrorCode::broker_not_available,
                       fmt::format("ERROR: The given brokers do not exist from --broker-list: {}. "
                                   "Current existent brokers: {}",
                                   fmt::join(missing, ","), fmt::join(there, ",")));
    }
    if (wanted.empty()) wanted = there;
    co_return std::vector<std::int32_t>(wanted.begin(), wanted.end());
}

Task<Result<>> describe(client::Admin& admin, const Arguments& arguments, Output& output) {
    ASSIGN_OR_CO_RETURN(auto brokers, co_await choose_brokers(admin, arguments));
    std::set<std::string, std::less<>> topics;
    for (std::string_view word : split(arguments.text("topic-list"), ',')) topics.emplace(word);
    if (!arguments.as_json()) output.line("Querying brokers for log directories information");
    auto outcomes = co_await client::describe_log_dirs(admin, brokers);
    json::array documents;
    for (auto& [broker, directories] : outcomes) {
        if (!directories) co_return fail(std::move(directories).error());
        json::array of_broker;
        for (const auto& [path, directory] : *directories) {
            of_broker.push_back(to_json(path, directory, topics));
        }
        documents.push_back(json::object{{"broker", broker}, {"logDirs", std::move(of_broker)}});
    }
    if (!arguments.as_json()) {
        output.line("Received log directory information from brokers {}", fmt::join(brokers, ","));
    }
    output.json(json::object{{"brokers", std::move(documents)}, {"version", 1}});
    co_return Result<>();
}

Task<int> run(env::Shard& shard, const Arguments& arguments, Output& output) {
    AdminRun how{.more = {{"client.id", "log-dirs-tool"}}};
    co_return co_await run_with_admin(shard, arguments, output, describe, std::move(how));
}

}  // namespace

const Command tools::log_dirs{
    .name = "log-dirs",
    .kafka_name = "kafka-log-dirs",
    .summary = "tell the size of replicas in log directories",
    .flags = flags,
    .run = run,
};

}  // namespace millrace::cli
