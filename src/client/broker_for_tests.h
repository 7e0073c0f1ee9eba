#pragma once

#include <fmt/core.h>
#include <functional>
#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/log.h"
#include "base/scope.h"
#include "client/log.h"
#include "env/network.h"
#include "env/posix/world.h"
#include "env/shard.h"
#include "env/sim/world.h"
#include "protocol/api_versions.h"
#include "protocol/frame.h"
#include "protocol/metadata.h"

// Leaves a test coroutine that cannot go on.
#define CO_ASSERT(...)                                     \
    do {                                                   \
        if (!(__VA_ARGS__)) {                              \
            ADD_FAILURE() << "not true: " << #__VA_ARGS__; \
            co_return;                                     \
        }                                                  \
    } while (false)

namespace millrace::client {

// A request as a broker of a test gets it.
struct Incoming {
    RequestHeader header;
    Slice body;
};

// A broker of a test: answers ApiVersions with all that this version knows, Metadata with
// `metadata`, and what else it is told to. One request of a connection after the other. One that it
// was not told to answer ends the connection.
class BrokerForTests {
  public:
    // The bytes of an answer; none: it stays away. Must not be replaced while it runs.
    using Answer = std::function<Task<std::optional<Chain>>(const Incoming&)>;

    explicit BrokerForTests(env::Shard& shard, std::int32_t id = 1,
                            env::Address bind = {"127.0.0.1", 0})
        : shard_(shard), id_(id), bind_(std::move(bind)) {
        for (const ApiInfo& api : all_apis()) {
            versions[api.key] = {api.min_version, api.max_version};
        }
        metadata.cluster_id = "test-cluster";
        metadata.controller_id = id;
        on<ApiVersionsRequest>([this](const ApiVersionsRequest&, std::int16_t) {
            ApiVersionsResponse response;
            for (const auto& [key, range] : versions) {
                response.api_keys.push_back(
                    {static_cast<std::int16_t>(key), range.first, range.second});
            }
            return response;
        });
        on<MetadataRequest>([this](const MetadataRequest& request, std::int16_t) {
            return this->metadata_for(request);
        });
    }

    void start() {
        auto listener = shard_.network().listen(bind_);
        CHECK(listener.has_value());
        listener_ = *std::move(listener);
        bind_ = listener_->local();
        if (!metadata_has(id_)) metadata.brokers.push_back({id_, bind_.host, bind_.port, {}});
        scope_ = std::make_unique<Scope>(shard_);
        scope_->spawn(accept_all());
    }
    // As a broker that goes down: connections end, nothing listens.
    Task<void> stop() {
        if (scope_ == nullptr) co_return;
        co_await scope_->close();
        scope_ = nullptr;
        listener_ = nullptr;
    }
    const env::Address& address() const { return bind_; }
    std::int32_t id() const { return id_; }
    std::string bootstrap() const { return bind_.to_string(); }

    void add_topic(const std::string& name, std::vector<std::int32_t> leaders) {
        auto& topic = metadata.topics.emplace_back();
        topic.name = name;
        topic.topic_id = {0, metadata.topics.size()};
        for (std::int32_t leader : leaders) {
            auto& partition = topic.partitions.emplace_back();
            partition.partition_index = static_cast<std::int32_t>(topic.partitions.size()) - 1;
            partition.leader_id = leader;
            partition.leader_epoch = 1;
            partition.replica_nodes = partition.isr_nodes = {leader};
        }
    }

    // Answers a request with what `f(request, version)` returns.
    template <typename Request>
    void on(std::function<typename Request::Response(const Request&, std::int16_t)> f) {
        answers_[Request::api_key] = [f](const Incoming& in) -> Task<std::optional<Chain>> {
            std::int16_t version = in.header.request_api_version;
            Reader reader(in.body);
            auto request = Request::decode(reader, version);
            CHECK(request.has_value());
            co_return *encode_response(in.header.correlation_id, Request::api_key, version,
                                       f(*request, version));
        };
    }
    // Answers by hand.
    void on(ApiKey key, Answer answer) { answers_[key] = std::move(answer); }

    std::map<ApiKey, std::pair<std::int16_t, std::int16_t>> versions;
    MetadataResponse metadata;
    std::vector<std::pair<ApiKey, std::int16_t>> seen;  // with their versions
    int accepted = 0;

    int count(ApiKey key) const {
        int n = 0;
        for (const auto& [api, version] : seen) n += api == key ? 1 : 0;
        return n;
    }

  private:
    bool metadata_has(std::int32_t id) const {
        for (const auto& broker : metadata.brokers) {
            if (broker.node_id == id) return true;
        }
        return false;
    }
    MetadataResponse metadata_for(const MetadataRequest& request) const {
        if (!request.topics) return metadata;
        MetadataResponse response = metadata;
        response.topics.clear();
        for (const auto& asked : *request.topics) {
            const MetadataResponse::MetadataResponseTopic* found = nullptr;
            for (const auto& topic : metadata.topics) {
                bool same =
                    asked.name ? topic.name == asked.name : topic.topic_id == asked.topic_id;
                if (same) found = &topic;
            }
            if (found != nullptr) {
                response.topics.push_back(*found);
            } else {
                auto& missing = response.topics.emplace_back();
                missing.name = asked.name;
                missing.topic_id = asked.topic_id;
                missing.error_code = asked.name ? ErrorCode::unknown_topic_or_partition
                                                : ErrorCode::unknown_topic_id;
            }
        }
        return response;
    }

    Task<void> accept_all() {
        for (;;) {
            auto connection = co_await listener_->accept();
            if (!connection) co_return;
            ++accepted;
            scope_->spawn(serve(*std::move(connection)));
        }
    }
    Task<void> serve(std::unique_ptr<env::Connection> connection) {
        for (;;) {
            std::uint8_t size[4];
            if (!co_await env::read_exactly(*connection, size)) co_return;
            Buffer buffer;
            buffer.resize(load_be<std::uint32_t>(size));
            if (!co_await env::read_exactly(*connection, buffer.mutable_bytes())) co_return;
            Slice frame = std::move(buffer).freeze();
            Reader reader(frame);
            auto header = decode_request_header(reader);
            CHECK(header.has_value());
            Incoming incoming{*std::move(header), frame.slice(frame.size() - reader.remaining())};
            ApiKey key{incoming.header.request_api_key};
            seen.emplace_back(key, incoming.header.request_api_version);
            auto answer = answers_.find(key);
            if (answer == answers_.end()) co_return;
            std::optional<Chain> bytes = co_await answer->second(incoming);
            if (!bytes) continue;
            if (!co_await connection->write(*std::move(bytes))) co_return;
        }
    }

    env::Shard& shard_;
    std::int32_t id_;
    env::Address bind_;
    std::map<ApiKey, Answer> answers_;
    std::unique_ptr<env::Listener> listener_;
    std::unique_ptr<Scope> scope_;
};

// Runs a test in the real world and in the simulated one.
inline void in_both_worlds(std::function<Task<void>(env::Shard&)> test) {
    CHECK(log::set_level("client", "error").has_value());  // failures are what the tests make
    auto main = [&](env::Shard& shard) -> Task<int> {
        co_await test(shard);
        co_return 0;
    };
    {
        env::posix::World world({.shards = 1});
        CHECK(world.run(main) == 0);
    }
    env::sim::World world(1);
    env::sim::Node& node = world.add_node("n");
    CHECK(world.run(node, main) == 0);
}

// Runs it in the simulated world alone, where time costs nothing.
inline void in_sim(std::uint64_t seed, std::function<Task<void>(env::Shard&)> test) {
    CHECK(log::set_level("client", "error").has_value());
    env::sim::World world(seed, {.shuffle_coroutines = true});
    env::sim::Node& node = world.add_node("n");
    CHECK(world.run(node, [&](env::Shard& shard) -> Task<int> {
        co_await test(shard);
        co_return 0;
    }) == 0);
}

}  // namespace millrace::client
