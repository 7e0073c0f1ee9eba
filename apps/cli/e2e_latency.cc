#include <algorithm>
#include <fmt/core.h>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/connect.h"
#include "cli/interrupts.h"
#include "cli/java_format.h"
#include "cli/latency_figures.h"
#include "cli/output.h"
#include "client/admin.h"
#include "client/admin_topics.h"
#include "client/client_config.h"
#include "client/cluster.h"
#include "client/consumer.h"
#include "client/producer.h"
#include "env/shard.h"

namespace millrace::cli {

namespace {

constexpr Flag flags[] = {
    bootstrap_server().required(),
    value("topic", "TOPIC", "where the records go; made when it is not there").required(),
    value("num-records", "N", "how many records, one after the other").required().int32(),
    value("producer-acks", "ACKS", "1 or all").required().choices("1 all"),
    value("record-size", "BYTES", "of a record's value").required().int32(),
    maybe_value("record-key-size", "BYTES", "of its key; 0: none").otherwise("0").int32(),
    maybe_value("num-headers", "N", "how many headers it has").otherwise("0").int32(),
    maybe_value("record-header-key-size", "BYTES", "of each header's key").otherwise("0").int32(),
    maybe_value("record-header-size", "BYTES", "of each header's value; -1: null")
        .otherwise("0")
        .int32(),
    maybe_value("command-config", "FILE", "properties of the clients").file(),
};

constexpr Duration longest_wait = Duration::seconds(60);

std::string letters(Random& random, std::int64_t count) {
    std::string text(static_cast<std::size_t>(count), '\0');
    for (char& letter : text) letter = static_cast<char>('A' + random.below(26));
    return text;
}

Result<> check(const Arguments& arguments) {
    for (std::string_view flag : {"num-records", "record-size"}) {
        if (*arguments.number(flag) <= 0) {
            return misuse(fmt::format("--{} has to be greater than 0", flag));
        }
    }
    for (std::string_view flag : {"record-key-size", "num-headers", "record-header-key-size"}) {
        if (arguments.number(flag).value_or(0) < 0) {
            return misuse(fmt::format("--{} has to be 0 or more", flag));
        }
    }
    if (arguments.number("record-header-size").value_or(0) >= -1) return {};
    return misuse("--record-header-size has to be -1 or more");
}

// One record at a time is sent, acknowledged, and waited for.
class Trip {
  public:
    Trip(env::Shard& shard, const Arguments& arguments, client::Producer& producer,
         client::Consumer& consumer, Output& output)
        : shard_(shard),
          arguments_(arguments),
          producer_(producer),
          consumer_(consumer),
          output_(output) {}

    Task<Result<>> run() {
        CO_RETURN_IF_ERROR(co_await begin());
        std::int64_t count = *arguments_.number("num-records");
        double total_ms = 0;
        std::vector<std::int64_t> latencies;
        latencies.reserve(static_cast<std::size_t>(count));
        for (std::int64_t i = 0; i < count; ++i) {
            ASSIGN_OR_CO_RETURN(Duration took, co_await round());
            double ms = took.in_seconds() * 1e3;
            if (i % 1000 == 0) {
                output_.line("{}\t{}", i, ms);
                co_await output_.flush(shard_);
            }
            total_ms += ms;
            latencies.push_back(took.ms());
        }
        std::ranges::sort(latencies);
        output_.line("Avg latency: {} ms", java_number(total_ms / static_cast<double>(count), 4));
        output_.line("Percentiles: 50th = {}, 99th = {}, 99.9th = {}", at_fraction(latencies, 0.5),
                     at_fraction(latencies, 0.99), at_fraction(latencies, 0.999));
        co_return Result<>();
    }

  private:
    // At the end of every partition.
    Task<Result<>> begin() {
        std::string topic(arguments_.text("topic"));
        ASSIGN_OR_CO_RETURN(auto info, co_await consumer_.partitions_for(topic));
        client::Partitions all;
        for (std::size_t i = 0; i < info->partitions.size(); ++i) {
            all.push_back({topic, static_cast<std::int32_t>(i)});
        }
        CO_RETURN_IF_ERROR(consumer_.assign(all));
        CO_RETURN_IF_ERROR(consumer_.seek_to_end());
        for (const client::TopicPartition& partition : all) {
            ASSIGN_OR_CO_RETURN([[maybe_unused]] std::int64_t end,
                                co_await consumer_.position(partition));
        }
        co_return Result<>();
    }

    Task<Result<Duration>> round() {
        make_record();
        Time began = shard_.now();
        ASSIGN_OR_CO_RETURN(client::Delivery delivery, co_await producer_.send(record_));
        ASSIGN_OR_CO_RETURN([[maybe_unused]] client::RecordMetadata where, co_await delivery.get());
        ASSIGN_OR_CO_RETURN(client::ConsumerRecords read, co_await consumer_.poll(longest_wait));
        Duration took = shard_.now() - began;
        if (read.empty()) {
            co_return fail(ErrorCode::request_timed_out,
                           fmt::format("poll() timed out before finding a result (timeout:[{}ms])",
                                       longest_wait.ms()));
        }
        CO_RETURN_IF_ERROR(compare(read));
        co_return took;
    }

    void make_record() {
        Random& random = shard_.random();
        auto size = [&](std::string_view flag) { return arguments_.number(flag).value_or(0); };
        value_ = letters(random, size("record-size"));
        key_ = letters(random, size("record-key-size"));
        header_key_ = letters(random, size("record-header-key-size"));
        std::int64_t header_size = size("record-header-size");
        header_value_ = letters(random, std::max<std::int64_t>(header_size, 0));
        RecordHeader header{.key = header_key_};
        if (header_size >= 0) header.value = as_bytes(header_value_);
        headers_.assign(static_cast<std::size_t>(size("num-headers")), header);
        record_ = {.topic = arguments_.text("topic"), .value = as_bytes(value_)};
        if (!key_.empty()) record_.key = as_bytes(key_);
        record_.headers = headers_;
    }

    Result<> compare(const client::ConsumerRecords& read) const {
        auto differs = [](std::string sentence) {
            return fail(ErrorCode::corrupt_message, std::move(sentence));
        };
        if (read.count != 1) {
            return differs(fmt::format(
                "Only one result was expected during this test. We found [{}]", read.count));
        }
        const Record& record = read.batches.front().records.front();
        if (!record.value || as_string(*record.value) != value_) {
            return differs("The record that was read has another value than the one that was sent");
        }
        if (as_string(record.key.value_or(Bytes())) != key_) {
            return differs("The record that was read has another key than the one that was sent");
        }
        if (std::cmp_not_equal(record.headers.size(), headers_.size())) {
            return differs("The record that was read has other headers than the one that was sent");
        }
        return {};
    }

    env::Shard& shard_;
    const Arguments& arguments_;
    client::Producer& producer_;
    client::Consumer& consumer_;
    Output& output_;
    std::string value_, key_, header_key_, header_value_;
    std::vector<RecordHeader> headers_;
    client::ProducerRecord record_;
};

Task<Result<>> make_topic(client::Admin& admin, const Arguments& arguments, Output& output) {
    std::string topic(arguments.text("topic"));
    ASSIGN_OR_CO_RETURN(auto there, co_await client::list_topics(admin, true));
    auto found = std::ranges::find(there, topic, &client::TopicListing::name);
    if (found != there.end()) co_return Result<>();
    output.line(
        "Topic \"{}\" does not exist. Will create topic with 1 partition(s) and replication factor "
        "= 1",
        topic);
    client::NewTopic wanted{.name = topic, .partitions = 1, .replication_factor = 1};
    auto made = co_await client::create_topics(admin, {std::move(wanted)});
    for (auto& [name, outcome] : made) {
        if (!outcome) co_return fail(std::move(outcome).error());
    }
    co_return Result<>();
}

struct Clients {
    client::ProducerConfig producer;
    client::ConsumerConfig consumer;
};

Result<Clients> configs(env::Shard& shard, const Arguments& arguments) {
    ASSIGN_OR_RETURN(config::Properties given,
                     client_properties(shard, arguments, {"command-config"}, {}));
    given.set("bootstrap.servers", std::string(arguments.text("bootstrap-server")));
    config::Properties producer = given;
    producer.set("linger.ms", "0");
    producer.set("acks", std::string(arguments.text("producer-acks")));
    config::Properties consumer = given;
    consumer.set("group.id", fmt::format("test-group-{}", shard.wall_ms()));
    consumer.set("enable.auto.commit", "false");
    consumer.set("auto.offset.reset", "latest");
    consumer.set("fetch.max.wait.ms", "0");
    ASSIGN_OR_RETURN(client::ProducerConfig of_producer,
                     client::ProducerConfig::parse(producer.all()));
    ASSIGN_OR_RETURN(client::ConsumerConfig of_consumer,
                     client::ConsumerConfig::parse(consumer.all()));
    return Clients{std::move(of_producer), std::move(of_consumer)};
}

Task<Result<>> travel(env::Shard& shard, const Arguments& arguments, const Clients& clients,
                      Output& output) {
    client::Cluster cluster(shard, clients.producer.cluster());
    Result<> outcome;
    auto producer = client::Producer::create(cluster, clients.producer);
    auto consumer = client::Consumer::create(cluster, clients.consumer);
    if (!producer) outcome = fail(producer.error());
    if (!consumer) outcome = fail(consumer.error());
    if (outcome) {
        Trip trip(shard, arguments, **producer, **consumer, output);
        outcome = co_await until_interrupted(output.process(), trip.run());
    }
    if (consumer) (void)co_await (*consumer)->close();
    if (producer) (void)co_await (*producer)->close();
    co_await cluster.close();
    co_return outcome;
}

Task<int> measure(env::Shard& shard, const Arguments& arguments, Output& output) {
    if (auto checked = check(arguments); !checked) co_return output.fail(checked.error());
    auto clients = configs(shard, arguments);
    if (!clients) co_return output.fail(clients.error());
    int made = co_await run_with_admin(shard, arguments, output, make_topic);
    if (made != 0) co_return made;
    Result<> travelled = co_await travel(shard, arguments, *clients, output);
    co_return travelled ? 0 : output.fail(travelled.error());
}

}  // namespace

const Command tools::e2e_latency{
    .name = "e2e-latency",
    .kafka_name = "kafka-e2e-latency",
    .summary = "measure how long a record takes from a producer to a consumer",
    .flags = flags,
    .run = measure,
};

}  // namespace millrace::cli
