// Three brokers with one partition, wired by hand in the simulator: their partitions, fetchers and
// changes of the ISR are the real ones, the controller is a stub of a few lines. They are killed,
// lose their power and are cut off while a client writes with acks=all.

#include <algorithm>
#include <cstdlib>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>
#include <set>

#include "base/log_for_tests.h"
#include "broker/fetch_sessions.h"
#include "broker/fetchers/controller_for_tests.h"
#include "broker/fetchers/replica_fetchers.h"
#include "broker/partitions/isr_changes.h"
#include "broker/partitions/partitions_for_tests.h"
#include "client/broker_for_tests.h"
#include "config/properties.h"
#include "env/sim/fabric.h"
#include "protocol/list_offsets.h"
#include "records/batch.h"
#include "storage/test_batches.h"

namespace millrace::broker {
namespace {

using storage::Offset;

constexpr TopicIdPartition id = ControllerForTests::id;

config::BrokerConfig configured(std::int32_t node) {
    auto parsed = config::BrokerConfig::parse(*config::Properties::parse(fmt::format(
        "process.roles=broker\nnode.id={}\nlisteners=PLAINTEXT://b{}:9092\n"
        "controller.listener.names=C\ncontroller.quorum.bootstrap.servers=c:9093\n"
        "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,C:PLAINTEXT\nlog.dirs=/data\n"
        "replica.lag.time.max.ms=2000\nreplica.fetch.wait.max.ms=200\n",
        node, node)));
    if (!parsed) ADD_FAILURE() << parsed.error().message;
    CHECK(parsed.has_value());
    return *parsed;
}

// A life of one broker.
class Life {
  public:
    Life(env::Shard& shard, std::int32_t broker, ControllerForTests& controller)
        : shard_(shard),
          node_{.id = broker},
          config_(configured(broker)),
          controller_(controller),
          registry_(shard.now()),
          partitions_(shard, broker, registry_),
          metrics_(registry_),
          isr_({partitions_, metadata_, config_, metrics_,
                [this](AlterPartitionRequest request) { return ask(std::move(request)); }},
               broker),
          quota_(11, Duration::seconds(1)),
          fetchers_({shard, node_, metadata_, config_, metrics_, quota_}, registry_),
          sessions_(Random(broker), 0, 100, Duration::seconds(120)),
          server_(shard, broker, {fmt::format("b{}", broker), ControllerForTests::port}),
          scope_(shard) {
        partitions_.listen(fetchers_);
        server_.on(ApiKey::fetch, [this](const client::Incoming& in) { return fetch(in); });
        server_.on(ApiKey::list_offsets, [this](const client::Incoming& in) { return list(in); });
    }

    Task<void> start() {
        auto opened = storage::LogDirectory::open(shard_.disk(), "/data");
        CHECK(opened.has_value());
        directory_ = *std::move(opened);
        PartitionOpening opening{
            .identity = {"t", id.topic_id, id.partition},
            .directory = directory_.get(),
            .origin = {},
            .state = {},
            .config = config::TopicConfig::effective(
                config_, {{"min.insync.replicas", "2"}, {"segment.bytes", "1048576"}})};
        if (shard_.disk().exists("/data/t-0")) opening.origin.path = "/data/t-0";
        bool hides = co_await partitions_.open(std::move(opening), NodeTerms::of(config_));
        if (hides) co_await partitions_.sync_recovered(id);
        server_.start();
        isr_.start();
        fetchers_.start([]() -> Task<Result<>> { co_return Result<>{}; });
        scope_.spawn(follow_controller());
    }
    Task<void> end() {
        Cancellation shield(shard_);
        co_await server_.stop().under(shield);
        co_await fetchers_.stop().under(shield);
        co_await isr_.stop().under(shield);
        co_await scope_.close().under(shield);
        (void)co_await close_all(partitions_).under(shield);
    }
    std::shared_ptr<Partition> partition() const { return partitions_.find(id); }
    Partitions& partitions() { return partitions_; }

  private:
    // Images reach a broker some time after they were made.
    Task<void> follow_controller() {
        std::uint64_t known = 0;
        for (;;) {
            co_await env::sleep_for(shard_, Duration::milliseconds(shard_.random().between(1, 50)));
            if (controller_.version == known || controller_.cut_off.contains(node_.id)) continue;
            known = controller_.version;
            PartitionChanges changes;
            changes.updates.push_back({id, controller_.state});
            metadata_.publish(controller_.image());
            co_await partitions_.apply(std::move(changes));
        }
    }
    Task<Result<AlterPartitionResponse>> ask(AlterPartitionRequest request) {
        co_await env::sleep_for(shard_, Duration::milliseconds(shard_.random().between(1, 30)));
        bool lost = controller_.cut_off.contains(node_.id) || shard_.random().chance(0.05);
        if (lost) co_return fail(ErrorCode::network_exception);
        auto response = controller_.alter(request);
        co_await env::sleep_for(shard_, Duration::milliseconds(shard_.random().between(1, 30)));
        if (shard_.random().chance(0.05)) co_return fail(ErrorCode::network_exception);
        co_return response;
    }
    Task<std::optional<Chain>> fetch(const client::Incoming& in) {
        std::int16_t version = in.header.request_api_version;
        Reader reader(in.body);
        auto request = FetchRequest::decode(reader, version);
        CHECK(request.has_value());
        FetchPlan plan = sessions_.begin(*request, version, shard_.now());
        FetchResponse response{.error_code = plan.error, .session_id = plan.session_id()};
        Time deadline = shard_.now() + Duration::milliseconds(request->max_wait_ms);
        for (bool again = false; plan.error == ErrorCode::none; again = true) {
            response.responses.clear();
            bool found = false;
            for (FetchTarget& target : plan.targets()) {
                auto held = partition();
                Fetched fetched = co_await held->fetch(
                    {.offset = target.offset,
                     .max_bytes = 1 << 20,
                     .whole_first_batch = true,
                     .current_leader_epoch = target.current_leader_epoch,
                     .last_fetched_epoch = target.last_fetched_epoch,
                     .replica = FetchingReplica{request->replica_state.replica_id,
                                                request->replica_state.replica_epoch,
                                                target.follower_log_start},
                     .again = again});
                found |= fetched.error != ErrorCode::none || !fetched.records.empty() ||
                         fetched.diverging || shard_.now() >= deadline;
                auto& topic = response.responses.emplace_back();
                topic.topic_id = target.topic_id;
                auto& data = topic.partitions.emplace_back();
                data.error_code = fetched.error;
                data.high_watermark = fetched.high_watermark;
                data.log_start_offset = fetched.log_start;
                if (fetched.diverging) {
                    data.diverging_epoch = {.epoch = fetched.diverging->epoch,
                                            .end_offset = fetched.diverging->end_offset};
                }
                data.records = std::move(fetched.records);
                if (found) break;
                co_await env::with_deadline(shard_, deadline, arrival(*held));
            }
            if (found || plan.targets().empty()) break;
        }
        co_return *encode_response(in.header.correlation_id, ApiKey::fetch, version, response);
    }
    static Task<void> arrival(Partition& partition) {
        co_await ArrivalWait({&partition.arrivals(FetchBound::log_end)});
    }
    Task<std::optional<Chain>> list(const client::Incoming& in) {
        std::int16_t version = in.header.request_api_version;
        Reader reader(in.body);
        auto request = ListOffsetsRequest::decode(reader, version);
        CHECK(request.has_value());
        const auto& asked = request->topics.at(0).partitions.at(0);
        auto listed =
            co_await partition()->list_offset({.timestamp = asked.timestamp,
                                               .from_replica = true,
                                               .current_leader_epoch = asked.current_leader_epoch});
        ListOffsetsResponse response;
        auto& topic = response.topics.emplace_back();
        topic.name = "t";
        auto& told = topic.partitions.emplace_back();
        told.error_code = listed.error;
        told.offset = listed.offset;
        co_return *encode_response(in.header.correlation_id, ApiKey::list_offsets, version,
                                   response);
    }

    env::Shard& shard_;
    Node node_;
    config::BrokerConfig config_;
    ControllerForTests& controller_;
    metrics::Registry registry_;
    MetadataCache metadata_;
    std::unique_ptr<storage::LogDirectory> directory_;
    Partitions partitions_;
    ReplicationMetrics metrics_;
    IsrChanges isr_;
    ReplicationQuota quota_;
    ReplicaFetchers fetchers_;
    FetchSessions sessions_;
    client::BrokerForTests server_;
    Scope scope_;
};

class Trial {
  public:
    explicit Trial(std::uint64_t seed)
        : world_(seed, {.shuffle_coroutines = true}), controller_({1, 2, 3}) {
        for (int i = 1; i <= 3; ++i) {
            machines_.push_back(&world_.add_node(fmt::format("b{}", i)));
        }
        for (std::int32_t broker = 1; broker <= 3; ++broker) start(broker);
        world_.after_each_step([this] { check(); });
    }
    ~Trial() {
        for (env::sim::Node* machine : machines_) {
            if (machine->running()) world_.kill(*machine);
        }
    }

    void run(int faults) {
        world_.run_for(Duration::seconds(1));
        for (int i = 0; i < faults && !testing::Test::HasFailure(); ++i) {
            fault();
            world_.run_for(Duration::milliseconds(world_.random().between(100, 4'000)));
        }
    }
    // All are level in the end, and have what was acknowledged.
    void settle() {
        world_.fabric().heal();
        for (std::int32_t broker = 1; broker <= 3; ++broker) {
            if (!machine(broker).running()) start(broker);
        }
        world_.run_for(Duration::seconds(1));
        writing_ = false;
        bool level = world_.run_until([this] { return is_level(); }, Duration::seconds(60));
        EXPECT_TRUE(level) << "the replicas did not come level: " << describe();
        if (!level) return;
        std::string first = content(1);
        EXPECT_FALSE(first.empty());
        EXPECT_EQ(content(2), first);
        EXPECT_EQ(content(3), first);
        auto found = values_in(1);
        for (const auto& [offset, value] : acknowledged_) {
            auto at = found.find(offset);
            EXPECT_TRUE(at != found.end() && at->second == value)
                << "lost: " << value << " at " << offset;
        }
    }
    std::size_t acknowledged() const { return acknowledged_.size(); }

  private:
    env::sim::Node& machine(std::int32_t broker) {
        return *machines_[static_cast<std::size_t>(broker - 1)];
    }
    void start(std::int32_t broker) {
        high_watermarks_[broker] = 0;
        machine(broker).start([this, broker](env::Shard& shard) -> Task<int> {
            controller_.fence(broker);
            Life mine(shard, broker, controller_);
            co_await mine.start();
            controller_.registered(broker);
            Scope writers(shard);
            writers.spawn(write(shard, mine));
            current_[broker] = &mine;
            bool cancelled = false;
            try {
                co_await env::sleep_for(shard, Duration::seconds(36'000));
            } catch (const Cancelled&) {
                cancelled = true;
            }
            current_[broker] = nullptr;
            Cancellation shield(shard);
            co_await writers.close().under(shield);
            co_await mine.end();
            if (cancelled) throw Cancelled{};
            co_return 0;
        });
    }
    // Several at a time, wherever the leader is: who does not lead refuses.
    Task<void> write(env::Shard& shard, Life& mine) {
        co_await with_scope([&](Scope& scope) -> Task<void> {
            for (int i = 0; i < 4; ++i) scope.spawn(write_one_by_one(shard, mine));
            co_await scope.join();
        });
    }
    Task<void> write_one_by_one(env::Shard& shard, Life& mine) {
        for (;;) {
            co_await env::sleep_for(shard, Duration::milliseconds(shard.random().between(1, 40)));
            auto partition = mine.partition();
            if (!writing_ || !partition->is_leader()) continue;
            Timestamp value = ++values_;
            Produced produced = co_await partition->produce(
                storage::make_batch({.timestamp = value}),
                {.acks = -1, .version = 9, .timeout = Duration::seconds(2)},
                mine.partitions().validator());
            if (produced.error == ErrorCode::none) acknowledged_[produced.base_offset] = value;
        }
    }
    void fault() {
        auto broker = static_cast<std::int32_t>(world_.random().between(1, 3));
        env::sim::Node& one = machine(broker);
        double choice = world_.random().unit();
        if (!one.running()) {
            start(broker);
        } else if (choice < 0.3) {
            world_.kill(one);
            controller_.fence(broker);
        } else if (choice < 0.6) {
            world_.crash(one);
            controller_.fence(broker);
        } else if (choice < 0.8) {
            world_.fabric().isolate(one);
            controller_.cut_off.insert(broker);
            if (world_.random().chance(0.5)) controller_.fence(broker);
            world_.run_for(Duration::milliseconds(world_.random().between(100, 5'000)));
            world_.fabric().heal();
            controller_.cut_off.clear();
            controller_.unfence(broker);
        } else {
            for (env::sim::Node* other : machines_) {
                if (other != &one) world_.fabric().reset(one, *other);
            }
        }
    }
    void check() {
        for (auto& [broker, mine] : current_) {
            if (mine == nullptr || !machine(broker).running()) continue;
            Offset now = mine->partition()->high_watermark();
            Offset& before = high_watermarks_[broker];
            ASSERT_GE(now, before) << "the high watermark of " << broker << " moved back";
            before = now;
        }
    }
    bool is_level() {
        Offset end = -1;
        for (auto& [broker, mine] : current_) {
            if (mine == nullptr) return false;
            const auto& partition = *mine->partition();
            if (end < 0) end = partition.log().end_offset();
            bool same = partition.log().end_offset() == end && partition.high_watermark() == end;
            if (!same) return false;
        }
        return controller_.state.isr.size() == 3;
    }
    std::string describe() {
        std::string text = fmt::format("ISR {}", fmt::join(controller_.state.isr, ","));
        metadata::ImagePtr image = controller_.image();
        for (const auto& [broker, entry] : image->brokers) {
            text += fmt::format("; {} is {} with epoch {}", broker,
                                entry->fenced ? "fenced" : "alive", entry->epoch);
        }
        for (auto& [broker, mine] : current_) {
            if (mine == nullptr) continue;
            auto partition = mine->partition();
            text += fmt::format("; {} in epoch {} ends at {}, high watermark {}", broker,
                                partition->leader_epoch(), partition->log().end_offset(),
                                partition->high_watermark());
            const auto* leads = partition->followers();
            if (leads == nullptr) continue;
            text += fmt::format(", leads{}", leads->is_changing() ? " and waits for the ISR" : "");
            for (const auto& each : leads->followers()) {
                text += fmt::format(" {}:{} of broker epoch {}", each.id, each.end,
                                    each.broker_epoch.value_or(-1));
            }
        }
        return text;
    }
    Slice load(std::int32_t broker) {
        storage::Log& log = current_.at(broker)->partition()->log();
        auto loaded =
            log.load({.offset = 0, .max_bytes = 64 << 20, .upper_bound = log.end_offset()});
        CHECK(loaded.has_value());
        return *loaded;
    }
    std::string content(std::int32_t broker) {
        Slice all = load(broker);
        return {reinterpret_cast<const char*>(all.data()), all.size()};
    }
    std::map<Offset, Timestamp> values_in(std::int32_t broker) {
        std::map<Offset, Timestamp> values;
        Slice all = load(broker);
        BatchReader reader(all.bytes());
        for (auto batch = reader.next(); batch && *batch; batch = reader.next()) {
            values[(*batch)->base_offset()] = (*batch)->max_timestamp();
        }
        return values;
    }

    log::CapturedLog quiet_;
    env::sim::World world_;
    ControllerForTests controller_;
    std::vector<env::sim::Node*> machines_;
    std::map<std::int32_t, Life*> current_;
    bool writing_ = true;
    Timestamp values_ = 0;
    std::map<Offset, Timestamp> acknowledged_;
    std::map<std::int32_t, Offset> high_watermarks_;
};

TEST(Replication, WhatWasAcknowledgedIsOnAllReplicasInTheEnd) {
    const char* wanted = std::getenv("MILLRACE_SEEDS");
    const char* seed = std::getenv("MILLRACE_SEED");
    std::uint64_t first = seed == nullptr ? 1 : std::strtoull(seed, nullptr, 10);
    std::uint64_t seeds =
        wanted == nullptr ? (seed == nullptr ? 5 : 1) : std::strtoull(wanted, nullptr, 10);
    std::size_t acknowledged = 0;
    for (std::uint64_t i = first; i < first + seeds && !HasFailure(); ++i) {
        SCOPED_TRACE(fmt::format("MILLRACE_SEED={}", i));
        Trial trial(i);
        trial.run(15);
        if (!HasFailure()) trial.settle();
        acknowledged += trial.acknowledged();
    }
    EXPECT_GT(acknowledged, seeds * 100) << "too little was acknowledged to show anything";
}

}  // namespace
}  // namespace millrace::broker
