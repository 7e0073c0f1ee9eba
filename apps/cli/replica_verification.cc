#include <algorithm>
#include <boost/json/object.hpp>
#include <chrono>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <map>
#include <utility>
#include <vector>

#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/connect.h"
#include "cli/interrupts.h"
#include "cli/output.h"
#include "cli/replica_check.h"
#include "cli/topic_filter.h"
#include "client/admin_offsets.h"
#include "client/admin_topics.h"
#include "client/gather.h"
#include "env/shard.h"
#include "protocol/fetch.h"

namespace millrace::cli {

namespace {

using client::TopicPartition;

constexpr Flag flags[] = {
    value("broker-list", "HOST:PORT,…", "brokers to connect to").required(),
    value("fetch-size", "BYTES", "of a partition, at most so many at once")
        .int32()
        .otherwise("1048576"),
    value("max-wait-ms", "MS", "how long a broker may wait for records").int32().otherwise("1000"),
    value("topics-include", "REGEX", "topics whose name matches (RE2)").otherwise(".*"),
    value("time", "TIME", "where to begin: a time in ms, or -1 latest, -2 earliest")
        .int64()
        .otherwise("-1"),
    value("report-interval-ms", "MS", "how often to tell the largest lag")
        .int64()
        .otherwise("30000"),
};

// Whoever fetches so may read any replica, and counts as none.
constexpr std::int32_t debugging_consumer = -2;

struct Watched {
    Uuid topic_id;
    std::vector<std::int32_t> replicas;
    std::int64_t offset = 0;
};

class Verification {
  public:
    Verification(client::Admin& admin, const Arguments& arguments, Output& output)
        : admin_(admin),
          shard_(admin.cluster().shard()),
          output_(output),
          as_json_(arguments.as_json()),
          fetch_size_(static_cast<std::int32_t>(*arguments.number("fetch-size"))),
          max_wait_ms_(static_cast<std::int32_t>(*arguments.number("max-wait-ms"))),
          interval_(Duration::milliseconds(*arguments.number("report-interval-ms"))) {}

    Task<Result<>> find(std::string_view topics, std::int64_t time) {
        ASSIGN_OR_CO_RETURN(TopicFilter filter, TopicFilter::create(topics));
        ASSIGN_OR_CO_RETURN(auto listed, co_await client::list_topics(admin_, true));
        std::vector<std::string> names;
        for (auto& topic : listed)
            if (filter.allows(topic.name)) names.push_back(std::move(topic.name));
        if (names.empty()) {
            co_return fail(
                ErrorCode::unknown_topic_or_partition,
                fmt::format("No topics found: none matches --topics-include {}.", topics));
        }
        std::map<TopicPartition, std::int64_t> asked;
        auto described = co_await client::describe_topics(admin_, std::move(names));
        for (auto& [name, topic] : described) {
            if (!topic) co_return fail(std::move(topic).error());
            for (auto& partition : topic->partitions) {
                TopicPartition key{name, partition.index};
                asked[key] = time;
                watched_[key] = {topic->id, std::move(partition.replicas), 0};
            }
        }
        auto offsets = co_await client::list_offsets(admin_, std::move(asked));
        for (auto& [partition, listed_offset] : offsets) {
            if (!listed_offset) co_return fail(std::move(listed_offset).error());
            watched_[partition].offset = std::max<std::int64_t>(0, listed_offset->offset);
        }
        co_return Result<>();
    }

    // Until it is interrupted, or replicas part.
    Task<Result<>> run() {
        say("verification process is started");
        Time reported = shard_.now();
        for (;;) {
            auto answers = co_await fetch_all();
            CO_RETURN_IF_ERROR(compare(answers));
            if (shard_.now() - reported > interval_) {
                report();
                reported = shard_.now();
            }
            co_await output_.flush(shard_);
        }
    }

  private:
    using Answers = std::map<TopicPartition, std::vector<ReplicaAnswer>>;
    // The views of its records point into `keep`.
    struct BrokerAnswer {
        std::int32_t broker = 0;
        Result<client::Reply<FetchResponse>> reply;
    };

    template <typename... Args>
    void say(fmt::format_string<Args...> format, Args&&... args) {
        Timestamp now = shard_.wall_ms();
        std::string text = fmt::format(format, std::forward<Args>(args)...);
        if (as_json_) {
            output_.json(boost::json::object{{"timestamp", now}, {"text", text}});
            return;
        }
        std::chrono::sys_seconds second{std::chrono::seconds(now / 1000)};
        output_.line("{:%Y-%m-%d %H:%M:%S},{:03}: {}", second, now % 1000, text);
    }

    Task<BrokerAnswer> fetch(std::int32_t broker) {
        FetchRequest request;
        request.replica_state.replica_id = debugging_consumer;
        request.max_wait_ms = max_wait_ms_;
        request.min_bytes = 1;
        for (const auto& [partition, watched] : watched_) {
            if (std::ranges::find(watched.replicas, broker) == watched.replicas.end()) continue;
            if (request.topics.empty() || request.topics.back().topic_id != watched.topic_id)
                request.topics.push_back({partition.topic, watched.topic_id, {}});
            FetchRequest::FetchPartition asked;
            asked.partition = partition.partition;
            asked.fetch_offset = watched.offset;
            asked.partition_max_bytes = fetch_size_;
            request.topics.back().partitions.push_back(asked);
        }
        auto connection = co_await admin_.cluster().broker(broker);
        if (!connection) co_return BrokerAnswer{broker, fail(std::move(connection).error())};
        co_return BrokerAnswer{broker, co_await (*connection)->call(request)};
    }

    // A broker that cannot be reached delays its partitions: nothing of it is there to compare.
    Task<Answers> fetch_all() {
        std::vector<std::int32_t> brokers;
        std::map<Uuid, std::string> names;
        for (const auto& [partition, watched] : watched_) {
            names[watched.topic_id] = partition.topic;
            brokers.insert(brokers.end(), watched.replicas.begin(), watched.replicas.end());
        }
        std::ranges::sort(brokers);
        brokers.erase(std::ranges::unique(brokers).begin(), brokers.end());
        std::vector<Task<BrokerAnswer>> tasks;
        for (std::int32_t broker : brokers) tasks.push_back(fetch(broker));
        Answers answers;
        bool any_failed = false;
        for (BrokerAnswer& each : co_await client::gather(std::move(tasks))) {
            if (!each.reply) {
                output_.error(each.reply.error().message);
                any_failed = true;
                continue;
            }
            for (auto& topic : each.reply->response.responses) {
                for (auto& data : topic.partitions) {
                    Slice records = data.records ? data.records->in_memory() : Slice();
                    answers[{names[topic.topic_id], data.partition_index}].push_back(
                        {each.broker, data.high_watermark, Slice::copy(records.bytes())});
                }
            }
        }
        if (any_failed) co_await env::sleep_for(shard_, Duration::milliseconds(max_wait_ms_));
        co_return answers;
    }

    Result<> compare(const Answers& answers) {
        largest_lag_ = -1;
        for (auto& [partition, watched] : watched_) {
            auto found = answers.find(partition);
            std::int64_t high_watermark = -1;
            if (found != answers.end()) {
                for (const ReplicaAnswer& each : found->second)
                    high_watermark = std::max(high_watermark, each.high_watermark);
                bool whole = found->second.size() == watched.replicas.size();
                if (whole) RETURN_IF_ERROR(compare(partition, watched, found->second));
            }
            if (high_watermark - watched.offset <= largest_lag_) continue;
            largest_lag_ = high_watermark - watched.offset;
            lags_most_ = partition;
        }
        return {};
    }
    Result<> compare(const TopicPartition& partition, Watched& watched,
                     const std::vector<ReplicaAnswer>& answers) {
        ASSIGN_OR_RETURN(ReplicaCheck check, check_replicas(partition, watched.offset, answers));
        for (const std::string& mismatch : check.mismatches) say("{}", mismatch);
        watched.offset = check.next_offset;
        if (!check.parted) return {};
        say("{}", *check.parted);
        return fail(ErrorCode::corrupt_message, "The replicas of a partition have parted.");
    }

    void report() {
        say("max lag is {} for partition {} at offset {} among {} partitions", largest_lag_,
            to_string(lags_most_), watched_[lags_most_].offset, watched_.size());
    }

    client::Admin& admin_;
    env::Shard& shard_;
    Output& output_;
    bool as_json_;
    std::int32_t fetch_size_;
    std::int32_t max_wait_ms_;
    Duration interval_;
    std::map<TopicPartition, Watched> watched_;
    std::int64_t largest_lag_ = -1;
    TopicPartition lags_most_;
};

Task<Result<>> verify(client::Admin& admin, const Arguments& arguments, Output& output) {
    Verification verification(admin, arguments, output);
    CO_RETURN_IF_ERROR(
        co_await verification.find(arguments.text("topics-include"), *arguments.number("time")));
    co_return co_await until_interrupted(output.process(), verification.run());
}

Task<int> run(env::Shard& shard, const Arguments& arguments, Output& output) {
    AdminRun how{.more = {{"bootstrap.servers", std::string(arguments.text("broker-list"))}}};
    co_return co_await run_with_admin(shard, arguments, output, verify, std::move(how));
}

}  // namespace

const Command tools::replica_verification{
    .name = "replica-verification",
    .kafka_name = "kafka-replica-verification",
    .summary = "compare the replicas of partitions, batch by batch, until it is interrupted",
    .flags = flags,
    .run = run,
};

}  // namespace millrace::cli
