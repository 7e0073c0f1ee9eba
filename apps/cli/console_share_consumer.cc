#include <fmt/format.h>
#include <optional>
#include <string>

#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/connect.h"
#include "cli/console_options.h"
#include "cli/interrupts.h"
#include "cli/output.h"
#include "client/client_config.h"
#include "client/cluster.h"
#include "client/share_consumer.h"
#include "env/shard.h"

namespace millrace::cli {

namespace {

using client::AcknowledgeType;

constexpr Flag flags[] = {
    bootstrap_server().required(),
    value("topic", "TOPIC", "what to read").required(),
    value("group", "GROUP", "the share group to read as; console-share-consumer if none is named"),
    value("max-messages", "N", "end after so many records").int32(),
    value("timeout-ms", "MS", "end when no record came for so long").int32(),
    on_off("reject", "reject each record that is shown"),
    on_off("release", "give each record that is shown back to the group"),
    on_off("reject-message-on-error", "reject a record that cannot be shown, and go on"),
    value("formatter", "CLASS", "how records are shown")
        .otherwise("org.apache.kafka.tools.consumer.DefaultMessageFormatter"),
    value("formatter-property", "KEY=VALUE",
          "print.timestamp, print.partition, print.offset, print.delivery, print.epoch, "
          "print.headers, print.key, print.value, key.separator, line.separator, "
          "headers.separator, null.literal, key.deserializer, value.deserializer, "
          "headers.deserializer")
        .repeated(),
    value("formatter-config", "FILE", "properties as of --formatter-property").file(),
    value("key-deserializer", "CLASS", "what reads keys"),
    value("value-deserializer", "CLASS", "what reads values"),
    command_config(),
    value("command-property", "KEY=VALUE", "a property of the consumer").repeated(),
    on_off("enable-systest-events", "say shutdown_complete at the end"),
    value("consumer-property", "KEY=VALUE", "use --command-property").repeated().deprecated(),
    value("consumer-config", "FILE", "use --command-config").file().deprecated(),
    value("property", "KEY=VALUE", "use --formatter-property").repeated().deprecated(),
};

Result<> check(const Arguments& arguments) {
    RETURN_IF_ERROR(arguments.alone("reject", {"release"}));
    RETURN_IF_ERROR(arguments.alone("command-config", {"consumer-config"}));
    RETURN_IF_ERROR(arguments.alone("command-property", {"consumer-property"}));
    return arguments.alone("formatter-property", {"property"});
}

Result<client::ShareConsumerConfig> consumer_config(env::Shard& shard, const Arguments& arguments) {
    ASSIGN_OR_RETURN(
        config::Properties properties,
        client_properties(shard, arguments, {"command-config", "consumer-config"}, {}));
    std::string in_file(properties.get("group.id"));
    RETURN_IF_ERROR(add_assignments(arguments, "command-property", properties));
    RETURN_IF_ERROR(add_assignments(arguments, "consumer-property", properties));
    ASSIGN_OR_RETURN(std::string group, chosen_group(arguments, in_file, properties));
    properties.set("bootstrap.servers", std::string(arguments.text("bootstrap-server")));
    properties.set("group.id", group.empty() ? "console-share-consumer" : group);
    if (properties.find("client.id") == nullptr) {
        properties.set("client.id", "console-share-consumer");
    }
    properties.set("share.acknowledgement.mode", "explicit");
    return client::ShareConsumerConfig::parse(properties.all());
}

class Showing {
  public:
    Showing(env::Shard& shard, const Arguments& arguments, client::ShareConsumer& consumer,
            MessageFormat& format, Output& output)
        : shard_(shard),
          consumer_(consumer),
          format_(format),
          output_(output),
          limits_(showing_limits(arguments)) {
        if (arguments.has("reject")) type_ = AcknowledgeType::reject;
        if (arguments.has("release")) type_ = AcknowledgeType::release;
        reject_errors_ = arguments.has("reject-message-on-error");
    }

    std::int64_t count() const { return count_; }

    // Until enough were shown, none came for too long, nobody listens, or an error. What was not
    // shown is given back with the end of the consumer.
    Task<Result<>> run() {
        Time quiet_since = shard_.now();
        while (count_ < limits_.most) {
            Duration wait =
                std::min(quiet_since + limits_.idle - shard_.now(), Duration::seconds(1));
            auto records = co_await consumer_.poll(wait);
            if (!records) {
                co_await output_.flush(shard_);
                co_return fail(std::move(records).error());
            }
            Result<> shown = show(*records);
            if (!co_await output_.flush(shard_)) {
                output_.error("Unable to write to standard out, closing consumer.");
                break;
            }
            CO_RETURN_IF_ERROR(shown);
            if (!records->empty()) quiet_since = shard_.now();
            if (records->empty() && shard_.now() >= quiet_since + limits_.idle) break;
        }
        co_return Result<>();
    }

  private:
    Result<> show(const client::ShareRecords& records) {
        for (const client::AcquiredBatch& batch : records.batches) {
            for (std::size_t i = 0; i < batch.records.size() && count_ < limits_.most; ++i) {
                ++count_;
                RETURN_IF_ERROR(show(batch, batch.records[i], batch.delivery_counts[i]));
            }
        }
        return {};
    }
    Result<> show(const client::AcquiredBatch& batch, const Record& record,
                  std::int16_t delivery_count) {
        std::size_t before = output_.buffer().size();
        format_.delivery_count = delivery_count;
        Result<> shown = format_.write(batch, record, output_.buffer());
        AcknowledgeType type = type_;
        if (!shown) {
            output_.buffer().resize(before);
            if (!reject_errors_) return shown;
            output_.error(shown.error().message);
            type = AcknowledgeType::reject;
        }
        return consumer_.acknowledge(batch.partition, record.offset, type);
    }

    env::Shard& shard_;
    client::ShareConsumer& consumer_;
    MessageFormat& format_;
    Output& output_;
    ShowingLimits limits_;
    AcknowledgeType type_ = AcknowledgeType::accept;
    bool reject_errors_ = false;
    std::int64_t count_ = 0;
};

Task<int> consume(env::Shard& shard, const Arguments& arguments, Output& output) {
    if (auto checked = check(arguments); !checked) co_return output.fail(checked.error());
    auto config = consumer_config(shard, arguments);
    if (!config) co_return output.fail(config.error());
    auto format = chosen_format(shard, arguments);
    if (!format) co_return output.fail(format.error());

    client::Cluster cluster(shard, config->cluster());
    auto consumer = client::ShareConsumer::create(cluster, *config);
    if (!consumer) co_return output.fail(consumer.error());
    Showing showing(shard, arguments, **consumer, **format, output);
    Result<> shown = (*consumer)->subscribe({std::string(arguments.text("topic"))});
    if (shown) shown = co_await until_interrupted(output.process(), showing.run());
    co_await output.flush(shard);
    auto closed = co_await (*consumer)->close();
    co_await cluster.close();
    co_return console_outcome(arguments, shown, closed, showing.count(), output);
}

}  // namespace

const Command tools::console_share_consumer{
    .name = "console-share-consumer",
    .kafka_name = "kafka-console-share-consumer",
    .summary = "show the records of a topic as a share group's member",
    .flags = flags,
    .run = consume,
};

}  // namespace millrace::cli
