#include <algorithm>
#include <limits>
#include <map>
#include <set>
#include <string>

#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/connect.h"
#include "cli/deserializers.h"
#include "cli/interrupts.h"
#include "cli/output.h"
#include "cli/verifiable_events.h"
#include "client/admin_configs.h"
#include "client/client_config.h"
#include "client/cluster.h"
#include "client/share_consumer.h"
#include "config/text.h"
#include "env/shard.h"

namespace millrace::cli {

namespace {

namespace json = boost::json;

constexpr Flag flags[] = {
    bootstrap_server().required(),
    value("topic", "TOPIC", "what to read").required(),
    value("group-id", "GROUP", "the share group to read as").required(),
    value("max-messages", "N", "end after so many acknowledgements; -1: when it is interrupted")
        .otherwise("-1")
        .int32(),
    on_off("verbose", "tell each record"),
    value("acknowledgement-mode", "MODE",
          "when records are accepted: by the next read, or by themselves with or without waiting")
        .choices("auto sync async")
        .otherwise("auto"),
    value("offset-reset-strategy", "POLICY", "set where the group begins")
        .choices("earliest latest"),
    command_config(),
};

json::object summary(const client::TopicPartition& partition, json::array offsets) {
    return {{"topic", partition.topic},
            {"partition", partition.partition},
            {"count", offsets.size()},
            {"offsets", std::move(offsets)}};
}

class Reading {
  public:
    Reading(const Arguments& arguments, client::ShareConsumer& consumer, VerifiableEvents& events)
        : verbose_(arguments.has("verbose")),
          mode_(config::lower_case(arguments.text("acknowledgement-mode"))),
          consumer_(consumer),
          events_(events) {
        std::int64_t most = *arguments.number("max-messages");
        if (most >= 0) most_ = most;
        consumer.on_acknowledged(
            [this](const client::TopicPartition& partition, const client::Acknowledgements& ranges,
                   const Result<>& outcome) { acknowledged(partition, ranges, outcome); });
    }

    Task<Result<>> run() {
        while (acknowledged_ < most_) {
            ASSIGN_OR_CO_RETURN(client::ShareRecords records,
                                co_await consumer_.poll(Duration::seconds(5)));
            if (!records.empty()) {
                tell(records);
                if (mode_ == "async") consumer_.commit_in_background();
                if (mode_ == "sync") (void)co_await consumer_.commit();
            }
            if (!co_await events_.flush()) break;  // nobody reads what is said
        }
        co_return Result<>();
    }

  private:
    void tell(const client::ShareRecords& records) {
        std::map<client::TopicPartition, std::set<std::int64_t>> offsets;
        for (const client::AcquiredBatch& batch : records.batches) {
            for (const Record& record : batch.records) {
                offsets[batch.partition].insert(record.offset);
                if (verbose_) events_.tell(batch.partition, record);
            }
        }
        json::array partitions;
        for (const auto& [partition, of_partition] : offsets)
            partitions.push_back(
                summary(partition, json::array(of_partition.begin(), of_partition.end())));
        events_.tell("records_consumed",
                     {{"count", records.count}, {"partitions", std::move(partitions)}});
    }
    void acknowledged(const client::TopicPartition& partition,
                      const client::Acknowledgements& ranges, const Result<>& outcome) {
        json::array offsets;
        for (const client::AcknowledgedRange& range : ranges) {
            for (std::int64_t i = range.first; i <= range.last; ++i) offsets.push_back(i);
        }
        std::size_t count = offsets.size();
        json::object members{{"count", count},
                             {"partitions", json::array{summary(partition, std::move(offsets))}}};
        if (outcome) {
            acknowledged_ += static_cast<std::int64_t>(count);
        } else {
            members["error"] = outcome.error().message;
        }
        members["success"] = outcome.has_value();
        events_.tell("offsets_acknowledged", members);
    }

    bool verbose_;
    std::string mode_;
    client::ShareConsumer& consumer_;
    VerifiableEvents& events_;
    std::int64_t most_ = std::numeric_limits<std::int64_t>::max();
    std::int64_t acknowledged_ = 0;
};

Result<config::Properties> properties_of(env::Shard& shard, const Arguments& arguments) {
    ASSIGN_OR_RETURN(config::Properties properties,
                     client_properties(shard, arguments, {"command-config"}, {}));
    properties.set("bootstrap.servers", std::string(arguments.text("bootstrap-server")));
    return properties;
}

Task<Result<>> set_reset_strategy(env::Shard& shard, const Arguments& arguments,
                                  VerifiableEvents& events) {
    std::string strategy = config::lower_case(arguments.text("offset-reset-strategy"));
    if (strategy.empty()) co_return Result<>();
    ASSIGN_OR_CO_RETURN(config::Properties properties, properties_of(shard, arguments));
    ASSIGN_OR_CO_RETURN(auto config, client::AdminConfig::parse(properties.all()));
    client::Admin admin(shard, config);
    client::ConfigResource group{client::ResourceType::group,
                                 std::string(arguments.text("group-id"))};
    auto altered = co_await client::alter_configs(
        admin, {{group, {{.name = "share.auto.offset.reset", .value = strategy}}}});
    co_await admin.close();
    if (Result<>& outcome = altered.at(group); !outcome) co_return fail(outcome.error());
    events.tell("offset_reset_strategy_set", {{"offsetResetStrategy", strategy}});
    co_return Result<>();
}

Task<int> consume(env::Shard& shard, const Arguments& arguments, Output& output) {
    auto properties = properties_of(shard, arguments);
    if (!properties) co_return output.fail(properties.error());
    properties->set("group.id", std::string(arguments.text("group-id")));
    auto config = client::ShareConsumerConfig::parse(properties->all());
    if (!config) co_return output.fail(config.error());
    client::Cluster cluster(shard, config->cluster());
    auto consumer = client::ShareConsumer::create(cluster, *config);
    if (!consumer) co_return output.fail(consumer.error());

    VerifiableEvents events(shard, output);
    events.tell("startup_complete");
    Reading reading(arguments, **consumer, events);
    auto work = [&]() -> Task<Result<>> {
        CO_RETURN_IF_ERROR(co_await set_reset_strategy(shard, arguments, events));
        CO_RETURN_IF_ERROR((*consumer)->subscribe({std::string(arguments.text("topic"))}));
        co_return co_await reading.run();
    };
    Result<> read = co_await until_interrupted(output.process(), work());
    auto closed = co_await (*consumer)->close();
    events.tell("shutdown_complete");
    co_await cluster.close();
    if (!read) co_return output.fail(read.error());
    if (!closed) co_return output.fail(closed.error());
    co_return 0;
}

}  // namespace

const Command tools::verifiable_share_consumer{
    .name = "verifiable-share-consumer",
    .kafka_name = "kafka-verifiable-share-consumer",
    .summary = "read records of a share group, and say what happens meanwhile, as JSON",
    .flags = flags,
    .run = consume,
};

}  // namespace millrace::cli
