#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <string>

#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/connect.h"
#include "cli/deserializers.h"
#include "cli/interrupts.h"
#include "cli/output.h"
#include "cli/verifiable_events.h"
#include "client/client_config.h"
#include "client/cluster.h"
#include "client/consumer.h"
#include "config/text.h"
#include "env/shard.h"

namespace millrace::cli {

namespace {

namespace json = boost::json;

constexpr Flag flags[] = {
    bootstrap_server().required(),
    value("topic", "TOPIC", "what to read").required(),
    value("group-id", "GROUP", "the group to read as").required(),
    value("group-protocol", "PROTOCOL", "which protocol of groups is spoken")
        .choices("classic consumer")
        .otherwise("classic"),
    value("group-remote-assignor", "NAME", "the group's assignor, of the consumer protocol"),
    value("group-instance-id", "ID", "a static member's"),
    value("max-messages", "N", "end after so many records; -1: when it is interrupted")
        .otherwise("-1")
        .int64(),
    value("session-timeout", "MS", "session.timeout.ms, of the classic protocol").int32(),
    on_off("verbose", "tell each record"),
    on_off("enable-autocommit", "commit now and then instead of after each answer"),
    value("reset-policy", "POLICY", "where to begin when nothing is committed")
        .choices("earliest latest none")
        .otherwise("earliest"),
    value("assignment-strategy", "CLASS", "the group's assignor, of the classic protocol")
        .otherwise("org.apache.kafka.clients.consumer.RangeAssignor"),
    command_config(),
    value("consumer.config", "FILE", "use --command-config").file().deprecated(),
};

json::object named(const client::TopicPartition& partition) {
    return {{"topic", partition.topic}, {"partition", partition.partition}};
}

class Reading final : public client::RebalanceListener {
  public:
    Reading(const Arguments& arguments, client::Consumer& consumer, VerifiableEvents& events)
        : arguments_(arguments), consumer_(consumer), events_(events) {
        std::int64_t most = *arguments.number("max-messages");
        if (most >= 0) most_ = most;
    }

    Task<Result<>> run() {
        while (count_ < most_) {
            ASSIGN_OR_CO_RETURN(client::ConsumerRecords records,
                                co_await consumer_.poll(Duration::seconds(1)));
            if (!records.empty()) {
                client::PartitionOffsets offsets = take(records);
                if (!arguments_.has("enable-autocommit")) co_await commit(offsets);
            }
            if (!co_await events_.flush()) break;  // nobody reads what is said
        }
        co_return Result<>();
    }

  private:
    struct Summary {
        std::int64_t count = 0;
        std::int64_t least = 0;
        std::int64_t most = -1;
    };

    Task<void> assigned(const client::Partitions& partitions) override {
        tell("partitions_assigned", partitions);
        co_return;
    }
    Task<void> revoked(const client::Partitions& partitions) override {
        tell("partitions_revoked", partitions);
        co_return;
    }
    void tell(std::string_view name, const client::Partitions& partitions) {
        json::array all;
        for (const client::TopicPartition& partition : partitions) all.push_back(named(partition));
        events_.tell(name, {{"partitions", std::move(all)}});
    }

    // The offsets behind what was taken, by partition.
    client::PartitionOffsets take(const client::ConsumerRecords& records) {
        std::map<client::TopicPartition, Summary> summaries;
        for (const client::ConsumedBatch& batch : records.batches) {
            for (const Record& record : batch.records) {
                if (count_ == most_) break;
                ++count_;
                auto [at, first] = summaries.try_emplace(batch.partition);
                if (first) at->second.least = record.offset;
                ++at->second.count;
                at->second.most = record.offset;
                if (arguments_.has("verbose")) events_.tell(batch.partition, record);
            }
        }
        json::array partitions;
        client::PartitionOffsets offsets;
        for (const auto& [partition, summary] : summaries) {
            json::object one = named(partition);
            one["count"] = summary.count;
            one["minOffset"] = summary.least;
            one["maxOffset"] = summary.most;
            partitions.push_back(std::move(one));
            offsets[partition].offset = summary.most + 1;
        }
        events_.tell("records_consumed",
                     {{"count", records.count}, {"partitions", std::move(partitions)}});
        return offsets;
    }

    Task<void> commit(client::PartitionOffsets offsets) {
        json::array committed;
        for (const auto& [partition, offset] : offsets) {
            json::object one = named(partition);
            one["offset"] = offset.offset;
            committed.push_back(std::move(one));
        }
        Result<> done = co_await consumer_.commit(std::move(offsets));
        json::object members{{"offsets", std::move(committed)}, {"success", done.has_value()}};
        if (!done) members["error"] = done.error().message;
        events_.tell("offsets_committed", members);
    }

    const Arguments& arguments_;
    client::Consumer& consumer_;
    VerifiableEvents& events_;
    std::int64_t most_ = std::numeric_limits<std::int64_t>::max();
    std::int64_t count_ = 0;
};

Result<client::ConsumerConfig> consumer_config(env::Shard& shard, const Arguments& arguments) {
    RETURN_IF_ERROR(arguments.alone("command-config", {"consumer.config"}));
    bool classic = config::lower_case(arguments.text("group-protocol")) == "classic";
    if (!classic) RETURN_IF_ERROR(arguments.alone("group-protocol", {"session-timeout"}));
    ASSIGN_OR_RETURN(
        config::Properties properties,
        client_properties(shard, arguments, {"consumer.config", "command-config"}, {}));
    auto set = [&](std::string_view key, std::string_view text) {
        properties.set(std::string(key), std::string(text));
    };
    set("bootstrap.servers", arguments.text("bootstrap-server"));
    set("group.protocol", arguments.text("group-protocol"));
    if (classic) {
        set("partition.assignment.strategy", arguments.text("assignment-strategy"));
        if (auto timeout = arguments.given("session-timeout")) set("session.timeout.ms", *timeout);
    } else if (auto assignor = arguments.given("group-remote-assignor")) {
        set("group.remote.assignor", *assignor);
    }
    set("group.id", arguments.text("group-id"));
    if (auto id = arguments.given("group-instance-id")) set("group.instance.id", *id);
    set("enable.auto.commit", arguments.has("enable-autocommit") ? "true" : "false");
    set("auto.offset.reset", config::lower_case(arguments.text("reset-policy")));
    return client::ConsumerConfig::parse(properties.all());
}

Task<int> consume(env::Shard& shard, const Arguments& arguments, Output& output) {
    auto config = consumer_config(shard, arguments);
    if (!config) co_return output.fail(config.error());
    client::Cluster cluster(shard, config->cluster());
    auto consumer = client::Consumer::create(cluster, *config);
    if (!consumer) co_return output.fail(consumer.error());

    VerifiableEvents events(shard, output);
    events.tell("startup_complete");
    Reading reading(arguments, **consumer, events);
    Result<> read = (*consumer)->subscribe({std::string(arguments.text("topic"))}, &reading);
    if (read) read = co_await until_interrupted(output.process(), reading.run());
    auto closed = co_await (*consumer)->close();
    events.tell("shutdown_complete");
    co_await cluster.close();
    if (!read) co_return output.fail(read.error());
    if (!closed) co_return output.fail(closed.error());
    co_return 0;
}

}  // namespace

const Command tools::verifiable_consumer{
    .name = "verifiable-consumer",
    .kafka_name = "kafka-verifiable-consumer",
    .summary = "read records, and say what happens meanwhile, as JSON",
    .flags = flags,
    .run = consume,
};

}  // namespace millrace::cli
