#include <algorithm>
#include <fmt/format.h>
#include <map>

#include "base/random.h"
#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/connect.h"
#include "cli/console_options.h"
#include "cli/interrupts.h"
#include "cli/message_format.h"
#include "cli/output.h"
#include "client/client_config.h"
#include "client/cluster.h"
#include "client/consumer.h"
#include "config/text.h"
#include "env/shard.h"

namespace millrace::cli {

namespace {

constexpr Flag flags[] = {
    bootstrap_server().required(),
    value("topic", "TOPIC", "what to read"),
    value("include", "REGEX", "read every topic whose name matches (RE2)"),
    value("partition", "N", "read this partition alone, without a group").int32(),
    value("offset", "OFFSET", "where to begin in the partition: a number, earliest or latest")
        .otherwise("latest"),
    on_off("from-beginning", "begin with the oldest record where nothing is committed"),
    value("group", "GROUP", "read as a member of this group"),
    value("max-messages", "N", "end after so many records").int32(),
    value("timeout-ms", "MS", "end when no record came for so long").int64(),
    value("isolation-level", "LEVEL", "whether records of open transactions are read")
        .choices("read_uncommitted read_committed")
        .otherwise("read_uncommitted"),
    value("formatter", "CLASS", "how records are shown")
        .otherwise("org.apache.kafka.tools.consumer.DefaultMessageFormatter"),
    value("formatter-property", "KEY=VALUE",
          "print.timestamp, print.partition, print.offset, print.epoch, print.headers, print.key, "
          "print.value, key.separator, line.separator, headers.separator, null.literal, "
          "key.deserializer, value.deserializer, headers.deserializer")
        .repeated(),
    value("formatter-config", "FILE", "properties as of --formatter-property").file(),
    value("key-deserializer", "CLASS", "what reads keys"),
    value("value-deserializer", "CLASS", "what reads values"),
    on_off("skip-message-on-error", "go on behind a record that cannot be shown"),
    command_config(),
    value("command-property", "KEY=VALUE", "a property of the consumer").repeated(),
    on_off("enable-systest-events", "say shutdown_complete at the end"),
    value("consumer-property", "KEY=VALUE", "use --command-property").repeated().deprecated(),
    value("consumer.config", "FILE", "use --command-config").file().deprecated(),
    value("property", "KEY=VALUE", "use --formatter-property").repeated().deprecated(),
};

Result<> check(const Arguments& arguments) {
    RETURN_IF_ERROR(arguments.exactly_one({"topic", "include"}));
    if (arguments.has("partition")) {
        RETURN_IF_ERROR(arguments.required({"topic"}));
        RETURN_IF_ERROR(arguments.alone("from-beginning", {"offset"}));
    } else {
        RETURN_IF_ERROR(arguments.only_with("offset", {"partition"}));
    }
    RETURN_IF_ERROR(arguments.alone("command-config", {"consumer.config"}));
    RETURN_IF_ERROR(arguments.alone("command-property", {"consumer-property"}));
    return arguments.alone("formatter-property", {"property"});
}

Result<> settle_group(env::Shard& shard, const Arguments& arguments, std::string_view in_file,
                      config::Properties& properties) {
    ASSIGN_OR_RETURN(std::string group, chosen_group(arguments, in_file, properties));
    if (!group.empty() && arguments.has("partition")) {
        return misuse("--partition reads without a group: leave the group out");
    }
    if (!group.empty()) {
        properties.set("group.id", std::move(group));
        return {};
    }
    // Nobody comes back to a group that was made up: it needs no offsets.
    properties.set("group.id", fmt::format("console-consumer-{}", shard.random().below(100'000)));
    if (properties.find("enable.auto.commit") == nullptr) {
        properties.set("enable.auto.commit", "false");
    }
    return {};
}

Result<client::ConsumerConfig> consumer_config(env::Shard& shard, const Arguments& arguments) {
    ASSIGN_OR_RETURN(
        config::Properties properties,
        client_properties(shard, arguments, {"command-config", "consumer.config"}, {}));
    std::string in_file(properties.get("group.id"));
    RETURN_IF_ERROR(add_assignments(arguments, "command-property", properties));
    RETURN_IF_ERROR(add_assignments(arguments, "consumer-property", properties));
    bool from_beginning = arguments.has("from-beginning");
    if (const auto* reset = properties.find("auto.offset.reset")) {
        if (from_beginning && reset->value != "earliest") {
            return misuse(
                fmt::format("--from-beginning contradicts auto.offset.reset={}: leave "
                            "one of them out",
                            reset->value));
        }
    } else {
        properties.set("auto.offset.reset", from_beginning ? "earliest" : "latest");
    }
    properties.set("bootstrap.servers", std::string(arguments.text("bootstrap-server")));
    if (properties.find("client.id") == nullptr) properties.set("client.id", "console-consumer");
    if (arguments.has("isolation-level") || properties.find("isolation.level") == nullptr) {
        properties.set("isolation.level", config::lower_case(arguments.text("isolation-level")));
    }
    RETURN_IF_ERROR(settle_group(shard, arguments, in_file, properties));
    return client::ConsumerConfig::parse(properties.all());
}

// Where --offset says, or --from-beginning; the end when neither does.
Result<> seek(const Arguments& arguments, client::Consumer& consumer,
              const client::TopicPartition& partition) {
    std::string offset = config::lower_case(arguments.text("offset"));
    bool from_beginning = !arguments.has("offset") && arguments.has("from-beginning");
    if (offset == "earliest" || from_beginning) return consumer.seek_to_beginning({partition});
    if (offset == "latest") return consumer.seek_to_end({partition});
    auto number = parse_number(offset);
    if (number && *number >= 0) return consumer.seek(partition, *number);
    return misuse(fmt::format("--offset: '{}' is neither earliest, latest nor a number from 0",
                              arguments.text("offset")));
}

Result<> choose(const Arguments& arguments, client::Consumer& consumer) {
    if (arguments.has("include")) {
        return consumer.subscribe_pattern(std::string(arguments.text("include")));
    }
    std::string topic(arguments.text("topic"));
    if (!arguments.has("partition")) return consumer.subscribe({topic});
    client::TopicPartition partition{
        topic, static_cast<std::int32_t>(arguments.number("partition").value_or(0))};
    RETURN_IF_ERROR(consumer.assign({partition}));
    return seek(arguments, consumer, partition);
}

class Showing {
  public:
    Showing(env::Shard& shard, const Arguments& arguments, client::Consumer& consumer,
            MessageFormat& format, Output& output)
        : shard_(shard),
          consumer_(consumer),
          format_(format),
          output_(output),
          limits_(showing_limits(arguments)) {
        skip_errors_ = arguments.has("skip-message-on-error");
    }

    std::int64_t count() const { return count_; }

    // Until enough were shown, none came for too long, nobody listens, or an error.
    Task<Result<>> run() {
        Time quiet_since = shard_.now();
        while (count_ < limits_.most) {
            // Output is gathered as long as records are there anyway.
            bool gathers = !output_.buffer().empty() && output_.buffer().size() < enough;
            Time give_up = quiet_since + limits_.idle;
            Duration wait = std::min(give_up - shard_.now(), Duration::seconds(1));
            auto records = co_await consumer_.poll(gathers ? Duration() : wait);
            if (!records) {
                co_await output_.flush(shard_);
                co_return fail(std::move(records).error());
            }
            if (!records->empty()) {
                CO_RETURN_IF_ERROR(show(*records));
                quiet_since = shard_.now();
                if (output_.buffer().size() < enough) continue;
            }
            if (!co_await output_.flush(shard_)) {
                output_.error("Nobody reads the output any more.");
                break;
            }
            if (records->empty() && !gathers && shard_.now() >= quiet_since + limits_.idle) break;
        }
        co_return Result<>();
    }

    // The records that were read and not shown: the group's next reader gets them. Where seek()
    // fails the partition is another member's already.
    void give_back() {
        for (const auto& [partition, offset] : unshown_) (void)consumer_.seek(partition, offset);
    }

  private:
    static constexpr std::size_t enough = std::size_t{256} << 10U;

    Result<> show(const client::ConsumerRecords& records) {
        Result<> shown;
        for (const client::ConsumedBatch& batch : records.batches) {
            for (const Record& record : batch.records) {
                if (count_ == limits_.most || !shown) {
                    unshown_.try_emplace(batch.partition, record.offset);
                    break;
                }
                ++count_;
                std::size_t before = output_.buffer().size();
                shown = format_.write(batch, record, output_.buffer());
                if (shown || !skip_errors_) continue;
                output_.buffer().resize(before);
                output_.error(shown.error().message);
                shown = {};
            }
        }
        return shown;
    }

    env::Shard& shard_;
    client::Consumer& consumer_;
    MessageFormat& format_;
    Output& output_;
    ShowingLimits limits_;
    bool skip_errors_ = false;
    std::int64_t count_ = 0;
    std::map<client::TopicPartition, std::int64_t> unshown_;
};

Task<int> consume(env::Shard& shard, const Arguments& arguments, Output& output) {
    if (auto checked = check(arguments); !checked) co_return output.fail(checked.error());
    auto config = consumer_config(shard, arguments);
    if (!config) co_return output.fail(config.error());
    auto format = chosen_format(shard, arguments);
    if (!format) co_return output.fail(format.error());

    client::Cluster cluster(shard, config->cluster());
    auto consumer = client::Consumer::create(cluster, *config);
    if (!consumer) co_return output.fail(consumer.error());
    Showing showing(shard, arguments, **consumer, **format, output);
    Result<> shown = choose(arguments, **consumer);
    if (shown) shown = co_await until_interrupted(output.process(), showing.run());
    co_await output.flush(shard);
    showing.give_back();
    auto closed = co_await (*consumer)->close();
    co_await cluster.close();
    co_return console_outcome(arguments, shown, closed, showing.count(), output);
}

}  // namespace

const Command tools::console_consumer{
    .name = "console-consumer",
    .kafka_name = "kafka-console-consumer",
    .summary = "show the records of topics",
    .flags = flags,
    .run = consume,
};

}  // namespace millrace::cli
