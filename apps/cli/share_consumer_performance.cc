#include <fmt/core.h>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/connect.h"
#include "cli/consumption.h"
#include "cli/interrupts.h"
#include "cli/java_format.h"
#include "cli/output.h"
#include "client/client_config.h"
#include "client/cluster.h"
#include "client/gather.h"
#include "client/share_consumer.h"
#include "env/shard.h"

namespace millrace::cli {

namespace {

constexpr Flag flags[] = {
    bootstrap_server().required(),
    value("topic", "TOPIC", "what to read").required(),
    value("num-records", "N", "how many records").int64(),
    value("group", "GROUP", "the share group to read as").otherwise("perf-share-consumer"),
    value("fetch-size", "BYTES", "fetch.max.bytes").otherwise("1048576").int32(),
    value("socket-buffer-size", "BYTES", "receive.buffer.bytes").otherwise("2097152").int32(),
    maybe_value("timeout", "MS", "give up when no record came for so long")
        .otherwise("10000")
        .int64(),
    value("reporting-interval", "MS", "how often there are figures on the way")
        .otherwise("5000")
        .int64(),
    value("threads", "N", "how many consumers share the records").otherwise("1").int32(),
    on_off("show-detailed-stats", "figures on the way"),
    on_off("show-consumer-stats", "figures of each consumer at the end"),
    on_off("hide-header", "no line that names the columns"),
    value("date-format", "PATTERN", "of times, as of Java's SimpleDateFormat")
        .otherwise("yyyy-MM-dd HH:mm:ss:SSS"),
    on_off("print-metrics", "what the consumers have counted, at the end"),
    value("command-property", "KEY=VALUE", "a property of the consumers").repeated(),
    command_config(),
    value("messages", "N", "use --num-records").int64().deprecated(),
    value("consumer.config", "FILE", "use --command-config").file().deprecated(),
};

constexpr std::int64_t most_consumers = 1000;

Result<> check(const Arguments& arguments) {
    RETURN_IF_ERROR(arguments.exactly_one({"num-records", "messages"}));
    RETURN_IF_ERROR(arguments.alone("command-config", {"consumer.config"}));
    if (arguments.number("reporting-interval").value_or(1) <= 0) {
        return misuse("--reporting-interval has to be greater than 0");
    }
    std::int64_t count = arguments.number("threads").value_or(1);
    if (count >= 1 && count <= most_consumers) return {};
    return misuse(fmt::format("--threads has to be from 1 to {}", most_consumers));
}

Result<config::Properties> consumer_properties(env::Shard& shard, const Arguments& arguments) {
    ASSIGN_OR_RETURN(config::Properties properties,
                     client_properties(shard, arguments, {"command-config", "consumer.config"},
                                       {"command-property"}));
    properties.set("bootstrap.servers", std::string(arguments.text("bootstrap-server")));
    properties.set("group.id", std::string(arguments.text("group")));
    properties.set("receive.buffer.bytes", std::string(arguments.text("socket-buffer-size")));
    properties.set("fetch.max.bytes", std::string(arguments.text("fetch-size")));
    properties.set("check.crcs", "false");
    if (properties.find("client.id") == nullptr) {
        properties.set("client.id", "perf-share-consumer-client");
    }
    return properties;
}

// What all consumers share, and the figures that Java's tool makes of it.
class Measurement {
  public:
    Measurement(env::Shard& shard, const Arguments& arguments, const JavaDateFormat& dates,
                Output& output)
        : shard_(shard),
          dates_(dates),
          output_(output),
          wanted(
              arguments.number(arguments.has("messages") ? "messages" : "num-records").value_or(0)),
          timeout_ms(arguments.number("timeout").value_or(10'000)),
          report_ms(*arguments.number("reporting-interval")),
          detailed(arguments.has("show-detailed-stats")),
          began_(shard.wall_ms()) {}

    std::int64_t now() const { return shard_.wall_ms(); }
    bool done() const { return total.records >= wanted; }
    void end() { ended_ = now(); }

    // "START, END, MB, MB a second, records a second, records, ms"
    std::string figures(const Consumption& counts, const Consumption& since, Timestamp from,
                        Timestamp to) const {
        double seconds = static_cast<double>(to - from) / 1000.0;
        auto per_second = [&](double amount) { return java_number(amount / seconds, 4); };
        return fmt::format("{}, {}, {:.4f}, {}, {}, {}, {}", shown(from), shown(to),
                           megabytes(counts.bytes),
                           per_second(megabytes(counts.bytes - since.bytes)),
                           per_second(static_cast<double>(counts.records - since.records)),
                           counts.records, to - from);
    }
    std::string final_figures(const Consumption& counts) const {
        return figures(counts, {}, began_, ended_);
    }
    Output& output() { return output_; }
    Task<bool> flush() { return output_.flush(shard_); }

  private:
    std::string shown(Timestamp time) const {
        return dates_.format(time, output_.process().ahead_of_utc(time));
    }

    env::Shard& shard_;
    const JavaDateFormat& dates_;
    Output& output_;

  public:
    const std::int64_t wanted;
    const std::int64_t timeout_ms;
    const std::int64_t report_ms;
    const bool detailed;
    Consumption total;

  private:
    Timestamp began_;
    Timestamp ended_ = 0;
};

// One of the consumers.
class Reader {
  public:
    static Result<std::unique_ptr<Reader>> create(env::Shard& shard, config::Properties properties,
                                                  std::size_t number) {
        ASSIGN_OR_RETURN(auto config, client::ShareConsumerConfig::parse(properties.all()));
        auto reader = std::make_unique<Reader>(shard, config, number);
        ASSIGN_OR_RETURN(reader->consumer_,
                         client::ShareConsumer::create(reader->cluster_, config));
        return reader;
    }
    Reader(env::Shard& shard, const client::ShareConsumerConfig& config, std::size_t number)
        : cluster_(shard, config.cluster()), number_(number), client_id_(config.client_id()) {}

    Task<Result<>> run(Measurement& all, std::string topic) {
        CO_RETURN_IF_ERROR(consumer_->subscribe({topic}));
        std::int64_t now = all.now();
        std::int64_t consumed = now;
        reported_ = now;
        while (!all.done() && now - consumed <= all.timeout_ms) {
            ASSIGN_OR_CO_RETURN(client::ShareRecords records,
                                co_await consumer_->poll(Duration::milliseconds(100)));
            now = all.now();
            if (records.empty()) continue;
            consumed = now;
            for (const client::AcquiredBatch& batch : records.batches)
                for (const Record& record : batch.records) count(record, all);
            if (now - reported_ >= all.report_ms) co_await report(all, now);
        }
        co_return Result<>();
    }
    Task<void> commit() { (void)co_await consumer_->commit(); }
    Task<Result<>> close() {
        Result<> closed = co_await consumer_->close(Duration::milliseconds(500));
        co_await cluster_.close();
        co_return closed;
    }
    const Consumption& counts() const { return counts_; }
    std::size_t number() const { return number_; }
    const std::string& client_id() const { return client_id_; }

  private:
    void count(const Record& record, Measurement& all) {
        counts_.add(record);
        all.total.add(record);
    }
    Task<void> report(Measurement& all, Timestamp now) {
        if (all.detailed) {
            all.output().line("{} for share consumer {}",
                              all.figures(counts_, told_, reported_, now), number_);
            co_await all.flush();
        }
        told_ = counts_;
        reported_ = now;
    }

    client::Cluster cluster_;
    std::unique_ptr<client::ShareConsumer> consumer_;
    std::size_t number_;
    std::string client_id_;
    Consumption counts_;
    Consumption told_;
    Timestamp reported_ = 0;
};

using Readers = std::vector<std::unique_ptr<Reader>>;

Task<Result<>> read_all(Readers& readers, Measurement& measurement, std::string topic) {
    std::vector<Task<Result<>>> tasks;
    for (auto& reader : readers) tasks.push_back(reader->run(measurement, topic));
    for (Result<>& outcome : co_await client::gather(std::move(tasks)))
        CO_RETURN_IF_ERROR(std::move(outcome));
    co_return Result<>();
}

void tell(const Arguments& arguments, const Readers& readers, const Measurement& measurement,
          Output& output) {
    if (arguments.has("show-consumer-stats")) {
        for (const auto& reader : readers)
            output.line("Share consumer {} having client id {} consumption metrics- {}",
                        reader->number(), reader->client_id(),
                        measurement.final_figures(reader->counts()));
    }
    if (!measurement.done()) warn_of_timeout(measurement.timeout_ms, output);
    output.line("{}", measurement.final_figures(measurement.total));
    if (!arguments.has("print-metrics")) return;
    for (const auto& reader : readers)
        print_metrics(reader->counts(), "consumer-share-fetch-manager-metrics", reader->client_id(),
                      output);
}

Task<int> consume(env::Shard& shard, const Arguments& arguments, Output& output) {
    if (auto checked = check(arguments); !checked) co_return output.fail(checked.error());
    auto dates = JavaDateFormat::parse(arguments.text("date-format"));
    if (!dates) co_return output.fail(dates.error());
    auto properties = consumer_properties(shard, arguments);
    if (!properties) co_return output.fail(properties.error());
    Readers readers;
    auto count = static_cast<std::size_t>(*arguments.number("threads"));
    std::string client_id(properties->get("client.id"));
    Result<> read;
    for (std::size_t i = 1; i <= count && read; ++i) {
        if (count > 1) properties->set("client.id", fmt::format("{}-{}", client_id, i));
        auto reader = Reader::create(shard, *properties, i);
        if (!reader) co_return output.fail(reader.error());
        readers.push_back(*std::move(reader));
    }
    if (!arguments.has("hide-header")) {
        output.line(
            "start.time, end.time, data.consumed.in.MB, MB.sec, nMsg.sec, "
            "data.consumed.in.nMsg, fetch.time.ms");
    }
    Measurement measurement(shard, arguments, *dates, output);
    read = co_await until_interrupted(
        output.process(), read_all(readers, measurement, std::string(arguments.text("topic"))));
    measurement.end();
    for (auto& reader : readers) co_await reader->commit();
    tell(arguments, readers, measurement, output);
    for (auto& reader : readers) {
        Result<> closed = co_await reader->close();
        if (read && !closed) read = std::move(closed);
    }
    co_return read ? 0 : output.fail(read.error());
}

}  // namespace

const Command tools::share_consumer_performance{
    .name = "share-consumer-perf-test",
    .kafka_name = "kafka-share-consumer-perf-test",
    .summary = "measure how fast the members of a share group read records",
    .flags = flags,
    .run = consume,
};

}  // namespace millrace::cli
