#pragma once

#include <memory>
#include <string>
#include <vector>

#include "client/broker_for_tests.h"
#include "client/cluster.h"
#include "protocol/heartbeat.h"

namespace millrace::client {

// Two brokers that know each other, and a client's view of them.
struct ClusterForTests {
    explicit ClusterForTests(env::Shard& s, const std::string& host = "127.0.0.1")
        : shard(s), one(s, 1, {host, 0}), two(s, 2, {host, 0}) {
        for (BrokerForTests* broker : {&one, &two}) {
            broker->on<HeartbeatRequest>([broker](const HeartbeatRequest&, std::int16_t) {
                return HeartbeatResponse{.throttle_time_ms = broker->id()};
            });
            broker->start();
        }
        one.metadata.brokers = two.metadata.brokers = {{1, "127.0.0.1", one.address().port, {}},
                                                       {2, "127.0.0.1", two.address().port, {}}};
        two.metadata.controller_id = 1;
        options.bootstrap = {one.address(), two.address()};
    }
    Cluster& cluster() {
        if (!made) made = std::make_unique<Cluster>(shard, options);
        return *made;
    }
    void add_topic(const std::string& name, std::vector<std::int32_t> leaders) {
        one.add_topic(name, leaders);
        two.metadata.topics = one.metadata.topics;
    }
    void lead(std::int32_t leader, std::int32_t epoch) {
        for (BrokerForTests* broker : {&one, &two}) {
            auto& partition = broker->metadata.topics[0].partitions[0];
            partition.leader_id = leader;
            partition.leader_epoch = epoch;
        }
    }
    int metadata_requests() const {
        return one.count(ApiKey::metadata) + two.count(ApiKey::metadata);
    }
    Time in(std::int64_t seconds) const { return shard.now() + Duration::seconds(seconds); }
    Task<void> close() {
        if (made) co_await made->close();
        co_await one.stop();
        co_await two.stop();
    }

    env::Shard& shard;
    BrokerForTests one, two;
    ClusterOptions options;
    std::unique_ptr<Cluster> made;
};

}  // namespace millrace::client
