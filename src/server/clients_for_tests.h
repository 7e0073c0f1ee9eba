#pragma once

#include <fmt/core.h>
#include <functional>
#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "base/random.h"
#include "client/admin_topics.h"
#include "client/consumer.h"
#include "client/producer.h"
#include "config/properties.h"
#include "env/shard.h"

namespace millrace::server {

// Configuration of a client of lines as in a properties file; of the simulated node, unless they
// name others.
template <typename Config>
Config client_config(std::string_view lines = {}) {
    std::vector<config::Property> properties;
    if (lines.find("bootstrap.servers=") == std::string_view::npos) {
        properties.push_back({"bootstrap.servers", "broker:9092"});
    }
    auto parsed = config::Properties::parse(lines);
    CHECK(parsed.has_value());
    for (const config::Property& each : parsed->all()) properties.push_back(each);
    auto config = Config::parse(properties);
    if (!config) ADD_FAILURE() << config.error().message;
    CHECK(config.has_value());
    return *config;
}

// Runs `body` and then `end`, also when the body is cancelled, as it is with its machine.
template <typename Body, typename End>
Task<void> and_finally(env::Shard& shard, Body body, End end) {
    bool cancelled = false;
    try {
        co_await body();
    } catch (const Cancelled&) {
        cancelled = true;
    }
    Cancellation shield(shard);
    co_await end().under(shield);
    if (cancelled) throw Cancelled{};
}

using AdminBody = std::function<Task<void>(client::Admin&)>;
inline Task<void> with_admin(env::Shard& shard, AdminBody body) {
    client::Admin admin(shard,
                        client_config<client::AdminConfig>("default.api.timeout.ms=300000\n"));
    co_await and_finally(shard, [&] { return body(admin); }, [&] { return admin.close(); });
}

using ProducerBody = std::function<Task<void>(client::Producer&)>;
inline Task<void> with_producer(env::Shard& shard, std::string_view lines, ProducerBody body) {
    auto config = client_config<client::ProducerConfig>(lines);
    client::Cluster cluster(shard, config.cluster());
    auto producer = client::Producer::create(cluster, config);
    CHECK(producer.has_value());
    auto end = [&]() -> Task<void> {
        Result<> closed = co_await (*producer)->close(Duration::seconds(600));
        (void)closed;  // the tickets tell
        co_await cluster.close();
    };
    co_await and_finally(shard, [&] { return body(**producer); }, end);
}

using ConsumerBody = std::function<Task<void>(client::Consumer&)>;
inline Task<void> with_consumer(env::Shard& shard, std::string_view lines, ConsumerBody body) {
    auto config = client_config<client::ConsumerConfig>(lines);
    client::Cluster cluster(shard, config.cluster());
    auto consumer = client::Consumer::create(cluster, config);
    CHECK(consumer.has_value());
    auto end = [&]() -> Task<void> {
        Result<> closed = co_await (*consumer)->close();
        (void)closed;  // its member may have died
        co_await cluster.close();
    };
    co_await and_finally(shard, [&] { return body(**consumer); }, end);
}

using TopicConfigs = std::vector<std::pair<std::string, std::string>>;
inline Task<void> create_topic_with(env::Shard& shard, std::string name, std::int32_t partitions,
                                    TopicConfigs configs) {
    co_await with_admin(shard, [&](client::Admin& admin) -> Task<void> {
        client::NewTopic topic;
        topic.name = name;
        topic.partitions = partitions;
        for (const auto& [key, value] : configs) topic.configs[key] = value;
        auto created = co_await client::create_topics(admin, {topic});
        const auto& outcome = created.at(name);
        // A repeat after an answer that was lost finds it there.
        EXPECT_TRUE(outcome || outcome.error().code == ErrorCode::topic_already_exists)
            << outcome.error().message;
    });
}

// With segments that a few batches fill, unless it has one for all.
inline Task<void> create_topic(env::Shard& shard, std::string name, std::int32_t partitions,
                               bool one_segment = false) {
    std::string segment = std::to_string(shard.random().between(2500, 20'000));
    TopicConfigs configs;
    if (!one_segment) configs.emplace_back("internal.segment.bytes", segment);
    return create_topic_with(shard, std::move(name), partitions, std::move(configs));
}

}  // namespace millrace::server
