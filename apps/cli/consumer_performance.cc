#include <fmt/core.h>
#include <optional>
#include <string>

#include "base/random.h"
#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/connect.h"
#include "cli/consumption.h"
#include "cli/interrupts.h"
#include "cli/java_format.h"
#include "cli/output.h"
#include "client/client_config.h"
#include "client/cluster.h"
#include "client/consumer.h"
#include "env/shard.h"

namespace millrace::cli {

namespace {

constexpr Flag flags[] = {
    bootstrap_server().required(),
    value("topic", "TOPIC", "what to read"),
    value("include", "REGEX", "read every topic whose name matches (RE2)"),
    value("num-records", "N", "how many records").int64(),
    value("group", "GROUP", "the group to read as").otherwise("perf-consumer-<random>"),
    on_off("from-latest", "begin with what comes now, where nothing is committed"),
    value("fetch-size", "BYTES", "max.partition.fetch.bytes").otherwise("1048576").int32(),
    value("socket-buffer-size", "BYTES", "receive.buffer.bytes").otherwise("2097152").int32(),
    maybe_value("timeout", "MS", "give up when no record came for so long")
        .otherwise("10000")
        .int64(),
    value("reporting-interval", "MS", "how often there are figures on the way")
        .otherwise("5000")
        .int64(),
    on_off("show-detailed-stats", "figures on the way instead of those at the end"),
    on_off("hide-header", "no line that names the columns"),
    value("date-format", "PATTERN", "of times, as of Java's SimpleDateFormat")
        .otherwise("yyyy-MM-dd HH:mm:ss:SSS"),
    on_off("print-metrics", "what the consumer has counted, at the end"),
    value("command-property", "KEY=VALUE", "a property of the consumer").repeated(),
    command_config(),
    value("messages", "N", "use --num-records").int64().deprecated(),
    value("consumer.config", "FILE", "use --command-config").file().deprecated(),
};

Result<> check(const Arguments& arguments) {
    RETURN_IF_ERROR(arguments.exactly_one({"topic", "include"}));
    RETURN_IF_ERROR(arguments.exactly_one({"num-records", "messages"}));
    RETURN_IF_ERROR(arguments.alone("command-config", {"consumer.config"}));
    if (arguments.number("reporting-interval").value_or(1) > 0) return {};
    return misuse("--reporting-interval has to be greater than 0");
}

Result<client::ConsumerConfig> consumer_config(env::Shard& shard, const Arguments& arguments) {
    ASSIGN_OR_RETURN(config::Properties properties,
                     client_properties(shard, arguments, {"command-config", "consumer.config"},
                                       {"command-property"}));
    properties.set("bootstrap.servers", std::string(arguments.text("bootstrap-server")));
    properties.set("group.id", arguments.has("group") ? std::string(arguments.text("group"))
                                                      : fmt::format("perf-consumer-{}",
                                                                    shard.random().below(100'000)));
    properties.set("receive.buffer.bytes", std::string(arguments.text("socket-buffer-size")));
    properties.set("max.partition.fetch.bytes", std::string(arguments.text("fetch-size")));
    properties.set("auto.offset.reset", arguments.has("from-latest") ? "latest" : "earliest");
    properties.set("check.crcs", "false");
    if (properties.find("client.id") == nullptr) {
        properties.set("client.id", "perf-consumer-client");
    }
    return client::ConsumerConfig::parse(properties.all());
}

// How long the group was without partitions for this member.
class JoinTime final : public client::RebalanceListener {
  public:
    explicit JoinTime(env::Shard& shard) : shard_(shard), since_(shard.wall_ms()) {}
    Task<void> assigned(const client::Partitions&) override {
        std::int64_t took = shard_.wall_ms() - since_;
        total_ += took;
        round_ += took;
        co_return;
    }
    Task<void> revoked(const client::Partitions&) override {
        since_ = shard_.wall_ms();
        co_return;
    }
    std::int64_t total() const { return total_; }
    std::int64_t take_round() { return std::exchange(round_, 0); }

  private:
    env::Shard& shard_;
    Timestamp since_;
    std::int64_t total_ = 0;
    std::int64_t round_ = 0;
};

std::string per_second(double amount, std::int64_t ms) {
    return java_number(1000.0 * amount / static_cast<double>(ms), 4);
}

class Reading {
  public:
    Reading(env::Shard& shard, const Arguments& arguments, const JavaDateFormat& dates,
            client::Consumer& consumer, Output& output)
        : shard_(shard),
          dates_(dates),
          consumer_(consumer),
          output_(output),
          wanted_(
              arguments.number(arguments.has("messages") ? "messages" : "num-records").value_or(0)),
          timeout_ms_(arguments.number("timeout").value_or(10'000)),
          report_ms_(*arguments.number("reporting-interval")),
          detailed_(arguments.has("show-detailed-stats")),
          join_(shard) {}

    client::RebalanceListener& listener() { return join_; }

    Task<Result<>> run() {
        began_ = reported_ = consumed_ = shard_.wall_ms();
        while (counts_.records < wanted_ && shard_.wall_ms() - consumed_ <= timeout_ms_) {
            ASSIGN_OR_CO_RETURN(client::ConsumerRecords records,
                                co_await consumer_.poll(Duration::milliseconds(100)));
            if (!records.empty()) consumed_ = shard_.wall_ms();
            count(records);
            if (shard_.wall_ms() - reported_ >= report_ms_) co_await report();
        }
        if (counts_.records < wanted_) {
            warn_of_timeout(timeout_ms_, output_);
        }
        co_return Result<>();
    }

    void print_totals() {
        if (detailed_) return;
        std::int64_t now = shard_.wall_ms();
        std::int64_t elapsed = now - began_;
        std::int64_t fetched = elapsed - join_.total();
        double size = megabytes(counts_.bytes);
        auto records = static_cast<double>(counts_.records);
        output_.line("{}, {}, {:.4f}, {}, {}, {}, {}, {}, {}, {}", shown(began_), shown(now), size,
                     per_second(size, elapsed), counts_.records, per_second(records, elapsed),
                     join_.total(), fetched, per_second(size, fetched),
                     per_second(records, fetched));
    }
    const Consumption& counts() const { return counts_; }

  private:
    std::string shown(Timestamp time) const {
        return dates_.format(time, output_.process().ahead_of_utc(time));
    }

    void count(const client::ConsumerRecords& records) {
        for (const client::ConsumedBatch& batch : records.batches) {
            for (const Record& record : batch.records) counts_.add(record);
        }
    }

    Task<void> report() {
        Timestamp now = shard_.wall_ms();
        if (detailed_) {
            std::int64_t elapsed = now - reported_;
            std::int64_t joined = join_.take_round();
            std::int64_t fetched = elapsed - joined;
            double size = megabytes(counts_.bytes - told_.bytes);
            auto records = static_cast<double>(counts_.records - told_.records);
            output_.line("{}, 0, {:.4f}, {}, {}, {}, {}, {}, {}, {}", shown(now),
                         megabytes(counts_.bytes), per_second(size, elapsed), counts_.records,
                         per_second(records, elapsed), joined, fetched,
                         fetched <= 0 ? "0.0000" : per_second(size, fetched),
                         fetched <= 0 ? "0.0000" : per_second(records, fetched));
            co_await output_.flush(shard_);
        }
        told_ = counts_;
        reported_ = now;
    }

    env::Shard& shard_;
    const JavaDateFormat& dates_;
    client::Consumer& consumer_;
    Output& output_;
    std::int64_t wanted_;
    std::int64_t timeout_ms_;
    std::int64_t report_ms_;
    bool detailed_;
    JoinTime join_;
    Consumption counts_;
    Consumption told_;
    Timestamp began_ = 0;
    Timestamp reported_ = 0;
    Timestamp consumed_ = 0;
};

void print_header(const Arguments& arguments, Output& output) {
    if (arguments.has("hide-header")) return;
    output.line(
        "{}, data.consumed.in.MB, MB.sec, data.consumed.in.nMsg, nMsg.sec, "
        "rebalance.time.ms, fetch.time.ms, fetch.MB.sec, fetch.nMsg.sec",
        arguments.has("show-detailed-stats") ? "time, threadId" : "start.time, end.time");
}

Task<int> consume(env::Shard& shard, const Arguments& arguments, Output& output) {
    if (auto checked = check(arguments); !checked) co_return output.fail(checked.error());
    auto dates = JavaDateFormat::parse(arguments.text("date-format"));
    if (!dates) co_return output.fail(dates.error());
    auto config = consumer_config(shard, arguments);
    if (!config) co_return output.fail(config.error());
    client::Cluster cluster(shard, config->cluster());
    auto consumer = client::Consumer::create(cluster, *config);
    if (!consumer) co_return output.fail(consumer.error());

    print_header(arguments, output);
    Reading reading(shard, arguments, *dates, **consumer, output);
    Result<> read =
        arguments.has("include")
            ? (*consumer)->subscribe_pattern(std::string(arguments.text("include")),
                                             &reading.listener())
            : (*consumer)->subscribe({std::string(arguments.text("topic"))}, &reading.listener());
    if (read) read = co_await until_interrupted(output.process(), reading.run());
    reading.print_totals();
    if (arguments.has("print-metrics")) {
        print_metrics(reading.counts(), "consumer-fetch-manager-metrics",
                      (*consumer)->config().client_id(), output);
    }
    auto closed = co_await (*consumer)->close();
    co_await cluster.close();
    if (!read) co_return output.fail(read.error());
    if (!closed) co_return output.fail(closed.error());
    co_return 0;
}

}  // namespace

const Command tools::consumer_performance{
    .name = "consumer-perf-test",
    .kafka_name = "kafka-consumer-perf-test",
    .summary = "measure how fast records are read",
    .flags = flags,
    .run = consume,
};

}  // namespace millrace::cli
