#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>
#include <map>

#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/connect.h"
#include "cli/hanging_transactions.h"
#include "cli/output.h"
#include "client/admin_offsets.h"
#include "client/admin_transactions.h"
#include "env/shard.h"

namespace millrace::cli {

namespace {

namespace json = boost::json;
using client::TopicPartition;

constexpr Flag flags[] = {bootstrap_server().required(), command_config()};
constexpr Flag list_flags[] = {
    value("duration-filter", "MS", "only those that are open for longer; below 0: all").int64(),
    value("transactional-id-pattern", "PATTERN", "only ids that match (RE2's syntax)"),
};
constexpr Flag describe_flags[] = {
    value("transactional-id", "ID", "the transactional id").required()};
constexpr Flag topic = value("topic", "TOPIC", "the topic");
constexpr Flag partition = value("partition", "N", "the partition").int32();
constexpr Flag broker = value("broker-id", "ID", "of this broker's replicas").int32();
constexpr Flag producers_flags[] = {broker, topic.required(), partition.required()};
constexpr Flag abort_flags[] = {
    topic.required(),
    partition.required(),
    value("start-offset", "OFFSET", "where the transaction begins").int64(),
    value("producer-id", "ID", "its producer, for brokers before 3.0").int64(),
    value("producer-epoch", "EPOCH", "the producer's epoch").int32(),
    value("coordinator-epoch", "EPOCH", "its coordinator's epoch").int32(),
};
constexpr Flag hanging_flags[] = {
    broker,
    value("max-transaction-timeout", "MINUTES", "how long one may be open; 15 otherwise").int32(),
    topic,
    partition,
};
constexpr Flag terminate_flags[] = {
    value("transactionalId", "ID", "the transactional id").required()};
constexpr Verb verbs[] = {
    {"list", "list transactional ids and their states", list_flags},
    {"describe", "tell what one has open", describe_flags},
    {"describe-producers", "tell the producers of a partition", producers_flags},
    {"abort", "end a transaction in one partition", abort_flags},
    {"find-hanging", "find transactions that nobody will end", hanging_flags},
    {"forceTerminateTransaction", "abort what a transactional id has open", terminate_flags},
};

std::string or_none(std::int64_t value) { return value < 0 ? "None" : std::to_string(value); }

TopicPartition asked_partition(const Arguments& arguments) {
    return {std::string(arguments.text("topic")),
            static_cast<std::int32_t>(arguments.number("partition").value_or(0))};
}

std::optional<std::int32_t> asked_broker(const Arguments& arguments) {
    auto id = arguments.number("broker-id");
    return id ? std::optional(static_cast<std::int32_t>(*id)) : std::nullopt;
}

Error because(std::string what, const Error& error) {
    return {error.code, fmt::format("{}: {}", what, error.message)};
}

Task<Result<>> list(client::Admin& admin, const Arguments& arguments, Output& output) {
    client::TransactionListFilter filter{.min_duration_ms =
                                             arguments.number("duration-filter").value_or(-1)};
    if (auto pattern = arguments.given("transactional-id-pattern")) filter.pattern = *pattern;
    auto listed = co_await client::list_transactions(admin, std::move(filter));
    if (!listed) co_return fail(because("Failed to list transactions", listed.error()));
    Table table({"TransactionalId", "Coordinator", "ProducerId", "TransactionState"});
    json::array all;
    for (const auto& each : *listed) {
        table.add({each.id, std::to_string(each.coordinator), std::to_string(each.producer_id),
                   each.state});
        all.push_back(json::object{{"transactional_id", each.id},
                                   {"coordinator", each.coordinator},
                                   {"producer_id", each.producer_id},
                                   {"state", each.state}});
    }
    if (arguments.as_json()) {
        output.json(json::object{{"transactions", std::move(all)}});
    } else {
        table.print(output, "\t");
    }
    co_return Result<>{};
}

Task<Result<>> describe(client::Admin& admin, const Arguments& arguments, Output& output) {
    std::string id(arguments.text("transactional-id"));
    auto told = co_await client::describe_transaction(admin, id);
    if (!told) {
        co_return fail(because(
            fmt::format("Failed to describe transaction state of transactional-id `{}`", id),
            told.error()));
    }
    std::int64_t duration = told->started < 0 ? -1 : admin.shard().wall_ms() - told->started;
    std::vector<std::string> partitions;
    for (const TopicPartition& each : told->partitions) partitions.push_back(to_string(each));
    if (arguments.as_json()) {
        json::array names;
        for (const std::string& each : partitions) names.push_back(json::value(each));
        output.json(json::object{{"coordinator", told->coordinator},
                                 {"transactional_id", id},
                                 {"producer_id", told->producer_id},
                                 {"producer_epoch", told->producer_epoch},
                                 {"state", told->state},
                                 {"timeout_ms", told->timeout_ms},
                                 {"started", told->started},
                                 {"duration_ms", duration},
                                 {"partitions", std::move(names)}});
        co_return Result<>{};
    }
    Table table({"CoordinatorId", "TransactionalId", "ProducerId", "ProducerEpoch",
                 "TransactionState", "TransactionTimeoutMs", "CurrentTransactionStartTimeMs",
                 "TransactionDurationMs", "TopicPartitions"});
    table.add({std::to_string(told->coordinator), id, std::to_string(told->producer_id),
               std::to_string(told->producer_epoch), told->state, std::to_string(told->timeout_ms),
               or_none(told->started), or_none(duration),
               fmt::format("{}", fmt::join(partitions, ","))});
    table.print(output, "\t");
    co_return Result<>{};
}

Task<Result<std::vector<client::ActiveProducer>>> producers_of(client::Admin& admin,
                                                               TopicPartition of,
                                                               std::optional<std::int32_t> node) {
    auto told = co_await client::describe_producers(admin, {of}, node);
    auto found = told.find(of);
    if (found == told.end()) co_return fail(ErrorCode::unknown_server_error, "no answer");
    co_return std::move(found->second);
}

Task<Result<>> describe_producers(client::Admin& admin, const Arguments& arguments,
                                  Output& output) {
    TopicPartition of = asked_partition(arguments);
    std::optional<std::int32_t> node = asked_broker(arguments);
    auto told = co_await producers_of(admin, of, node);
    if (!told) {
        std::string where = node ? fmt::format("broker {}", *node) : "leader";
        co_return fail(because(fmt::format("Failed to describe producers for partition {} on {}",
                                           to_string(of), where),
                               told.error()));
    }
    Table table({"ProducerId", "ProducerEpoch", "LatestCoordinatorEpoch", "LastSequence",
                 "LastTimestamp", "CurrentTransactionStartOffset"});
    json::array all;
    for (const auto& each : *told) {
        table.add({std::to_string(each.producer_id), std::to_string(each.producer_epoch),
                   std::to_string(each.coordinator_epoch), std::to_string(each.last_sequence),
                   std::to_string(each.last_timestamp), or_none(each.transaction_start_offset)});
        all.push_back(json::object{{"producer_id", each.producer_id},
                                   {"producer_epoch", each.producer_epoch},
                                   {"coordinator_epoch", each.coordinator_epoch},
                                   {"last_sequence", each.last_sequence},
                                   {"last_timestamp", each.last_timestamp},
                                   {"transaction_start_offset", each.transaction_start_offset}});
    }
    if (arguments.as_json()) {
        output.json(json::object{{"producers", std::move(all)}});
    } else {
        table.print(output, "\t");
    }
    co_return Result<>{};
}

// Which transaction the flags name; of brokers from 3.0 on its first offset is enough.
Task<Result<client::HangingTransaction>> named_transaction(client::Admin& admin,
                                                           const Arguments& arguments) {
    client::HangingTransaction named{.partition = asked_partition(arguments)};
    std::string where = to_string(named.partition);
    if (!arguments.has("start-offset")) {
        named.producer_id = arguments.number("producer-id").value_or(-1);
        named.producer_epoch =
            static_cast<std::int16_t>(arguments.number("producer-epoch").value_or(-1));
        named.coordinator_epoch = static_cast<std::int32_t>(
            std::max<std::int64_t>(arguments.number("coordinator-epoch").value_or(0), 0));
        co_return named;
    }
    std::int64_t start = arguments.number("start-offset").value_or(-1);
    auto told = co_await producers_of(admin, named.partition, std::nullopt);
    if (!told) {
        co_return fail(
            because(fmt::format("Failed to validate producer state for partition {}", where),
                    told.error()));
    }
    auto found = std::ranges::find(*told, start, &client::ActiveProducer::transaction_start_offset);
    if (found == told->end()) {
        co_return fail(ErrorCode::invalid_txn_state,
                       fmt::format("Could not find any open transactions starting at offset {} on "
                                   "partition {}",
                                   start, where));
    }
    named.producer_id = found->producer_id;
    named.producer_epoch = static_cast<std::int16_t>(found->producer_epoch);
    named.coordinator_epoch = std::max(found->coordinator_epoch, 0);
    co_return named;
}

Task<Result<>> abort(client::Admin& admin, const Arguments& arguments, Output&) {
    ASSIGN_OR_CO_RETURN(auto named, co_await named_transaction(admin, arguments));
    Result<> aborted = co_await client::abort_transaction(admin, named);
    if (aborted) co_return aborted;
    co_return fail(
        because(fmt::format("Failed to abort transaction AbortTransactionSpec(topicPartition={}, "
                            "producerId={}, producerEpoch={}, coordinatorEpoch={})",
                            to_string(named.partition), named.producer_id, named.producer_epoch,
                            named.coordinator_epoch),
                aborted.error()));
}

Task<Result<>> terminate(client::Admin& admin, const Arguments& arguments, Output&) {
    std::string id(arguments.text("transactionalId"));
    Result<> ended = co_await client::terminate_transaction(admin, id);
    if (ended) co_return ended;
    co_return fail(
        because(fmt::format("Failed to force terminate transactionalId `{}`", id), ended.error()));
}

Result<> check(const Arguments& arguments) {
    auto wrong = [](std::string what) { return fail(ErrorCode::invalid_request, std::move(what)); };
    if (arguments.verb() == "find-hanging") {
        if (!arguments.has("topic") && !arguments.has("broker-id")) {
            return wrong(
                "The `find-hanging` command requires either --topic or --broker-id to limit the "
                "scope of the search");
        }
        if (arguments.has("partition") && !arguments.has("topic")) {
            return wrong("The --partition argument requires --topic to be provided");
        }
    }
    if (arguments.verb() != "abort" || arguments.has("start-offset")) return {};
    if (!arguments.has("producer-id")) {
        return wrong(
            "The transaction to abort must be identified either with --start-offset (for brokers "
            "on "
            "3.0 or above) or with --producer-id, --producer-epoch, and --coordinator-epoch (for "
            "older brokers)");
    }
    for (std::string_view name : {"producer-epoch", "coordinator-epoch"}) {
        if (!arguments.has(name)) return wrong(fmt::format("Missing required argument --{}", name));
    }
    return {};
}

Task<int> run(env::Shard& shard, const Arguments& arguments, Output& output) {
    if (Result<> checked = check(arguments); !checked) co_return output.fail(checked.error());
    static const std::map<std::string_view, AdminTool> tools = {
        {"list", list},
        {"describe", describe},
        {"describe-producers", describe_producers},
        {"abort", abort},
        {"find-hanging", find_hanging_transactions},
        {"forceTerminateTransaction", terminate},
    };
    co_return co_await run_with_admin(shard, arguments, output, tools.at(arguments.verb()));
}

}  // namespace

const Command tools::transactions{
    .name = "transactions",
    .kafka_name = "kafka-transactions",
    .summary = "list, describe and end transactions",
    .flags = flags,
    .verbs = verbs,
    .run = run,
};

}  // namespace millrace::cli
