#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <optional>
#include <vector>

#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/connect.h"
#include "cli/output.h"
#include "cli/partition_file.h"
#include "client/admin_elections.h"

namespace millrace::cli {

namespace {

namespace json = boost::json;

constexpr Flag flags[] = {
    bootstrap_server().required(),
    command_config(),
    value("admin.config", "FILE", "use --command-config").file().deprecated(),
    value("election-type", "TYPE",
          "preferred: the first replica is to lead; unclean: any, where none does, and records "
          "may be lost")
        .choices("preferred unclean")
        .required(),
    value("topic", "NAME", "elect in a partition of this topic"),
    value("partition", "ID", "which one").int32(),
    on_off("all-topic-partitions", "elect wherever it is needed"),
    value("path-to-json-file", "FILE",
          R"({"partitions": [{"topic": "t", "partition": 0}]}: elect in these)")
        .file(),
};

using Partitions = std::optional<std::vector<client::TopicPartition>>;

Result<Partitions> wanted(env::Shard& shard, const Arguments& arguments) {
    if (arguments.has("all-topic-partitions")) return Partitions();
    std::vector<client::TopicPartition> named;
    if (arguments.has("topic")) {
        named.push_back({std::string(arguments.text("topic")),
                         static_cast<std::int32_t>(arguments.number("partition").value_or(-1))});
        return named;
    }
    std::string_view path = arguments.text("path-to-json-file");
    ASSIGN_OR_RETURN(std::string text, read_named_file(shard, path));
    ASSIGN_OR_RETURN(PartitionFile file, PartitionFile::parse(path, text));
    for (const PartitionFile::Entry& each : file.entries) named.push_back(each.partition);
    return named;
}

// What became of the elections, by partition.
struct Elected {
    std::vector<std::string> leaders;  // that are new
    std::vector<std::string> needless;
    std::vector<std::pair<client::TopicPartition, Error>> failed;
};

Elected sort(const client::Outcomes<client::TopicPartition>& outcomes) {
    Elected sorted;
    for (const auto& [partition, outcome] : outcomes) {
        if (outcome) {
            sorted.leaders.push_back(to_string(partition));
        } else if (outcome.error().code == ErrorCode::election_not_needed) {
            sorted.needless.push_back(to_string(partition));
        } else {
            sorted.failed.emplace_back(partition, outcome.error());
        }
    }
    return sorted;
}

void print_json(const client::Outcomes<client::TopicPartition>& outcomes, Output& output) {
    json::array partitions;
    for (const auto& [partition, outcome] : outcomes) {
        bool needless = !outcome && outcome.error().code == ErrorCode::election_not_needed;
        json::object one{{"topic", partition.topic},
                         {"partition", partition.partition},
                         {"elected", outcome.has_value()}};
        if (!outcome && !needless) one["error"] = outcome.error().message;
        partitions.push_back(std::move(one));
    }
    output.json(json::object{{"partitions", std::move(partitions)}});
}

Task<Result<>> elect(client::Admin& admin, const Arguments& arguments, Output& output) {
    bool unclean = arguments.text("election-type") == "unclean";
    ASSIGN_OR_CO_RETURN(Partitions partitions, wanted(admin.shard(), arguments));
    auto type = unclean ? client::ElectionType::unclean : client::ElectionType::preferred;
    ASSIGN_OR_CO_RETURN(auto outcomes, co_await client::elect_leaders(admin, type, partitions));
    Elected elected = sort(outcomes);
    std::string_view shown = unclean ? "UNCLEAN" : "PREFERRED";
    if (arguments.as_json()) {
        print_json(outcomes, output);
    } else {
        if (!elected.leaders.empty()) {
            output.line("Successfully completed leader election ({}) for partitions {}", shown,
                        fmt::join(elected.leaders, ", "));
        }
        if (!elected.needless.empty()) {
            output.line("Valid replica already elected for partitions {}",
                        fmt::join(elected.needless, ", "));
        }
        for (const auto& [partition, error] : elected.failed) {
            output.line("Error completing leader election ({}) for partition: {}: {}", shown,
                        to_string(partition), error.message);
        }
    }
    if (elected.failed.empty()) co_return Result<>();
    co_return fail(elected.failed.front().second.code,
                   fmt::format("{} replica(s) could not be elected", elected.failed.size()));
}

Task<int> run(env::Shard& shard, const Arguments& arguments, Output& output) {
    Result<> checked =
        arguments.exactly_one({"topic", "all-topic-partitions", "path-to-json-file"});
    if (checked) checked = arguments.only_with("partition", {"topic"});
    if (checked) checked = arguments.only_with("topic", {"partition"});
    if (!checked) co_return output.fail(checked.error());
    auto how = with_old_config(shard, arguments, "admin.config");
    if (!how) co_return output.fail(how.error());
    co_return co_await run_with_admin(shard, arguments, output, elect, *std::move(how));
}

}  // namespace

const Command tools::leader_election{
    .name = "leader-election",
    .kafka_name = "kafka-leader-election",
    .summary = "elect the preferred replicas, or any, as leaders of partitions",
    .flags = flags,
    .run = run,
};

}  // namespace millrace::cli
