#pragma once

#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "client/consumer.h"
#include "client/consumer_cluster_for_tests.h"

namespace millrace::client {

using Texts = std::vector<std::pair<std::string, std::string>>;

inline ConsumerConfig config_of(const ConsumerClusterForTests& cluster, Texts texts) {
    std::vector<config::Property> properties{{"bootstrap.servers", cluster.broker.bootstrap()},
                                             {"auto.offset.reset", "earliest"}};
    for (auto& [key, value] : texts) properties.push_back({key, value});
    auto config = ConsumerConfig::parse(properties);
    EXPECT_TRUE(config.has_value()) << (config ? "" : config.error().message);
    return *config;
}

// What the user of a consumer is told of rebalances.
class Heard final : public RebalanceListener {
  public:
    Task<void> assigned(const Partitions& partitions) override { return note("+", partitions); }
    Task<void> revoked(const Partitions& partitions) override { return note("-", partitions); }
    Task<void> lost(const Partitions& partitions) override { return note("!", partitions); }
    std::string text;

  private:
    Task<void> note(std::string sign, const Partitions& partitions) {
        text += sign;
        for (const TopicPartition& partition : partitions) text += to_string(partition) + ",";
        text += " ";
        co_return;
    }
};

// A consumer with what it needs and what it has read.
struct Subject {
    Subject(env::Shard& shard, const ConsumerClusterForTests& brokers, Texts texts)
        : config(config_of(brokers, std::move(texts))),
          cluster(std::make_unique<Cluster>(shard, config.cluster())),
          consumer(*Consumer::create(*cluster, config)) {}

    // Polls for a while, or until `enough` records are there.
    Task<Result<>> read(env::Shard& shard, std::size_t enough, Duration most) {
        Time until = shard.now() + most;
        while (values.size() < enough && shard.now() < until) {
            auto records = co_await consumer->poll(Duration::milliseconds(50));
            if (!records) co_return fail(records.error());
            for (const ConsumedBatch& batch : records->batches)
                for (const Record& record : batch.records)
                    values.emplace_back(as_string(*record.value));
        }
        co_return Result<>();
    }
    Task<void> close() {
        EXPECT_TRUE((co_await consumer->close()).has_value());
        co_await cluster->close();
    }

    ConsumerConfig config;
    std::unique_ptr<Cluster> cluster;
    std::unique_ptr<Consumer> consumer;
    std::vector<std::string> values;
    Heard heard;
};

constexpr Duration minute = Duration::seconds(60);

}  // namespace millrace::client
