#include "broker/client_quotas.h"

#include <gtest/gtest.h>

#include "broker/work_meter.h"
#include "broker/world_for_tests.h"
#include "config/broker_config.h"
#include "config/properties.h"
#include "core/metadata/sorted_map_editor.h"

namespace millrace::broker {
namespace {

using quotas::Kind;

config::BrokerConfig config_for_tests() {
    auto file = config::Properties::parse(
        "process.roles=broker\nnode.id=1\ncontroller.quorum.voters=2@localhost:9093\n"
        "controller.listener.names=CONTROLLER\nlisteners=PLAINTEXT://:9092\n");
    CHECK(file.has_value());
    auto parsed = config::BrokerConfig::parse(*file);
    CHECK(parsed.has_value());
    return *parsed;
}

metadata::ImagePtr with_quotas(
    std::vector<std::pair<metadata::QuotaEntity, metadata::Quotas>> entries) {
    metadata::SortedMapEditor editor{quotas::Table()};
    for (auto& [entity, values] : entries)
        editor.set(std::move(entity), std::make_shared<metadata::Quotas>(std::move(values)));
    auto image = std::make_shared<metadata::Image>();
    image->quotas = std::move(editor).finish();
    return image;
}

metadata::QuotaEntity client(std::string id) { return {{"client-id", std::move(id)}}; }

struct Fixture {
    explicit Fixture(env::Shard& shard)
        : config(config_for_tests()),
          metrics(shard.now()),
          rates(shard, config, metrics),
          limits(shard, metadata, client_window(config), {&rates}) {
        listener.name = "PLAINTEXT";
        peer->listener = &listener;
    }
    // A request asks first whether there are any.
    void set(metadata::ImagePtr image) {
        metadata.publish(std::move(image));
        limits.any();
    }
    net::Request request(std::string id, std::size_t bytes = 0) {
        net::Request made;
        made.api = find_api(ApiKey::produce);
        made.client_id = std::move(id);
        made.bytes = bytes;
        made.peer = peer;
        return made;
    }

    config::BrokerConfig config;
    metrics::Registry metrics;
    MetadataCache metadata;
    ClientRates rates;
    ClientQuotas limits;
    net::ListenerInfo listener;
    std::shared_ptr<net::Peer> peer = std::make_shared<net::Peer>();
};

TEST(ClientQuotas, FollowTheMetadata) {
    in_world([](env::Shard& shard) -> Task<void> {
        Fixture f(shard);
        EXPECT_FALSE(f.limits.any());
        f.set(with_quotas({{client("c"), {{"producer_byte_rate", 1000}}}}));
        EXPECT_TRUE(f.limits.any());
        EXPECT_EQ(co_await f.limits.produced(f.request("c", 20'000), true), Duration::seconds(10));
        EXPECT_EQ(co_await f.limits.produced(f.request("d", 20'000), true), Duration());
        f.set(with_quotas({{client("c"), {{"producer_byte_rate", 4000}}}}));
        EXPECT_EQ(co_await f.limits.produced(f.request("c", 0), true), Duration())
            << "what has come already is half of the new bound";
        f.set(with_quotas({{client("d"), {{"producer_byte_rate", 1000}}}}));
        EXPECT_EQ(co_await f.limits.produced(f.request("c", 90'000), true), Duration());
        EXPECT_FALSE(f.limits.has(Kind::produce, f.request("c")));
        f.set(with_quotas({}));
        EXPECT_FALSE(f.limits.any());
    });
}

TEST(ClientQuotas, AFetchThatWaitsIsNotCounted) {
    in_world([](env::Shard& shard) -> Task<void> {
        Fixture f(shard);
        f.set(with_quotas({{client("c"), {{"consumer_byte_rate", 1000}}}}));
        EXPECT_EQ(f.limits.most_to_fetch(f.request("c")), 10'000U);
        EXPECT_EQ(f.limits.most_to_fetch(f.request("d")), 2147483647U);
        EXPECT_EQ(co_await f.limits.fetched(f.request("c"), 9000), Duration());
        EXPECT_EQ(co_await f.limits.fetched(f.request("c"), 2000), Duration::seconds(1));
        EXPECT_EQ(co_await f.limits.fetched(f.request("c"), 2000), Duration::seconds(1));
        EXPECT_EQ(co_await f.limits.fetched(f.request("c"), 1000), Duration());
    });
}

TEST(ClientQuotas, TheConnectionsUserCounts) {
    in_world([](env::Shard& shard) -> Task<void> {
        Fixture f(shard);
        f.set(with_quotas({{{{"user", "alice"}}, {{"producer_byte_rate", 1000}}}}));
        EXPECT_FALSE(f.limits.has(Kind::produce, f.request("c")));
        f.peer->principal = "User:alice";
        EXPECT_TRUE(f.limits.has(Kind::produce, f.request("c")));
        net::Request nameless = f.request("");
        nameless.client_id.reset();
        EXPECT_TRUE(f.limits.has(Kind::produce, nameless));
        co_return;
    });
}

// A clock that each reading moves on by a millisecond.
struct TickingClock {
    WorkMeter::Clock clock = [this] { return now = now + Duration::milliseconds(1); };
    Time now;
};

TEST(WorkMeter, CountsWorkAndNoWaits) {
    in_world([](env::Shard& shard) -> Task<void> {
        TickingClock ticking;
        WorkMeter meter(shard, ticking.clock);
        Duration inside;
        auto work = [&]() -> Task<net::Reply> {
            for (int i = 0; i < 3; ++i) {
                co_await env::sleep_for(shard, Duration::seconds(5));
                ticking.now = ticking.now + Duration::milliseconds(10);
            }
            inside = meter.worked();
            co_return net::Reply{.reason = "done"};
        };
        net::Reply reply = co_await meter.run(work());
        EXPECT_EQ(reply.reason, "done");
        EXPECT_GE(inside, Duration::milliseconds(30));
        EXPECT_LT(inside, Duration::milliseconds(50));
    });
}

// What a shard is asked to do by another one counts where the request came from.
TEST(WorkMeter, CountsTheWorkOfOtherShards) {
    env::sim::World world(1);
    env::sim::Node& node = world.add_node("node", {.shards = 3});
    int code = world.run(node, [&](env::Shard& shard) -> Task<int> {
        TickingClock ticking;
        auto works = [&](env::Shard& there) -> Task<int> {
            ticking.now = ticking.now + Duration::milliseconds(100);
            co_await env::sleep_for(there, Duration::seconds(5));
            ticking.now = ticking.now + Duration::milliseconds(20);
            co_return there.id();
        };
        auto notes = [&](env::Shard&) -> Task<void> {
            ticking.now = ticking.now + Duration::milliseconds(3);
            co_return;
        };
        Duration inside;
        WorkMeter meter(shard, ticking.clock);
        auto work = [&]() -> Task<net::Reply> {
            for (int to = 0; to < 3; ++to) {
                EXPECT_EQ(co_await measured_call_on(shard, to, works), to);
                co_await measured_call_on(shard, to, notes);
            }
            inside = meter.worked();
            co_return net::Reply{};
        };
        (void)co_await meter.run(work());
        EXPECT_GE(inside, Duration::milliseconds(3 * 123));
        EXPECT_LT(inside, Duration::milliseconds(3 * 123 + 50));
        // Whom nobody measures is not.
        EXPECT_EQ(co_await measured_call_on(shard, 1, works), 1);
        co_return 0;
    });
    EXPECT_EQ(code, 0);
}

TEST(WorkMeter, ACancellationReachesTheWork) {
    in_world([](env::Shard& shard) -> Task<void> {
        TickingClock ticking;
        WorkMeter meter(shard, ticking.clock);
        auto work = [&]() -> Task<net::Reply> {
            co_await env::sleep_for(shard, Duration::seconds(1'000'000));
            co_return net::Reply{};
        };
        auto reply = co_await env::with_deadline(shard, shard.now() + Duration::seconds(1),
                                                 meter.run(work()));
        EXPECT_FALSE(reply);
    });
}

TEST(WorkMeter, TimeOfRequestsCountsInHundredths) {
    in_world([](env::Shard& shard) -> Task<void> {
        Fixture f(shard);
        f.set(with_quotas({{client("c"), {{"request_percentage", 10}}}}));
        TickingClock ticking;
        WorkMeter meter(shard, ticking.clock);
        Duration wait;
        auto work = [&]() -> Task<net::Reply> {
            ticking.now = ticking.now + Duration::milliseconds(1010);
            net::Request request = f.request("c");
            request.work = &meter;
            wait = co_await f.limits.worked(request);
            request.api = find_api(ApiKey::write_txn_markers);
            EXPECT_EQ(co_await f.limits.worked(request), Duration()) << "nodes' own are exempt";
            co_return net::Reply{};
        };
        (void)co_await meter.run(work());
        // 101 hundredths of a second in ten seconds.
        EXPECT_GT(wait, Duration());
        EXPECT_LE(wait, Duration::seconds(1));
    });
}

}  // namespace
}  // namespace millrace::broker
