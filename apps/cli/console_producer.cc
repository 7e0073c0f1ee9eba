#include <fmt/core.h>

#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/connect.h"
#include "cli/interrupts.h"
#include "cli/line_reader.h"
#include "cli/message_reader.h"
#include "cli/output.h"
#include "client/client_config.h"
#include "client/cluster.h"
#include "client/producer.h"
#include "env/shard.h"

namespace millrace::cli {

namespace {

constexpr std::string_view line_reader_class = "org.apache.kafka.tools.LineMessageReader";

constexpr Flag flags[] = {
    bootstrap_server().required(),
    value("topic", "TOPIC", "where the records go").required(),
    command_config(),
    value("command-property", "KEY=VALUE", "a property of the producer").repeated(),
    value("reader-property", "KEY=VALUE",
          "how a line is taken apart: parse.key, key.separator, parse.headers, headers.delimiter, "
          "headers.separator, headers.key.separator, ignore.error, null.marker")
        .repeated(),
    value("reader-config", "FILE", "properties as of --reader-property").file(),
    on_off("sync", "wait for each record before the next"),
    maybe_value("compression-codec", "CODEC", "none when not given, gzip without a value")
        .choices("none gzip snappy lz4 zstd"),
    value("request-required-acks", "ACKS", "acks: 0, 1, -1 or all").otherwise("-1"),
    value("batch-size", "BYTES", "batch.size").otherwise("16384").int32(),
    value("timeout", "MS", "linger.ms: how long a batch waits for more").otherwise("1000").int64(),
    value("max-block-ms", "MS", "max.block.ms").otherwise("60000").int64(),
    value("max-memory-bytes", "BYTES", "buffer.memory").otherwise("33554432").int64(),
    value("message-send-max-retries", "N", "retries").otherwise("3").int32(),
    value("metadata-expiry-ms", "MS", "metadata.max.age.ms").otherwise("300000").int64(),
    value("request-timeout-ms", "MS", "request.timeout.ms").otherwise("1500").int32(),
    value("retry-backoff-ms", "MS", "retry.backoff.ms").otherwise("100").int64(),
    value("socket-buffer-size", "BYTES", "send.buffer.bytes").otherwise("102400").int32(),
    value("line-reader", "CLASS", "what reads the input; only this one is built in")
        .otherwise(line_reader_class),
    value("max-partition-memory-bytes", "BYTES", "use --batch-size")
        .otherwise("16384")
        .int32()
        .deprecated(),
    value("producer-property", "KEY=VALUE", "use --command-property").repeated().deprecated(),
    value("producer.config", "FILE", "use --command-config").file().deprecated(),
    value("property", "KEY=VALUE", "use --reader-property").repeated().deprecated(),
};

// Which property of the producer a flag is; a flag that was given wins over the property, the
// property over the flag's default.
struct Merged {
    std::string_view flag;
    std::string_view property;
};
constexpr Merged merged_flags[] = {
    {"timeout", "linger.ms"},
    {"request-required-acks", "acks"},
    {"request-timeout-ms", "request.timeout.ms"},
    {"message-send-max-retries", "retries"},
    {"retry-backoff-ms", "retry.backoff.ms"},
    {"socket-buffer-size", "send.buffer.bytes"},
    {"max-memory-bytes", "buffer.memory"},
    {"batch-size", "batch.size"},
    {"max-partition-memory-bytes", "batch.size"},
    {"metadata-expiry-ms", "metadata.max.age.ms"},
    {"max-block-ms", "max.block.ms"},
};

Result<> check(const Arguments& arguments) {
    RETURN_IF_ERROR(arguments.alone("command-config", {"producer.config"}));
    RETURN_IF_ERROR(arguments.alone("command-property", {"producer-property"}));
    RETURN_IF_ERROR(arguments.alone("reader-property", {"property"}));
    std::string_view reader = arguments.text("line-reader");
    if (reader != line_reader_class && reader != "LineMessageReader") {
        return misuse(
            fmt::format("--line-reader: {} is not built in, only {}", reader, line_reader_class));
    }
    return {};
}

Result<client::ProducerConfig> producer_config(env::Shard& shard, const Arguments& arguments) {
    ASSIGN_OR_RETURN(config::Properties properties,
                     client_properties(shard, arguments, {"command-config", "producer.config"},
                                       {"command-property", "producer-property"}));
    properties.set("bootstrap.servers", std::string(arguments.text("bootstrap-server")));
    std::string_view codec = arguments.given("compression-codec").value_or("");
    if (codec.empty()) codec = arguments.has("compression-codec") ? "gzip" : "none";
    properties.set("compression.type", std::string(codec));
    if (properties.find("client.id") == nullptr) properties.set("client.id", "console-producer");
    for (const Merged& merged : merged_flags) {
        if (arguments.has(merged.flag) || properties.find(merged.property) == nullptr) {
            properties.set(std::string(merged.property), std::string(arguments.text(merged.flag)));
        }
    }
    return client::ProducerConfig::parse(properties.all());
}

Result<MessageReader> message_reader(env::Shard& shard, const Arguments& arguments) {
    config::Properties properties;
    if (arguments.has("reader-config")) {
        ASSIGN_OR_RETURN(properties,
                         client::read_properties(shard, arguments.text("reader-config")));
    }
    RETURN_IF_ERROR(add_assignments(arguments, "property", properties));
    RETURN_IF_ERROR(add_assignments(arguments, "reader-property", properties));
    return MessageReader::create(properties);
}

// Says which records were lost, the first few times.
class Losses final : public client::DeliveryObserver {
  public:
    explicit Losses(Output& output) : output_(output) {}

    void delivered(const client::BatchDelivery& batch) override {
        if (batch.error == nullptr) return;
        lost_ += static_cast<std::uint64_t>(batch.count);
        tell(fmt::format("{} records for {}-{} were not taken: {}", batch.count, batch.topic,
                         batch.partition, batch.error->message));
    }
    void refused(const Error& error) {
        ++lost_;
        tell(error.message);
    }
    std::uint64_t lost() const { return lost_; }

  private:
    void tell(std::string_view sentence) {
        constexpr int most = 10;
        if (told_ < most) output_.error(sentence);
        if (++told_ == most) output_.error("More such errors are counted, but not told.");
    }

    Output& output_;
    std::uint64_t lost_ = 0;
    int told_ = 0;
};

struct Run {
    env::Shard& shard;
    Output& output;
    client::Producer& producer;
    MessageReader messages;
    std::string_view topic;
    bool sync;
    Losses& losses;
};

// Sends one line. An Error ends the run: a line that cannot be read, or a failure with --sync.
Task<Result<>> send(Run& run, std::string_view line, std::uint64_t number) {
    ASSIGN_OR_CO_RETURN(const MessageReader::Message* message, run.messages.read(line, number));
    client::ProducerRecord record{.topic = run.topic,
                                  .key = message->key,
                                  .value = message->value,
                                  .headers = message->headers};
    auto delivery = co_await run.producer.send(record);
    if (!delivery) {
        if (run.sync) co_return fail(std::move(delivery).error());
        run.losses.refused(delivery.error());
        co_return Result<>();
    }
    if (run.sync) CO_RETURN_IF_ERROR(co_await delivery->get());
    co_return Result<>();
}

// As many of the lines that are here as the producer takes without waiting. False: the last line,
// which `line` is, has to wait.
Result<bool> offer_lines(Run& run, LineReader& lines, std::optional<std::string_view>& line) {
    while ((line = lines.next())) {
        if (run.sync) return false;
        ASSIGN_OR_RETURN(const MessageReader::Message* message,
                         run.messages.read(*line, lines.number()));
        client::ProducerRecord record{.topic = run.topic,
                                      .key = message->key,
                                      .value = message->value,
                                      .headers = message->headers};
        auto taken = run.producer.offer(record);
        if (!taken) {
            run.losses.refused(taken.error());
        } else if (!*taken) {
            return false;
        }
    }
    return true;
}

Task<Result<>> send_input(Run& run) {
    Process& process = run.output.process();
    LineReader lines(process);
    bool more = true;
    while (more) {
        std::optional<std::string_view> line;
        ASSIGN_OR_CO_RETURN(bool all, offer_lines(run, lines, line));
        if (!all) {
            CO_RETURN_IF_ERROR(co_await send(run, *line, lines.number()));
            if (run.sync && process.asks_a_person()) process.write_output(">");
            continue;
        }
        if (process.asks_a_person() && !run.sync) process.write_output(">");
        auto filled = co_await lines.fill(run.shard);
        if (!filled) co_return fail(std::move(filled).error());
        more = *filled;
    }
    co_return Result<>();
}

Task<int> produce(env::Shard& shard, const Arguments& arguments, Output& output) {
    if (auto checked = check(arguments); !checked) co_return output.fail(checked.error());
    auto config = producer_config(shard, arguments);
    if (!config) co_return output.fail(config.error());
    auto messages = message_reader(shard, arguments);
    if (!messages) co_return output.fail(messages.error());

    client::Cluster cluster(shard, config->cluster());
    auto producer = client::Producer::create(cluster, *config);
    if (!producer) co_return output.fail(producer.error());
    Losses losses(output);
    (*producer)->observe(&losses);
    Run run{shard,
            output,
            **producer,
            *std::move(messages),
            arguments.text("topic"),
            arguments.has("sync"),
            losses};
    // What was taken until an interrupt is sent all the same.
    auto sent = co_await until_interrupted(output.process(), send_input(run));
    auto closed = co_await (*producer)->close();
    co_await cluster.close();
    if (!sent) co_return output.fail(sent.error());
    if (losses.lost() > 0) {
        co_return output.fail(fmt::format("{} records were not taken.", losses.lost()));
    }
    if (!closed) co_return output.fail(closed.error());
    co_return 0;
}

}  // namespace

const Command tools::console_producer{
    .name = "console-producer",
    .kafka_name = "kafka-console-producer",
    .summary = "send the lines of standard input as records",
    .flags = flags,
    .run = produce,
};

}  // namespace millrace::cli
