#include <fmt/core.h>
#include <optional>
#include <string>

#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/connect.h"
#include "cli/delivered_records.h"
#include "cli/interrupts.h"
#include "cli/output.h"
#include "cli/pace.h"
#include "cli/verifiable_events.h"
#include "client/client_config.h"
#include "client/cluster.h"
#include "client/producer.h"
#include "env/shard.h"

namespace millrace::cli {

namespace {

namespace json = boost::json;

constexpr Flag flags[] = {
    bootstrap_server().required(),
    value("topic", "TOPIC", "where the numbers go").required(),
    value("max-messages", "N", "how many; -1: until it is interrupted").otherwise("-1").int64(),
    value("throughput", "N", "at most so many a second; -1: as many as there can be")
        .otherwise("-1")
        .int64(),
    value("acks", "ACKS", "acks: 0, 1 or -1").otherwise("-1").int32(),
    value("message-create-time", "MS", "timestamp of the first, since 1970; the others follow it")
        .otherwise("-1")
        .int64(),
    value("value-prefix", "N", "stands before each number, with a dot between").int32(),
    value("repeating-keys", "N", "keys go from 0 up to this, and then again").int32(),
    command_config(),
    value("producer.config", "FILE", "use --command-config").file().deprecated(),
};

struct Sent {
    std::optional<std::string> key;
    std::string value;
};

json::value or_null(const std::optional<std::string>& text) {
    return text ? json::value(*text) : json::value(nullptr);
}

class Outcomes final : public DeliveredRecords<Sent> {
  public:
    explicit Outcomes(VerifiableEvents& events) : events_(events) {}
    std::int64_t acked() const { return acked_; }

    void refused(const Sent& sent, std::string_view topic, const Error& error) {
        events_.tell("producer_send_error", {{"topic", topic},
                                             {"key", or_null(sent.key)},
                                             {"value", sent.value},
                                             {"exception", name_of(error.code)},
                                             {"message", error.message}});
    }

  private:
    void outcome(const Sent& sent, const client::BatchDelivery& batch,
                 std::int32_t index) override {
        if (batch.error != nullptr) return refused(sent, batch.topic, *batch.error);
        ++acked_;
        std::int64_t offset = batch.base_offset < 0 ? -1 : batch.base_offset + index;
        events_.tell("producer_send_success", {{"key", or_null(sent.key)},
                                               {"value", sent.value},
                                               {"offset", offset},
                                               {"topic", batch.topic},
                                               {"partition", batch.partition}});
    }

    VerifiableEvents& events_;
    std::int64_t acked_ = 0;
};

class Numbers {
  public:
    Numbers(env::Shard& shard, const Arguments& arguments, client::Producer& producer,
            Outcomes& outcomes, VerifiableEvents& events)
        : shard_(shard),
          arguments_(arguments),
          producer_(producer),
          outcomes_(outcomes),
          events_(events),
          keys_(arguments.number("repeating-keys")),
          create_time_(*arguments.number("message-create-time")),
          told_(shard.wall_ms()) {}

    std::int64_t sent() const { return sent_; }

    Task<Result<>> run() {
        std::int64_t most = *arguments_.number("max-messages");
        Pace pace(shard_, static_cast<double>(*arguments_.number("throughput")));
        while (most < 0 || sent_ < most) {
            co_await send();
            co_await pace.after(sent_);
            if (!co_await events_.flush()) break;  // nobody reads what is said
        }
        co_return Result<>();
    }

  private:
    Task<void> send() {
        Sent next = next_record();
        client::ProducerRecord record{.topic = arguments_.text("topic"),
                                      .timestamp = next_timestamp(),
                                      .value = as_bytes(next.value)};
        if (next.key) record.key = as_bytes(*next.key);
        ++sent_;
        outcomes_.next(next);
        auto delivery = co_await producer_.send(record);
        if (!delivery) outcomes_.refused(next, record.topic, delivery.error());
    }

    Sent next_record() const {
        Sent next{.value = std::to_string(sent_)};
        if (arguments_.has("value-prefix")) {
            next.value = fmt::format("{}.{}", arguments_.text("value-prefix"), next.value);
        }
        if (keys_) next.key = std::to_string(*keys_ > 0 ? sent_ % *keys_ : 0);
        return next;
    }

    std::optional<Timestamp> next_timestamp() {
        if (create_time_ < 0) return std::nullopt;
        Timestamp next = create_time_;
        Timestamp now = shard_.wall_ms();
        create_time_ += now - std::exchange(told_, now);
        return next;
    }

    env::Shard& shard_;
    const Arguments& arguments_;
    client::Producer& producer_;
    Outcomes& outcomes_;
    VerifiableEvents& events_;
    std::optional<std::int64_t> keys_;
    Timestamp create_time_;
    Timestamp told_;
    std::int64_t sent_ = 0;
};

Result<client::ProducerConfig> producer_config(env::Shard& shard, const Arguments& arguments) {
    RETURN_IF_ERROR(arguments.alone("command-config", {"producer.config"}));
    ASSIGN_OR_RETURN(
        config::Properties properties,
        client_properties(shard, arguments, {"producer.config", "command-config"}, {}));
    properties.set("bootstrap.servers", std::string(arguments.text("bootstrap-server")));
    properties.set("acks", std::string(arguments.text("acks")));
    // Every failure is to be seen. What is idempotent tries again.
    properties.set("retries", "0");
    if (properties.find("enable.idempotence") == nullptr) {
        properties.set("enable.idempotence", "false");
    }
    return client::ProducerConfig::parse(properties.all());
}

Task<int> produce(env::Shard& shard, const Arguments& arguments, Output& output) {
    auto config = producer_config(shard, arguments);
    if (!config) co_return output.fail(config.error());
    client::Cluster cluster(shard, config->cluster());
    auto producer = client::Producer::create(cluster, *config);
    if (!producer) co_return output.fail(producer.error());

    VerifiableEvents events(shard, output);
    events.tell("startup_complete");
    Outcomes outcomes(events);
    (*producer)->observe(&outcomes);
    Timestamp began = shard.wall_ms();
    Numbers numbers(shard, arguments, **producer, outcomes, events);
    (void)co_await until_interrupted(output.process(), numbers.run());
    auto closed = co_await (*producer)->close();
    events.tell("shutdown_complete");
    auto seconds = static_cast<double>(shard.wall_ms() - began) / 1e3;
    auto acked = static_cast<double>(outcomes.acked());
    events.tell("tool_data", {{"sent", numbers.sent()},
                              {"acked", outcomes.acked()},
                              {"target_throughput", *arguments.number("throughput")},
                              {"avg_throughput", seconds > 0 ? acked / seconds : 0.0}});
    co_await cluster.close();
    if (!closed) co_return output.fail(closed.error());
    co_return 0;
}

}  // namespace

const Command tools::verifiable_producer{
    .name = "verifiable-producer",
    .kafka_name = "kafka-verifiable-producer",
    .summary = "send numbers, and say of each what became of it, as JSON",
    .flags = flags,
    .run = produce,
};

}  // namespace millrace::cli
