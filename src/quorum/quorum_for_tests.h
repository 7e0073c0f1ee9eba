#pragma once

#include <functional>
#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/task.h"
#include "config/broker_config.h"
#include "config/properties.h"
#include "core/controller/broker_registration.h"
#include "core/controller/create_topics.h"
#include "core/controller/heartbeat.h"
#include "core/metadata/features.h"
#include "env/disk.h"
#include "env/shard.h"
#include "quorum/format.h"
#include "quorum/metadata_quorum.h"
#include "quorum/node_directories.h"
#include "storage/meta_properties.h"

// A node with a metadata log, for the tests of this room.
namespace millrace::quorum {

inline constexpr std::string_view cluster_for_tests = "cluster-of-tests";

// Of node 1 with its data below `directory`; lines in `more` win.
inline config::BrokerConfig config_for_tests(const std::string& directory,
                                             std::string_view more = {}) {
    std::string text =
        "process.roles=broker,controller\nnode.id=1\n"
        "listeners=PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093\n"
        "controller.listener.names=CONTROLLER\n"
        "controller.quorum.bootstrap.servers=127.0.0.1:9093\n"
        "listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT\n"
        "log.dirs=" +
        directory + "\n";
    text += more;
    auto file = config::Properties::parse(text);
    CHECK(file.has_value());
    auto parsed = config::BrokerConfig::parse(*file);
    if (!parsed) ADD_FAILURE() << parsed.error().message;
    CHECK(parsed.has_value());
    return *parsed;
}

inline Result<std::string> format_for_tests(env::Shard& shard, const config::BrokerConfig& config) {
    FormatCommand command;
    command.cluster_id = cluster_for_tests;
    command.standalone = config.static_voters().empty();
    return format(shard.disk(), config, command, shard.random(), shard.wall_ms());
}

inline Task<Result<std::unique_ptr<MetadataQuorum>>> open_for_tests(
    env::Shard& shard, const config::BrokerConfig& config) {
    std::string path = meta_properties_path(config.metadata_directory());
    ASSIGN_OR_CO_RETURN(std::string text, env::read_file(shard.disk(), path));
    ASSIGN_OR_CO_RETURN(auto meta, storage::MetaProperties::parse(text, path));
    QuorumOptions options{*meta.cluster_id, config.node_id(), *meta.directory_id,
                          config.metadata_directory(), config};
    co_return co_await MetadataQuorum::open(shard, options);
}

// Whether an operation failed because its simulated node is ending, which tests expect.
inline bool is_of_ending_node(const Error& error) {
    return error.message.ends_with("the process or its machine is ending");
}

// Runs `body` on a quorum that is opened before and stopped after it, also when it is cancelled.
using QuorumBody = std::function<Task<void>(env::Shard&, MetadataQuorum&)>;
inline Task<int> with_quorum(env::Shard& shard, const config::BrokerConfig& config,
                             QuorumBody body) {
    auto quorum = co_await open_for_tests(shard, config);
    EXPECT_TRUE(quorum || is_of_ending_node(quorum.error())) << quorum.error().message;
    if (!quorum) co_return 1;
    bool cancelled = false;
    try {
        co_await body(shard, **quorum);
    } catch (const Cancelled&) {
        cancelled = true;
    }
    Result<> stopped = co_await (*quorum)->stop();
    if (cancelled) throw Cancelled{};
    EXPECT_TRUE(stopped || is_of_ending_node(stopped.error())) << stopped.error().message;
    co_return 0;
}

inline controller::RegisterBroker registration_for_tests(env::Shard& shard, std::int32_t id) {
    controller::RegisterBroker command;
    command.version = BrokerRegistrationRequest::max_version;
    command.request.broker_id = id;
    command.request.cluster_id = cluster_for_tests;
    command.request.incarnation_id = Uuid::random(shard.random());
    command.request.rack.reset();
    command.request.log_dirs = {{static_cast<std::uint64_t>(id), 7}};
    for (const auto& [name, range] : metadata::supported_features()) {
        auto& feature = command.request.features.emplace_back();
        feature.name = name;
        feature.min_supported_version = range.min;
        feature.max_supported_version = range.max;
    }
    return command;
}

inline controller::BrokerHeartbeat heartbeat_for_tests(std::int32_t id, std::int64_t epoch,
                                                       std::int64_t offset) {
    controller::BrokerHeartbeat command;
    command.request.broker_id = id;
    command.request.broker_epoch = epoch;
    command.request.current_metadata_offset = offset;
    return command;
}

// Brings broker 1 to life unless it is; false when the quorum does not do it.
inline Task<bool> start_broker_for_tests(env::Shard& shard, MetadataQuorum& quorum) {
    metadata::ImagePtr image = co_await quorum.caught_up();
    if (image->active_broker(1) != nullptr) co_return true;
    auto registered = co_await quorum.submit(registration_for_tests(shard, 1));
    if (!registered) co_return false;
    EXPECT_EQ(registered->response.error_code, ErrorCode::none);
    auto alive = co_await quorum.submit(
        heartbeat_for_tests(1, registered->response.broker_epoch, registered->offset));
    if (!alive) co_return false;
    EXPECT_EQ(alive->response.error_code, ErrorCode::none);
    EXPECT_FALSE(alive->response.is_fenced);
    co_return true;
}

inline controller::CreateTopics topic_for_tests(std::string name, std::int32_t partitions = 1) {
    controller::CreateTopics command;
    auto& topic = command.request.topics.emplace_back();
    topic.name = std::move(name);
    topic.num_partitions = partitions;
    topic.replication_factor = 1;
    return command;
}

}  // namespace millrace::quorum
