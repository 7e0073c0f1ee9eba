#include <gtest/gtest.h>

#include "core/metadata/sorted_map_editor.h"
#include "core/quotas/counters.h"
#include "core/quotas/limits.h"
#include "core/quotas/mutation_quota.h"
#include "core/quotas/rate.h"

namespace millrace::quotas {
namespace {

Time at_ms(std::int64_t ms) { return Time() + Duration::milliseconds(ms); }

Table table_of(std::vector<std::pair<metadata::QuotaEntity, metadata::Quotas>> entries) {
    metadata::SortedMapEditor editor{Table()};
    for (auto& [entity, quotas] : entries)
        editor.set(std::move(entity), std::make_shared<metadata::Quotas>(std::move(quotas)));
    return std::move(editor).finish();
}

const std::optional<Limit>& of(const Limits& limits, Kind kind) {
    return limits[static_cast<std::size_t>(kind)];
}

metadata::QuotaEntity entity(std::vector<std::pair<const char*, const char*>> parts) {
    metadata::QuotaEntity made;
    for (auto [type, name] : parts) {
        made.push_back({type, name == nullptr ? std::nullopt : std::optional<std::string>(name)});
    }
    return made;
}

TEST(Rate, ABurstAfterARestMayTakeTheTimeOfAWindow) {
    Window window{11, Duration::seconds(1)};
    Rate rate(window);
    Time now = at_ms(5000);
    rate.record(10'000, now);
    EXPECT_EQ(rate.throttle(1000, now), Duration()) << "1,000 a second over ten seconds";
    EXPECT_EQ(window.burst_seconds() * 1000, 10'000);
    rate.record(1, now);
    EXPECT_EQ(rate.throttle(1000, now), Duration::milliseconds(1));
    rate.record(9'999, now);
    EXPECT_EQ(rate.throttle(1000, now), Duration::seconds(10));
    EXPECT_FALSE(rate.is_at_rest(now));
    EXPECT_EQ(rate.a_second(at_ms(16'000)), 0);
    EXPECT_TRUE(rate.is_at_rest(at_ms(16'000)));
}

TEST(Rate, WhatIsTakenBackLeavesNothing) {
    Rate rate(Window{});
    rate.record(500, at_ms(1000));
    rate.record(-500, at_ms(1000));
    EXPECT_EQ(rate.a_second(at_ms(1000)), 0);
    EXPECT_TRUE(rate.is_at_rest(at_ms(1000)));
}

// However little is asked for, a wait is a number of milliseconds that an answer can tell.
TEST(Rate, NoWaitIsLongerThanAnAnswerCanTell) {
    Rate rate(Window{});
    rate.record(1e15, at_ms(0));
    EXPECT_EQ(rate.throttle(1, at_ms(0)).ms(), 2147483647);
    TokenBucket bucket(Window{});
    bucket.take(1e15, 0.1, at_ms(0));
    EXPECT_EQ(bucket.throttle(0.1, at_ms(0)).ms(), 2147483647);
}

TEST(Rate, WhoeverWaitsAsToldKeepsToTheBound) {
    Rate rate(Window{});
    double total = 0;
    Time now = at_ms(0);
    while (now < at_ms(200'000)) {
        rate.record(200, now);
        total += 200;
        now = now + std::max(Duration::milliseconds(2), rate.throttle(1000, now));
    }
    EXPECT_LT(total, 220'000);
    EXPECT_GT(total, 190'000);
}

TEST(TokenBucket, ANewOneIsFullWhateverTheClock) {
    TokenBucket bucket(Window{.samples = 5, .sample = Duration::seconds(2)});
    EXPECT_EQ(bucket.tokens(3, at_ms(0)), 30);
    EXPECT_TRUE(bucket.is_at_rest(3, at_ms(0)));
    bucket.take(36, 3, at_ms(0));
    EXPECT_EQ(bucket.throttle(3, at_ms(0)), Duration::seconds(2));
    EXPECT_EQ(bucket.throttle(3, at_ms(1999)), Duration::milliseconds(1));
    EXPECT_FALSE(bucket.is_overdrawn(3, at_ms(2001)));
}

TEST(MutationQuota, AStrictOneRefusesOnceOverdrawn) {
    MutationBuckets buckets(Window{});
    Limit limit{1, {"u", ""}};
    MutationQuota first(buckets, limit, MutationQuota::Kind::strict);
    EXPECT_TRUE(first.take(100, at_ms(0))) << "a full bucket takes a request of any size";
    EXPECT_EQ(first.throttle(), Duration());
    MutationQuota second(buckets, limit, MutationQuota::Kind::strict);
    EXPECT_FALSE(second.take(1, at_ms(0)));
    EXPECT_EQ(second.throttle(), Duration::seconds(89));
    MutationQuota old(buckets, limit, MutationQuota::Kind::permissive);
    EXPECT_TRUE(old.take(1, at_ms(0)));
    EXPECT_EQ(old.throttle(), Duration::seconds(90));
    MutationQuota other(buckets, {1, {"v", ""}}, MutationQuota::Kind::strict);
    EXPECT_TRUE(other.take(1, at_ms(0)));
}

TEST(Limits, TheMostSpecificOneApplies) {
    auto rate = [](double bound) { return metadata::Quotas{{"producer_byte_rate", bound}}; };
    std::vector<std::pair<metadata::QuotaEntity, metadata::Quotas>> all{
        {entity({{"client-id", "c"}, {"user", "u"}}), rate(1)},
        {entity({{"client-id", nullptr}, {"user", "u"}}), rate(2)},
        {entity({{"user", "u"}}), rate(3)},
        {entity({{"client-id", "c"}, {"user", nullptr}}), rate(4)},
        {entity({{"client-id", nullptr}, {"user", nullptr}}), rate(5)},
        {entity({{"user", nullptr}}), rate(6)},
        {entity({{"client-id", "c"}}), rate(7)},
        {entity({{"client-id", nullptr}}), rate(8)},
    };
    const Counted both{"u", "c"};
    const Counted user{"u", ""};
    const Counted client{"", "c"};
    const Counted counted[] = {both, both, user, both, both, user, client, client};
    for (std::size_t gone = 0; gone < all.size(); ++gone) {
        Table table = table_of({all.begin() + static_cast<std::ptrdiff_t>(gone), all.end()});
        auto limit = of(limits_of(table, "u", "c"), Kind::produce);
        ASSERT_TRUE(limit);
        EXPECT_EQ(limit->bound, static_cast<double>(gone + 1));
        EXPECT_EQ(limit->counted, counted[gone]);
    }
    Table table = table_of(all);
    EXPECT_EQ(of(limits_of(table, "u", ""), Kind::produce)->bound, 3) << "no client id";
    EXPECT_EQ(of(limits_of(table, "v", ""), Kind::produce)->bound, 6);
    EXPECT_FALSE(of(limits_of(table, "u", "c"), Kind::fetch));
}

TEST(Limits, EachKindHasItsOwn) {
    Table table = table_of({
        {entity({{"user", "u"}}), {{"consumer_byte_rate", 10}, {"request_percentage", 50}}},
        {entity({{"client-id", "c"}}),
         {{"consumer_byte_rate", 20}, {"controller_mutation_rate", 0.5}}},
    });
    Limits limits = limits_of(table, "u", "c");
    EXPECT_FALSE(of(limits, Kind::produce));
    EXPECT_EQ(of(limits, Kind::fetch)->bound, 10);
    EXPECT_EQ(of(limits, Kind::request)->bound, 50);
    EXPECT_EQ(of(limits, Kind::controller_mutation)->bound, 0.5);
    EXPECT_EQ(of(limits, Kind::controller_mutation)->counted, (Counted{"", "c"}));
}

TEST(Limits, AddressesHaveTheirOwnQuotas) {
    Table table = table_of({
        {entity({{"ip", nullptr}}), {{"connection_creation_rate", 7}}},
        {entity({{"ip", "10.0.0.1"}}), {{"connection_creation_rate", 3}}},
        {entity({{"ip", "somewhere.example"}}), {{"connection_creation_rate", 1}}},
    });
    EXPECT_FALSE(any_of_clients(table));
    ConnectionLimits limits(table);
    auto of_text = [&](const char* text) { return limits.of(*config::IpAddress::parse(text)); };
    EXPECT_EQ(of_text("10.0.0.1"), 3);
    EXPECT_EQ(of_text("::ffff:10.0.0.1"), 3);
    EXPECT_EQ(of_text("10.0.0.2"), 7);
    EXPECT_TRUE(ConnectionLimits(Table()).empty());
    EXPECT_FALSE(limits.empty());
}

TEST(Limits, HostsHaveTheQuotasOfTheirNames) {
    Table table = table_of({
        {entity({{"ip", "10.0.0.1"}}), {{"connection_creation_rate", 3}}},
        {entity({{"ip", "somewhere.example"}}), {{"connection_creation_rate", 1}}},
        {entity({{"ip", "elsewhere.example"}}), {{"connection_creation_rate", 2}}},
        {entity({{"user", "host.example"}}), {{"producer_byte_rate", 2}}},
    });
    EXPECT_EQ(hosts_named_in(table),
              (std::vector<std::string>{"elsewhere.example", "somewhere.example"}));
    auto address = [](const char* text) { return *config::IpAddress::parse(text); };
    ConnectionLimits limits(table, {{"somewhere.example", address("10.0.0.7")}});
    EXPECT_EQ(limits.of(address("10.0.0.7")), 1);
    EXPECT_EQ(limits.of(address("10.0.0.1")), 3);
    EXPECT_EQ(limits.of(address("10.0.0.8")), std::nullopt);
}

TEST(MutationQuota, ShowsWhatClientsDo) {
    int shown = 0;
    MutationBuckets::Client* client = nullptr;
    MutationBuckets buckets(Window{}, [&](const Counted& counted, MutationBuckets::Client& one) {
        EXPECT_EQ(counted.user, "u");
        client = &one;
        return std::make_shared<int>(++shown);
    });
    Limit limit{1, {"u", ""}};
    MutationQuota quota(buckets, limit, MutationQuota::Kind::strict);
    EXPECT_TRUE(quota.take(30, at_ms(0)));
    EXPECT_FALSE(quota.take(1, at_ms(0)));
    ASSERT_NE(client, nullptr);
    EXPECT_EQ(shown, 1);
    EXPECT_EQ(client->tokens.tokens(1, at_ms(0)), 11 - 30);
    EXPECT_EQ(client->rate.a_second(at_ms(0)), 1) << "30 in half a minute";
    EXPECT_EQ(client->throttled.average(at_ms(0)), 19'000);
}

TEST(Counters, ThoseAtRestAreForgottenOnceThereAreMany) {
    Counters<Rate> rates;
    auto rate_of = [&](int client, Time now) -> Rate& {
        Counted counted{"", std::to_string(client)};
        return rates.of(counted, now, [](const Counted&) { return Rate(Window{}); });
    };
    for (int i = 0; i < 100'000; ++i) {
        rate_of(-1, at_ms(i)).record(1, at_ms(i));
        rate_of(i, at_ms(i)).record(1, at_ms(i));
    }
    EXPECT_LE(rates.size(), 44'000U) << "twice what eleven to twelve seconds have, and few more";
    EXPECT_GT(rate_of(-1, at_ms(100'000)).a_second(at_ms(100'000)), 900);
}

}  // namespace
}  // namespace millrace::quotas
