// A broker whose controller answers what one of Apache Kafka has answered: recorded/registration.

#include <fstream>
#include <functional>
#include <gtest/gtest.h>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/log_for_tests.h"
#include "core/metadata/features.h"
#include "metrics/registry.h"
#include "net/server.h"
#include "protocol/broker_heartbeat.h"
#include "protocol/broker_registration.h"
#include "protocol/fetch.h"
#include "protocol/frame.h"
#include "protocol/reader.h"
#include "protocol/writer.h"
#include "server/clients_for_tests.h"
#include "server/simulated_node_for_tests.h"

namespace millrace::server {
namespace {

constexpr std::string_view cluster_id = "aW50ZXJvcC1jbHVzdGVyMQ";

std::vector<std::uint8_t> from_hex(std::string_view text) {
    std::vector<std::uint8_t> bytes;
    for (std::size_t i = 0; i + 1 < text.size(); i += 2)
        bytes.push_back(
            static_cast<std::uint8_t>(std::stoi(std::string(text.substr(i, 2)), nullptr, 16)));
    return bytes;
}

// Views into `body`.
template <typename Request>
Request decoded(const Slice& body, std::int16_t version) {
    Reader reader(body);
    auto request = Request::decode(reader, version);
    CHECK(request.has_value());
    return *std::move(request);
}

// What distinguishes requests of one kind: where a fetch begins, whether a broker wants to stop.
std::string kind_of(ApiKey key, std::int16_t version, const Slice& body) {
    if (key == ApiKey::fetch) {
        auto request = decoded<FetchRequest>(body, version);
        const auto& partition = request.topics.at(0).partitions.at(0);
        return fmt::format("{} in {}", partition.fetch_offset, partition.current_leader_epoch);
    }
    if (key == ApiKey::broker_heartbeat)
        return decoded<BrokerHeartbeatRequest>(body, version).want_shut_down ? "stop" : "live";
    return "";
}

// Gives the answers of each kind of request in their order, and the last one for ever.
class RecordedController final : public net::RequestHandler {
  public:
    explicit RecordedController(env::Shard& shard) : shard_(shard) {
        std::ifstream file(MILLRACE_SOURCE_DIR "/src/server/recorded/registration/exchange.tsv");
        std::string key;
        file >> key >> port;
        CHECK(key == "port");
        int version = 0;
        std::string request;
        std::string answer;
        for (int number = 0; file >> number >> version >> request >> answer;) {
            auto api = static_cast<ApiKey>(number);
            Slice body = Slice::copy(from_hex(request));
            answers_[{api, kind_of(api, static_cast<std::int16_t>(version), body)}].push_back(
                {static_cast<std::int16_t>(version), from_hex(answer)});
            if (api == ApiKey::fetch) last_fetched_ = from_hex(answer);
        }
        CHECK(!answers_.empty());
    }

    std::uint16_t port = 0;
    std::vector<BrokerRegistrationRequest> registrations;
    std::vector<BrokerHeartbeatRequest> heartbeats;
    std::vector<std::string> unknown;  // requests that nothing was recorded of
    bool is_deaf = false;              // to the first registration

  private:
    struct Answer {
        std::int16_t version = 0;
        std::vector<std::uint8_t> bytes;  // behind the correlation id
    };
    struct Answers : std::vector<Answer> {
        std::size_t next = 0;
    };

    Task<net::Reply> answer(net::Request request) override {
        ApiKey key = request.api->key;
        Slice body = request.body;
        note(key, request.version, body);
        if (key == ApiKey::broker_registration && std::exchange(is_deaf, false))
            co_await env::sleep_for(shard_, Duration::seconds(3600));
        auto found = answers_.find({key, kind_of(key, request.version, body)});
        if (found == answers_.end() && key == ApiKey::fetch)
            co_return co_await nothing_new(request);
        if (found == answers_.end()) {
            unknown.push_back(
                fmt::format("{} {}", request.api->name, kind_of(key, request.version, body)));
            co_return net::Reply{.close = true, .reason = unknown.back()};
        }
        Answers& answers = found->second;
        bool repeats = answers.next == answers.size();
        const Answer& one = answers[repeats ? answers.size() - 1 : answers.next++];
        EXPECT_EQ(one.version, request.version) << request.api->name;
        // A leader with nothing new lets a fetch wait.
        if (repeats && key == ApiKey::fetch)
            co_await env::sleep_for(shard_, Duration::milliseconds(500));
        Writer out(one.bytes.size() + 8);
        out.write_int32(static_cast<std::int32_t>(one.bytes.size() + 4));
        out.write_int32(request.correlation_id);
        out.write_raw(one.bytes);
        co_return net::Reply{.bytes = std::move(out).finish()};
    }
    // Behind what was recorded: the last answer to a fetch, without its records.
    Task<net::Reply> nothing_new(const net::Request& request) {
        co_await env::sleep_for(shard_, Duration::milliseconds(500));
        Slice body = Slice::copy(Bytes(last_fetched_).subspan(1));  // behind the header's tags
        Reader reader(body);
        auto response = FetchResponse::decode(reader, request.version);
        CHECK(response.has_value());
        auto& partition = response->responses.at(0).partitions.at(0);
        partition.records = Chain();
        partition.high_watermark = decoded<FetchRequest>(request.body, request.version)
                                       .topics.at(0)
                                       .partitions.at(0)
                                       .fetch_offset;
        auto bytes =
            encode_response(request.correlation_id, ApiKey::fetch, request.version, *response);
        CHECK(bytes.has_value());
        co_return net::Reply{.bytes = *std::move(bytes)};
    }
    void note(ApiKey key, std::int16_t version, const Slice& body) {
        kept_.push_back(body);
        if (key == ApiKey::broker_registration)
            registrations.push_back(decoded<BrokerRegistrationRequest>(body, version));
        if (key == ApiKey::broker_heartbeat)
            heartbeats.push_back(decoded<BrokerHeartbeatRequest>(body, version));
    }

    env::Shard& shard_;
    std::vector<std::uint8_t> last_fetched_;
    std::vector<Slice> kept_;  // that registrations and heartbeats have views into
    std::map<std::pair<ApiKey, std::string>, Answers> answers_;
};

config::BrokerConfig broker_of(std::uint16_t controller_port, std::string_view lines = "") {
    auto file = config::Properties::parse(fmt::format(
        "process.roles=broker\nnode.id=11\nlisteners=PLAINTEXT://127.0.0.1:9092\n"
        "controller.listener.names=CONTROLLER\ncontroller.quorum.voters=1@127.0.0.1:{}\n"
        "listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT\n"
        "broker.heartbeat.interval.ms=500\nlog.dirs=/data\n{}",
        controller_port, lines));
    CHECK(file.has_value());
    auto parsed = config::BrokerConfig::parse(*file);
    CHECK(parsed.has_value());
    return *parsed;
}

// A broker's life, from its start to its controlled shutdown.
Task<void> live(env::Shard& shard, const config::BrokerConfig& config,
                const std::function<void(Process&)>& once_started = {}) {
    quorum::FormatCommand command;
    command.cluster_id = std::string(cluster_id);
    auto formatted = quorum::format(shard.disk(), config, command, shard.random(), shard.wall_ms());
    EXPECT_TRUE(formatted) << formatted.error().message;

    auto process = co_await Process::start(shard, config);
    EXPECT_TRUE(process) << process.error().message;
    if (!process) co_return;
    EXPECT_EQ((*process)->quorum().leader_id(), 1);
    if (once_started) once_started(**process);
    co_await env::sleep_for(shard, Duration::seconds(3));
    Time began = shard.now();
    Result<> stopped = co_await (*process)->stop();
    EXPECT_TRUE(stopped) << stopped.error().message;
    EXPECT_LT(shard.now() - began, Duration::seconds(3)) << "the controller lets it go";
}

TEST(Registration, WhatOnlyJavaCouldRunIsRefused) {
    env::sim::World world(1);
    run_on(world, world.add_node("machine"), [](env::Shard& shard) -> Task<void> {
        for (std::string_view line : {"create.topic.policy.class.name=com.example.Policy",
                                      "config.providers=file", "principal.builder.class=a.B"}) {
            auto process = co_await Process::start(shard, broker_of(9093, line));
            EXPECT_FALSE(process) << line;
            if (process) co_return;
            EXPECT_EQ(process.error().code, ErrorCode::invalid_config);
            std::string key(line.substr(0, line.find('=')));
            EXPECT_TRUE(process.error().message.starts_with(key)) << process.error().message;
        }
    });
}

// server.max.startup.time.ms, where nobody answers at the controller's address.
TEST(Registration, ABrokerWithoutControllersGivesUpInTime) {
    env::sim::World world(1);
    SimulatedLog log(world);
    run_on(world, world.add_node("machine"), [](env::Shard& shard) -> Task<void> {
        config::BrokerConfig config = broker_of(9093, "server.max.startup.time.ms=5000\n");
        quorum::FormatCommand command;
        command.cluster_id = std::string(cluster_id);
        EXPECT_TRUE(quorum::format(shard.disk(), config, command, shard.random(), shard.wall_ms()));
        Time began = shard.now();
        auto process = co_await Process::start(shard, config);
        EXPECT_FALSE(process);
        if (process) co_return;
        EXPECT_EQ((shard.now() - began).ms() / 1000, 5);
        EXPECT_NE(process.error().message.find("server.max.startup.time.ms"), std::string::npos);
    });
}

void with_controller(const std::function<Task<void>(env::Shard&, RecordedController&)>& body) {
    env::sim::World world(1);
    SimulatedLog log(world);
    run_on(world, world.add_node("machine"), [&](env::Shard& shard) -> Task<void> {
        RecordedController controller(shard);
        net::ListenerInfo info{.name = "CONTROLLER", .bind = {"127.0.0.1", controller.port}};
        info.is_controller = true;
        net::ConnectionCounts counts{{}};
        metrics::Registry metrics(shard.now());
        net::Server server(shard, controller, {}, 64 << 20, counts, metrics);
        EXPECT_TRUE(server.listen(info));
        co_await body(shard, controller);
        co_await server.stop(shard.now());
    });
}

// controller.socket.timeout.ms, where request.timeout.ms is not over.
TEST(Registration, AControllerThatDoesNotAnswerIsAskedAgain) {
    with_controller([](env::Shard& shard, RecordedController& controller) -> Task<void> {
        controller.is_deaf = true;
        Time began = shard.now();
        co_await live(shard, broker_of(controller.port, "controller.socket.timeout.ms=700\n"));
        EXPECT_EQ(controller.registrations.size(), 2U);
        EXPECT_LT(shard.now() - began, Duration::seconds(10));
    });
}

TEST(Registration, ApachesControllerTakesTheBroker) {
    with_controller([](env::Shard& shard, RecordedController& controller) -> Task<void> {
        co_await live(shard, broker_of(controller.port), [](Process& process) {
            metadata::ImagePtr image = process.quorum().image();
            const metadata::Broker* broker = image->active_broker(11);
            EXPECT_NE(broker, nullptr) << "the recorded log has it, and it is not fenced";
        });
        EXPECT_EQ(controller.unknown, std::vector<std::string>());
        EXPECT_EQ(controller.registrations.size(), 1U);
        EXPECT_GE(controller.heartbeats.size(), 6U);
        if (controller.registrations.empty() || controller.heartbeats.empty()) co_return;
        const BrokerRegistrationRequest& registered = controller.registrations.front();
        EXPECT_EQ(registered.broker_id, 11);
        EXPECT_EQ(registered.cluster_id, cluster_id);
        EXPECT_EQ(registered.listeners.size(), 1U);
        EXPECT_EQ(registered.log_dirs.size(), 1U);
        EXPECT_EQ(registered.features.size(), metadata::supported_features().size());
        std::int64_t epoch = controller.heartbeats.front().broker_epoch;
        EXPECT_GT(epoch, 0);
        for (const BrokerHeartbeatRequest& each : controller.heartbeats) {
            EXPECT_EQ(each.broker_id, 11);
            EXPECT_EQ(each.broker_epoch, epoch);
        }
        EXPECT_FALSE(controller.heartbeats.front().want_shut_down);
        EXPECT_TRUE(controller.heartbeats.back().want_shut_down);
        EXPECT_GE(controller.heartbeats.back().current_metadata_offset, epoch);
    });
}

}  // namespace
}  // namespace millrace::server
