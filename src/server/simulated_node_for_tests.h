#pragma once

#include <cstdlib>
#include <fmt/core.h>
#include <functional>
#include <gtest/gtest.h>
#include <optional>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/condition.h"
#include "base/log_for_tests.h"
#include "config/broker_config.h"
#include "config/properties.h"
#include "env/sim/world.h"
#include "quorum/format.h"
#include "server/process.h"

namespace millrace::server {

// The log of a simulated world: to stderr with the world's time where MILLRACE_LOG is set, else to
// nowhere, as most of it is about the faults that a test asks for.
class SimulatedLog {
  public:
    explicit SimulatedLog(const env::sim::World& world) {
        if (std::getenv("MILLRACE_LOG") == nullptr) return;
        log::set_sink([&world](const log::Line& line) {
            fmt::print(stderr, "{:12.6f} {} {} {}\n",
                       static_cast<double>((world.now() - Time()).ns()) / 1e9,
                       log::to_string(line.level), line.area, line.text);
        });
    }

  private:
    log::CapturedLog captured_;
};

// Runs `body` on a machine to its end.
inline void run_on(env::sim::World& world, env::sim::Node& machine,
                   const std::function<Task<void>(env::Shard&)>& body) {
    int code = world.run(machine, [&](env::Shard& shard) -> Task<int> {
        co_await body(shard);
        co_return 0;
    });
    EXPECT_EQ(code, 0);
}

// What a simulated node is made of.
struct NodeShape {
    std::string machine = "broker";  // under which others find it
    int shards = 1;
    std::string lines;  // of its configuration; they win over those that it has otherwise
    // As kafka-storage format gets them.
    bool standalone = true;
    std::optional<std::string> initial_controllers;
};

// A whole node of Millrace on a machine of a simulated world.
class SimulatedNode {
  public:
    // Formats its directories; lines in `more` win over the configuration that it has otherwise.
    SimulatedNode(env::sim::World& world, int shards, std::string_view more = {})
        : SimulatedNode(world, NodeShape{.shards = shards, .lines = std::string(more)}) {}
    SimulatedNode(env::sim::World& world, const NodeShape& shape)
        : world_(world),
          machine_(world.add_node(shape.machine, {.shards = shape.shards})),
          config_(configured(shape.lines)) {
        int code = world_.run(machine_, [this, &shape](env::Shard& shard) -> Task<int> {
            quorum::FormatCommand command;
            command.cluster_id = "cluster-of-tests";
            command.standalone = shape.standalone;
            command.initial_controllers = shape.initial_controllers;
            auto told =
                quorum::format(shard.disk(), config_, command, shard.random(), shard.wall_ms());
            EXPECT_TRUE(told) << (told ? "" : told.error().message);
            co_return told ? 0 : 1;
        });
        CHECK(code == 0);
    }

    SimulatedNode(const SimulatedNode&) = delete;
    ~SimulatedNode() { kill(); }

    // What the work on requests is measured with, from its next start on.
    void measure_with(broker::WorkMeter::Clock clock) { clock_ = std::move(clock); }
    // What it opens for tiered storage, from its next start on.
    void keep_segments_in(Process::OpenStore open_store) { open_store_ = std::move(open_store); }
    void start() {
        stop_wanted_ = false;
        ready_ = false;
        doomed_ = false;
        machine_.start([this](env::Shard& shard) { return live(shard); });
    }
    // Returns once clients are served or it has ended by itself.
    void start_and_wait() {
        start();
        EXPECT_TRUE(
            world_.run_until([&] { return ready() || !running(); }, Duration::seconds(300)));
    }
    bool running() const { return machine_.running(); }
    bool ready() const { return ready_; }  // clients are served
    // Whatever it says from now on until the next start() is no failure of the test.
    void doom() { doomed_ = true; }
    void kill() {
        doom();
        world_.kill(machine_);
    }
    void lose_power() {
        doom();
        world_.crash(machine_);
    }
    // Ends in order, as at SIGTERM.
    void ask_to_stop() {
        stop_wanted_ = true;
        stop_.notify_all();
    }

    const Process& process() const { return *process_; }  // while ready()
    // Why it ended by itself, or did not start.
    const std::string& reason() const { return reason_; }
    env::sim::Node& machine() { return machine_; }
    env::sim::Disk& disk() { return machine_.disk(); }

  private:
    static config::BrokerConfig configured(std::string_view more) {
        std::string text =
            "process.roles=broker,controller\n"
            "node.id=1\n"
            "listeners=PLAINTEXT://:9092,CONTROLLER://:9093\n"
            "advertised.listeners=PLAINTEXT://broker:9092,CONTROLLER://broker:9093\n"
            "controller.listener.names=CONTROLLER\n"
            "controller.quorum.bootstrap.servers=broker:9093\n"
            "log.dirs=/data\n"
            "num.partitions=4\n"
            "group.initial.rebalance.delay.ms=0\n"
            "group.min.session.timeout.ms=1000\n"
            "offsets.topic.num.partitions=5\n";
        for (const char* key :
             {"offsets.topic.replication.factor", "transaction.state.log.replication.factor",
              "transaction.state.log.min.isr", "share.coordinator.state.topic.replication.factor",
              "share.coordinator.state.topic.min.isr"}) {
            text += fmt::format("{}=1\n", key);
        }
        text += more;
        auto file = config::Properties::parse(text);
        CHECK(file.has_value());
        auto parsed = config::BrokerConfig::parse(*file);
        if (!parsed) ADD_FAILURE() << parsed.error().message;
        CHECK(parsed.has_value());
        return *parsed;
    }

    Task<int> live(env::Shard& shard) {
        auto process = co_await Process::start(shard, config_, open_store_, {.clock = clock_});
        EXPECT_TRUE(process || doomed_) << (process ? "" : process.error().message);
        if (!process) {
            reason_ = process.error().message;
            co_return 1;
        }
        process_ = process->get();
        ready_ = true;
        bool cancelled = false;
        std::optional<Error> failure;
        try {
            failure = co_await asked_or_failed(**process);
        } catch (const Cancelled&) {
            cancelled = true;
        }
        EXPECT_TRUE(!failure || doomed_) << failure.value_or(Error{}).message;
        if (failure) reason_ = failure->message;
        ready_ = false;
        process_ = nullptr;
        Cancellation shield(shard);
        Result<> stopped = co_await (*process)->stop().under(shield);
        if (cancelled) throw Cancelled{};
        EXPECT_TRUE(stopped || doomed_) << (stopped ? "" : stopped.error().message);
        co_return stopped && !failure ? 0 : 1;
    }
    Task<std::optional<Error>> asked_or_failed(Process& process) {
        std::optional<Error> failure;
        co_await with_scope([&](Scope& scope) -> Task<void> {
            auto watch = [&]() -> Task<void> {
                failure = co_await process.failed();
                stop_.notify_all();
            };
            scope.spawn(watch());
            co_await stop_.until([&] { return stop_wanted_ || failure; });
        });
        co_return failure;
    }

    env::sim::World& world_;
    env::sim::Node& machine_;
    config::BrokerConfig config_;
    Process::OpenStore open_store_;
    broker::WorkMeter::Clock clock_;
    const Process* process_ = nullptr;
    Condition stop_;
    bool stop_wanted_ = false;
    bool ready_ = false;
    bool doomed_ = false;
    std::string reason_;
};

}  // namespace millrace::server
