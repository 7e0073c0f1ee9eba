#include "cli/hanging_transactions.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/core.h>
#include <map>
#include <set>

#include "cli/arguments.h"
#include "cli/output.h"
#include "client/admin_offsets.h"
#include "client/admin_topics.h"
#include "client/admin_transactions.h"
#include "client/consumer_offsets.h"
#include "env/shard.h"

namespace millrace::cli {

namespace {

namespace json = boost::json;
using client::TopicPartition;

struct Open {
    TopicPartition partition;
    client::ActiveProducer producer;
};

std::optional<std::int32_t> asked_broker(const Arguments& arguments) {
    auto id = arguments.number("broker-id");
    return id ? std::optional(static_cast<std::int32_t>(*id)) : std::nullopt;
}

// Of the topic, or of all; of those that the broker has a replica of, where one is named.
Task<Result<client::Partitions>> partitions_to_search(client::Admin& admin,
                                                      const Arguments& arguments) {
    std::vector<std::string> topics;
    if (auto topic = arguments.given("topic")) {
        topics.emplace_back(*topic);
        if (auto index = arguments.number("partition")) {
            co_return client::Partitions{{topics[0], static_cast<std::int32_t>(*index)}};
        }
    } else {
        ASSIGN_OR_CO_RETURN(auto listed, co_await client::list_topics(admin, true));
        for (const auto& each : listed) topics.push_back(each.name);
    }
    std::optional<std::int32_t> broker = asked_broker(arguments);
    client::Partitions found;
    for (auto& [name, topic] : co_await client::describe_topics(admin, topics)) {
        if (!topic) co_return fail(topic.error());
        for (const auto& partition : topic->partitions) {
            bool is_there = !broker || std::ranges::find(partition.replicas, *broker) !=
                                           partition.replicas.end();
            if (is_there) found.push_back({name, partition.index});
        }
    }
    co_return found;
}

// Those that are open for longer than a coordinator would let them.
Task<Result<std::vector<Open>>> open_for_long(client::Admin& admin, const Arguments& arguments,
                                              client::Partitions partitions) {
    std::int64_t most_ms = arguments.number("max-transaction-timeout").value_or(15) * 60'000;
    std::vector<Open> found;
    auto told =
        co_await client::describe_producers(admin, std::move(partitions), asked_broker(arguments));
    for (auto& [partition, producers] : told) {
        if (!producers) co_return fail(producers.error());
        for (const client::ActiveProducer& producer : *producers) {
            bool is_long = admin.shard().wall_ms() - producer.last_timestamp > most_ms;
            if (producer.transaction_start_offset >= 0 && is_long) {
                found.push_back({partition, producer});
            }
        }
    }
    co_return found;
}

// What a coordinator has in one of its open transactions will be ended by it.
Task<Result<>> leave_known_out(client::Admin& admin, std::vector<Open>& found) {
    client::TransactionListFilter filter;
    std::set<std::int64_t> ids;
    for (const Open& each : found) ids.insert(each.producer.producer_id);
    filter.producer_ids.assign(ids.begin(), ids.end());
    ASSIGN_OR_CO_RETURN(auto listed, co_await client::list_transactions(admin, std::move(filter)));
    for (const client::TransactionListing& each : listed) {
        auto known = co_await client::describe_transaction(admin, each.id);
        if (!known && known.error().code == ErrorCode::transactional_id_not_found) continue;
        if (!known) co_return fail(known.error());
        std::erase_if(found, [&](const Open& open) {
            return open.producer.producer_id == each.producer_id &&
                   std::ranges::find(known->partitions, open.partition) != known->partitions.end();
        });
    }
    co_return Result<>{};
}

void print(const std::vector<Open>& found, Timestamp now, const Arguments& arguments,
           Output& output) {
    Table table({"Topic", "Partition", "ProducerId", "ProducerEpoch", "CoordinatorEpoch",
                 "StartOffset", "LastTimestamp", "Duration(min)"});
    json::array all;
    for (const Open& each : found) {
        const client::ActiveProducer& producer = each.producer;
        std::int64_t minutes = (now - producer.last_timestamp) / 60'000;
        table.add({each.partition.topic, std::to_string(each.partition.partition),
                   std::to_string(producer.producer_id), std::to_string(producer.producer_epoch),
                   std::to_string(producer.coordinator_epoch),
                   std::to_string(producer.transaction_start_offset),
                   std::to_string(producer.last_timestamp), std::to_string(minutes)});
        all.push_back(json::object{{"topic", each.partition.topic},
                                   {"partition", each.partition.partition},
                                   {"producer_id", producer.producer_id},
                                   {"producer_epoch", producer.producer_epoch},
                                   {"coordinator_epoch", producer.coordinator_epoch},
                                   {"start_offset", producer.transaction_start_offset},
                                   {"last_timestamp", producer.last_timestamp},
                                   {"minutes", minutes}});
    }
    if (arguments.as_json()) {
        output.json(json::object{{"hanging_transactions", std::move(all)}});
    } else {
        table.print(output, "\t");
    }
}

}  // namespace

Task<Result<>> find_hanging_transactions(client::Admin& admin, const Arguments& arguments,
                                         Output& output) {
    ASSIGN_OR_CO_RETURN(auto partitions, co_await partitions_to_search(admin, arguments));
    ASSIGN_OR_CO_RETURN(auto found,
                        co_await open_for_long(admin, arguments, std::move(partitions)));
    if (!found.empty()) CO_RETURN_IF_ERROR(co_await leave_known_out(admin, found));
    print(found, admin.shard().wall_ms(), arguments, output);
    co_return Result<>{};
}

}  // namespace millrace::cli
