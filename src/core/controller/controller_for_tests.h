#pragma once

#include <algorithm>
#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "config/properties.h"
#include "core/controller/broker_registration.h"
#include "core/controller/create_topics.h"
#include "core/controller/heartbeat.h"
#include "core/controller/sessions.h"
#include "core/controller/state.h"
#include "core/metadata/snapshot.h"

// A controller with its log, for the tests of this room.
namespace millrace::controller {

inline Settings settings_for_tests(std::string_view more = {}) {
    std::string text =
        "process.roles=controller\nnode.id=3000\ncontroller.quorum.voters=3000@localhost:9093\n"
        "controller.listener.names=CONTROLLER\nlisteners=CONTROLLER://localhost:9093\n";
    text += more;
    Result<config::Properties> file = config::Properties::parse(text);
    CHECK(file.has_value());
    Result<config::BrokerConfig> parsed = config::BrokerConfig::parse(*file);
    if (!parsed) ADD_FAILURE() << parsed.error().message;
    return {.cluster_id = "cluster", .node_id = 3000, .config = *parsed, .quorum = {3000}};
}

class ControllerForTests {
  public:
    static constexpr std::int32_t term = 1;

    explicit ControllerForTests(std::int16_t level = 30, bool elr = false,
                                std::string_view config = {}, std::uint64_t seed = 1)
        : random(seed), state(settings_for_tests(config)) {
        commit({metadata::feature_level_record(metadata::metadata_version_feature, level)});
        if (!elr) return;
        ConfigRecord record;
        record.resource_type = static_cast<std::int8_t>(config::ResourceType::broker);
        record.name = "min.insync.replicas";
        record.value = std::to_string(state.config().min_insync_replicas());
        commit({metadata::feature_level_record(metadata::elr_feature, 1), {record, 0}});
    }

    Inputs inputs() { return {now, random, sessions}; }
    void pass(Duration time) { now = now + time; }

    void commit(const metadata::Records& records) {
        Result<> applied = state.apply(records, state.next_offset(), term);
        ASSERT_TRUE(applied.has_value()) << applied.error().message;
        log.insert(log.end(), records.begin(), records.end());
        last = records;
    }
    template <typename Command>
    auto run(const Command& command) {
        auto decision = decide(command, state, inputs());
        commit(decision.records);
        return std::move(decision.response);
    }

    // Registers a broker, of directories (id, 1) and (id, 2), and brings it to life.
    std::int64_t start_broker(std::int32_t id, std::optional<std::string> rack = {}) {
        std::int64_t epoch = run(registration(id, std::move(rack))).broker_epoch;
        EXPECT_FALSE(beat(id).is_fenced);
        return epoch;
    }
    void start_brokers(std::int32_t count) {
        for (std::int32_t id = 1; id <= count; ++id) start_broker(id);
    }
    RegisterBroker registration(std::int32_t id, std::optional<std::string> rack = {}) {
        RegisterBroker command{.version = BrokerRegistrationRequest::max_version};
        command.request.broker_id = id;
        command.request.cluster_id = "cluster";
        command.request.incarnation_id = Uuid::random(random);
        command.request.rack = std::move(rack);
        for (const auto& [name, range] : metadata::supported_features()) {
            auto& feature = command.request.features.emplace_back();
            feature.name = name;
            feature.min_supported_version = range.min;
            feature.max_supported_version = range.max;
        }
        command.request.log_dirs = {directory(id, 1), directory(id, 2)};
        return command;
    }
    static Uuid directory(std::int32_t broker, std::uint64_t index) {
        return {static_cast<std::uint64_t>(broker), index};
    }
    BrokerHeartbeat heartbeat(std::int32_t id) const {
        BrokerHeartbeat command;
        command.request.broker_id = id;
        const metadata::Broker* broker = state.broker(id);
        command.request.broker_epoch = broker == nullptr ? 0 : broker->epoch;
        command.request.current_metadata_offset = state.next_offset() - 1;
        return command;
    }
    BrokerHeartbeatResponse beat(std::int32_t id) { return run(heartbeat(id)); }
    void fence(std::int32_t id) {
        BrokerHeartbeat command = heartbeat(id);
        command.request.want_fence = true;
        EXPECT_TRUE(run(command).is_fenced);
    }

    // Partition by partition who has it.
    static CreateTopicsRequest::CreatableTopic topic(
        std::string name, const std::vector<metadata::BrokerIds>& assignments) {
        CreateTopicsRequest::CreatableTopic topic;
        topic.name = std::move(name);
        topic.num_partitions = -1;
        topic.replication_factor = -1;
        for (const metadata::BrokerIds& brokers : assignments) {
            auto index = static_cast<std::int32_t>(topic.assignments.size());
            auto& assignment = topic.assignments.emplace_back();
            assignment.partition_index = index;
            assignment.broker_ids = brokers;
        }
        return topic;
    }
    Uuid create(std::string name, const std::vector<metadata::BrokerIds>& assignments) {
        CreateTopics command;
        command.request.topics.push_back(topic(std::move(name), assignments));
        CreateTopicsResponse response = run(command);
        EXPECT_EQ(response.topics.at(0).error_code, ErrorCode::none)
            << response.topics[0].error_message.value_or("");
        return response.topics[0].topic_id;
    }
    const metadata::Partition& partition(std::string_view topic, std::int32_t index = 0) const {
        return *state.image().topics.find(topic, index);
    }

    Time now = Time() + Duration::seconds(1'000);
    Random random;
    Sessions sessions{Duration::seconds(9)};
    State state;
    metadata::Records log;   // all that was committed
    metadata::Records last;  // by the last command
};

}  // namespace millrace::controller
