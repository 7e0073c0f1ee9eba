#include <algorithm>
#include <charconv>
#include <fmt/core.h>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "base/uuid.h"
#include "cli/arguments.h"
#include "cli/client_metrics.h"
#include "cli/commands.h"
#include "cli/connect.h"
#include "cli/delivered_records.h"
#include "cli/interrupts.h"
#include "cli/latency_figures.h"
#include "cli/output.h"
#include "cli/pace.h"
#include "client/client_config.h"
#include "client/cluster.h"
#include "client/producer.h"
#include "env/shard.h"

namespace millrace::cli {

namespace {

constexpr Flag flags[] = {
    bootstrap_server(),
    value("topic", "TOPIC", "where the records go").required(),
    value("num-records", "N", "how many records").required().int64(),
    value("record-size", "BYTES", "a record's value: so many random letters").int32(),
    value("payload-file", "FILE", "values, one of which is chosen at random each time").file(),
    value("payload-delimiter", "TEXT", "what stands between the values of --payload-file")
        .otherwise("\\n"),
    on_off("payload-monotonic", "values are 0, 1, 2, …"),
    value("throughput", "N", "at most so many records a second, -1: as many as there can be")
        .required(),
    value("command-property", "KEY=VALUE", "properties of the producer").several(),
    command_config(),
    on_off("print-metrics", "what the producer has counted, at the end"),
    value("transactional-id", "ID", "send in transactions with this id"),
    value("transaction-duration-ms", "MS", "how long a transaction stays open; 3000 with an id")
        .int64(),
    value("warmup-records", "N", "the first, which a second line of figures leaves out")
        .otherwise("0")
        .int64(),
    value("reporting-interval", "MS", "how often there are figures on the way")
        .otherwise("5000")
        .int64(),
    value("producer-props", "KEY=VALUE", "use --command-property").several().deprecated(),
    value("producer.config", "FILE", "use --command-config").file().deprecated(),
};

// What the command line asks for beyond the producer itself.
struct Plan {
    std::string_view topic;
    std::int64_t records = 0;
    std::int64_t warmup = 0;
    std::int64_t report_ms = 0;
    double rate = -1;
    std::size_t size = 0;               // of random values
    std::vector<std::string> payloads;  // of --payload-file
    bool monotonic = false;
    std::optional<Duration> transaction;  // none: without transactions
};

std::optional<double> parse_decimal(std::string_view text) {
    double number = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return number;
}

Result<> require_positive(const Arguments& arguments, std::string_view flag) {
    auto number = arguments.number(flag);
    if (!number || *number > 0) return {};
    return misuse(fmt::format("--{} has to be greater than 0", flag));
}

// "\n" in a delimiter is a line's end, as in the regular expression that Kafka's tool takes it for.
std::string unescaped(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        char next = i + 1 < text.size() ? text[i + 1] : '\0';
        bool escape =
            text[i] == '\\' && (next == 'n' || next == 't' || next == 'r' || next == '\\');
        if (!escape) {
            out += text[i];
            continue;
        }
        out += next == 'n' ? '\n' : next == 't' ? '\t' : next == 'r' ? '\r' : '\\';
        ++i;
    }
    return out;
}

Result<std::vector<std::string>> read_payloads(env::Shard& shard, const Arguments& arguments) {
    std::string path(arguments.text("payload-file"));
    ASSIGN_OR_RETURN(std::string content, read_named_file(shard, path));
    std::string delimiter = unescaped(arguments.text("payload-delimiter"));
    if (content.empty()) return misuse(fmt::format("{} is empty", path));
    if (delimiter.empty()) return misuse("--payload-delimiter is empty");
    std::vector<std::string> payloads;
    for (std::size_t begin = 0; begin < content.size();) {
        std::size_t end = std::min(content.find(delimiter, begin), content.size());
        payloads.push_back(content.substr(begin, end - begin));
        begin = end + delimiter.size();
    }
    return payloads;
}

Result<Plan> make_plan(env::Shard& shard, const Arguments& arguments) {
    RETURN_IF_ERROR(arguments.exactly_one({"record-size", "payload-file", "payload-monotonic"}));
    RETURN_IF_ERROR(arguments.alone("command-config", {"producer.config"}));
    RETURN_IF_ERROR(arguments.alone("command-property", {"producer-props"}));
    for (std::string_view flag :
         {"num-records", "record-size", "transaction-duration-ms", "reporting-interval"}) {
        RETURN_IF_ERROR(require_positive(arguments, flag));
    }
    Plan plan{.topic = arguments.text("topic"),
              .records = *arguments.number("num-records"),
              .warmup = *arguments.number("warmup-records"),
              .report_ms = *arguments.number("reporting-interval"),
              .size = static_cast<std::size_t>(arguments.number("record-size").value_or(0)),
              .monotonic = arguments.has("payload-monotonic")};
    auto rate = parse_decimal(arguments.text("throughput"));
    if (!rate) {
        return misuse(
            fmt::format("--throughput: '{}' is not a number", arguments.text("throughput")));
    }
    plan.rate = *rate;
    if (plan.warmup < 0 || plan.warmup >= plan.records) {
        return misuse("--warmup-records has to be fewer than --num-records, and not negative");
    }
    if (arguments.has("payload-file")) {
        ASSIGN_OR_RETURN(plan.payloads, read_payloads(shard, arguments));
    }
    return plan;
}

Result<client::ProducerConfig> producer_config(env::Shard& shard, const Arguments& arguments,
                                               Plan& plan) {
    ASSIGN_OR_RETURN(config::Properties properties,
                     client_properties(shard, arguments, {"command-config", "producer.config"},
                                       {"command-property", "producer-props"}));
    if (arguments.has("bootstrap-server")) {
        properties.set("bootstrap.servers", std::string(arguments.text("bootstrap-server")));
    } else if (properties.find("bootstrap.servers") == nullptr) {
        return misuse("--bootstrap-server is needed, or bootstrap.servers among the properties");
    }
    if (properties.find("client.id") == nullptr) {
        properties.set("client.id", "perf-producer-client");
    }
    if (arguments.has("transactional-id")) {
        properties.set("transactional.id", std::string(arguments.text("transactional-id")));
    }
    bool lasts = arguments.has("transaction-duration-ms");
    if (lasts && properties.find("transactional.id") == nullptr) {
        properties.set("transactional.id",
                       "performance-producer-" + Uuid::random(shard.random()).to_string());
    }
    if (properties.find("transactional.id") != nullptr) {
        plan.transaction =
            Duration::milliseconds(arguments.number("transaction-duration-ms").value_or(3000));
    }
    return client::ProducerConfig::parse(properties.all());
}

struct Sent {
    Time at;
    std::size_t bytes = 0;
    bool is_steady = false;
};

// Takes in outcomes, and prints figures when it is time.
class Figures final : public DeliveredRecords<Sent> {
  public:
    Figures(env::Shard& shard, Output& output, const Plan& plan)
        : shard_(shard),
          output_(output),
          report_ms_(plan.report_ms),
          all_(shard.wall_ms(), plan.records) {}

    void begin_steady(std::int64_t records) {
        steady_.emplace(shard_.wall_ms(), records, " steady state");
    }
    bool is_steady() const { return steady_.has_value(); }
    std::int64_t failed() const { return failed_; }
    void refused(const Error& error) {
        ++failed_;
        output_.error(error.message);
    }
    void print_totals() {
        output_.line("{}", all_.total_line(shard_.wall_ms()));
        if (steady_) output_.line("{}", steady_->total_line(shard_.wall_ms()));
    }

  private:
    void outcome(const Sent& sent, const client::BatchDelivery& batch, std::int32_t) override {
        if (batch.error != nullptr) return refused(*batch.error);
        std::int64_t ms = (shard_.now() - sent.at).ms();
        add(all_, ms, sent.bytes, !steady_);
        if (!sent.is_steady) return;
        if (steady_->window_lasted(shard_.wall_ms(), report_ms_) &&
            steady_->count() == steady_->window_count()) {
            output_.line("In steady state.");
        }
        add(*steady_, ms, sent.bytes, true);
    }
    void add(LatencyFigures& figures, std::int64_t ms, std::size_t bytes, bool told) {
        figures.add(ms, bytes);
        Timestamp now = shard_.wall_ms();
        if (!figures.window_lasted(now, report_ms_)) return;
        if (told) {
            output_.line("{}", figures.window_line(now));
            output_.flush();
        }
        figures.begin_window(now);
    }

    env::Shard& shard_;
    Output& output_;
    std::int64_t report_ms_;
    LatencyFigures all_;
    std::optional<LatencyFigures> steady_;
    std::int64_t failed_ = 0;
};

class Load {
  public:
    Load(env::Shard& shard, const Plan& plan, client::Producer& producer, Figures& figures)
        : shard_(shard), plan_(plan), producer_(producer), figures_(figures) {
        value_.resize(plan.size);
    }

    Task<Result<>> run() {
        if (plan_.transaction) CO_RETURN_IF_ERROR(co_await producer_.init_transactions());
        Pace pace(shard_, plan_.rate);
        for (std::int64_t i = 0; i < plan_.records; ++i) {
            if (plan_.warmup > 0 && i == plan_.warmup) {
                figures_.begin_steady(plan_.records - plan_.warmup);
            }
            CO_RETURN_IF_ERROR(co_await send(i));
            co_await pace.after(i + 1);
        }
        if (open_since_) CO_RETURN_IF_ERROR(co_await producer_.commit_transaction());
        co_return Result<>();
    }

  private:
    Task<Result<>> send(std::int64_t number) {
        Time now = shard_.now();
        if (plan_.transaction && !open_since_) {
            CO_RETURN_IF_ERROR(producer_.begin_transaction());
            open_since_ = now;
        }
        client::ProducerRecord record{.topic = plan_.topic, .value = as_bytes(next_value(number))};
        figures_.next({now, record.value->size(), figures_.is_steady()});
        Result<bool> taken = producer_.offer(record);
        if (taken && !*taken) {
            auto delivery = co_await producer_.send(record);
            if (!delivery) taken = fail(std::move(delivery).error());
        }
        if (!taken) figures_.refused(taken.error());
        if (open_since_ && now - *open_since_ >= *plan_.transaction) {
            CO_RETURN_IF_ERROR(co_await producer_.commit_transaction());
            open_since_.reset();
        }
        co_return Result<>();
    }

    std::string_view next_value(std::int64_t number) {
        Random& random = shard_.random();
        if (!plan_.payloads.empty()) return plan_.payloads[random.below(plan_.payloads.size())];
        if (plan_.monotonic) {
            value_ = std::to_string(number);
        } else {
            fill(random);
        }
        return value_;
    }
    // A draw for twelve letters: one for each would cost more than sending them.
    void fill(Random& random) {
        std::uint64_t bits = 0;
        for (std::size_t i = 0; i < value_.size(); ++i, bits /= 26) {
            if (i % 12 == 0) bits = random.next();
            value_[i] = static_cast<char>('A' + bits % 26);
        }
    }

    env::Shard& shard_;
    const Plan& plan_;
    client::Producer& producer_;
    Figures& figures_;
    std::string value_;
    std::optional<Time> open_since_;
};

void tell_totals(const client::Producer& producer, Output& output) {
    const client::ProducerTotals& totals = producer.totals();
    const ClientMetric metrics[] = {{"batch-split-total", totals.batches_split},
                                    {"record-error-total", totals.records_failed},
                                    {"record-send-total", totals.records_taken}};
    print_metrics(output, "producer-metrics", producer.config().client_id(), metrics);
}

Task<int> run_load(env::Shard& shard, const Arguments& arguments, Output& output) {
    auto plan = make_plan(shard, arguments);
    if (!plan) co_return output.fail(plan.error());
    auto config = producer_config(shard, arguments, *plan);
    if (!config) co_return output.fail(config.error());
    client::Cluster cluster(shard, config->cluster());
    auto producer = client::Producer::create(cluster, *config);
    if (!producer) co_return output.fail(producer.error());

    if (arguments.has("payload-file")) {
        output.line("Reading payloads from: {}", arguments.text("payload-file"));
        output.line("Number of records read: {}", plan->payloads.size());
    }
    if (plan->warmup > 0) {
        output.line(
            "Warmup first {} records. Steady state results will print after the complete test "
            "summary.",
            plan->warmup);
    }
    co_await output.flush(shard);
    Figures figures(shard, output, *plan);
    (*producer)->observe(&figures);
    Load load(shard, *plan, **producer, figures);
    auto sent = co_await until_interrupted(output.process(), load.run());
    auto closed = co_await (*producer)->close();
    figures.print_totals();
    if (arguments.has("print-metrics")) tell_totals(**producer, output);
    co_await cluster.close();
    if (!sent) co_return output.fail(sent.error());
    if (!closed) co_return output.fail(closed.error());
    co_return figures.failed() > 0 ? 1 : 0;
}

}  // namespace

const Command tools::producer_performance{
    .name = "producer-perf-test",
    .kafka_name = "kafka-producer-perf-test",
    .summary = "measure how fast records are taken",
    .flags = flags,
    .run = run_load,
};

}  // namespace millrace::cli
