#include "client/connection.h"

#include <algorithm>
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/broker_for_tests.h"
#include "client/gather.h"
#include "protocol/describe_quorum.h"
#include "protocol/heartbeat.h"
#include "protocol/produce.h"

namespace millrace::client {
namespace {

using env::Shard;
using testing::HasSubstr;

using Opened = Result<std::shared_ptr<BrokerConnection>>;
using Beaten = Result<Reply<HeartbeatResponse>>;

// One broker and connections to it.
struct Fixture {
    explicit Fixture(Shard& s) : shard(s), broker(s), scope(s) {
        broker.on<HeartbeatRequest>([](const HeartbeatRequest& request, std::int16_t) {
            return HeartbeatResponse{.throttle_time_ms = request.generation_id};
        });
        broker.start();
    }
    Task<Opened> open(ConnectionOptions options = {}) {
        options.client_id = "test";
        return BrokerConnection::open(shard, scope, "broker 1", broker.address(), options);
    }
    Task<void> close() {
        co_await scope.close();
        co_await broker.stop();
    }
    static HeartbeatRequest beat(std::int32_t number) {
        return {.group_id = "g", .generation_id = number};
    }

    Shard& shard;
    BrokerForTests broker;
    Scope scope;
};

TEST(Connection, CallsInTheHighestVersionThatBothHave) {
    in_both_worlds([](Shard& shard) -> Task<void> {
        Fixture f(shard);
        f.broker.versions[ApiKey::heartbeat] = {1, 3};
        auto connection = co_await f.open();
        CO_ASSERT(connection);
        auto reply = co_await (*connection)->call(Fixture::beat(17));
        CO_ASSERT(reply);
        EXPECT_EQ(reply->version, 3);
        EXPECT_EQ(reply->response.throttle_time_ms, 17);
        CallOptions options{.max_version = 2};
        auto older = co_await (*connection)->call(Fixture::beat(18), options);
        CO_ASSERT(older);
        EXPECT_EQ(older->version, 2);
        EXPECT_EQ(f.broker.seen.back(), std::pair(ApiKey::heartbeat, std::int16_t{2}));
        co_await f.close();
    });
}

TEST(Connection, SaysWhatEachSideHasWhenThereIsNoCommonVersion) {
    in_sim(1, [](Shard& shard) -> Task<void> {
        Fixture f(shard);
        f.broker.versions[ApiKey::heartbeat] = {7, 9};
        f.broker.versions.erase(ApiKey::describe_quorum);
        auto connection = co_await f.open();
        CO_ASSERT(connection);
        auto newer = co_await (*connection)->call(Fixture::beat(1));
        CO_ASSERT(!newer);
        EXPECT_EQ(newer.error().code, ErrorCode::unsupported_version);
        EXPECT_THAT(newer.error().message, HasSubstr("broker 1 at 127.0.0.1:"));
        EXPECT_THAT(newer.error().message, HasSubstr("has Heartbeat in versions 7-9"));
        EXPECT_THAT(newer.error().message, HasSubstr("this client needs versions 0-4"));
        auto missing = co_await (*connection)->call(DescribeQuorumRequest());
        CO_ASSERT(!missing);
        EXPECT_EQ(missing.error().code, ErrorCode::unsupported_version);
        EXPECT_THAT(missing.error().message, HasSubstr("does not know DescribeQuorum (API 55)"));
        EXPECT_TRUE((*connection)->is_open());
        co_await f.close();
    });
}

TEST(Connection, AsksAnOldBrokerForItsVersionsOnceMore) {
    in_sim(2, [](Shard& shard) -> Task<void> {
        Fixture f(shard);
        f.broker.versions[ApiKey::api_versions] = {0, 2};
        f.broker.on(ApiKey::api_versions, [&f](const Incoming& in) -> Task<std::optional<Chain>> {
            std::int16_t version = in.header.request_api_version;
            ApiVersionsResponse response;
            if (version > 2) response.error_code = ErrorCode::unsupported_version;
            for (const auto& [key, range] : f.broker.versions) {
                if (version > 2 && key != ApiKey::api_versions) continue;
                response.api_keys.push_back(
                    {static_cast<std::int16_t>(key), range.first, range.second});
            }
            std::int16_t answered_in = version > 2 ? std::int16_t{0} : version;
            co_return *encode_response(in.header.correlation_id, ApiKey::api_versions, answered_in,
                                       response);
        });
        auto connection = co_await f.open();
        CO_ASSERT(connection);
        std::vector<std::int16_t> asked;
        for (const auto& [key, version] : f.broker.seen) asked.push_back(version);
        EXPECT_THAT(asked, testing::ElementsAre(find_api(ApiKey::api_versions)->max_version, 2));
        EXPECT_TRUE(co_await (*connection)->call(Fixture::beat(1)));
        co_await f.close();
    });
}

TEST(Connection, PipelinesInOrder) {
    in_both_worlds([](Shard& shard) -> Task<void> {
        Fixture f(shard);
        std::vector<std::int32_t> arrived;
        f.broker.on<HeartbeatRequest>([&](const HeartbeatRequest& request, std::int16_t) {
            arrived.push_back(request.generation_id);
            return HeartbeatResponse{.throttle_time_ms = request.generation_id};
        });
        auto connection = co_await f.open();
        CO_ASSERT(connection);
        std::vector<Task<Beaten>> calls;
        for (int i = 0; i < 500; ++i) calls.push_back((*connection)->call(Fixture::beat(i)));
        std::vector<Beaten> replies = co_await gather(std::move(calls));
        for (int i = 0; i < 500; ++i) {
            auto index = static_cast<std::size_t>(i);
            CO_ASSERT(replies[index]);
            EXPECT_EQ(replies[index]->response.throttle_time_ms, i);
            EXPECT_EQ(arrived[index], i);
        }
        EXPECT_EQ((*connection)->unanswered(), 0U);
        co_await f.close();
    });
}

TEST(Connection, FindsTheRequestOfAnAnswerThatOvertookAnother) {
    in_sim(3, [](Shard& shard) -> Task<void> {
        Fixture f(shard);
        std::vector<std::int32_t> ids;
        f.broker.on(ApiKey::heartbeat, [&](const Incoming& in) -> Task<std::optional<Chain>> {
            ids.push_back(in.header.correlation_id);
            if (ids.size() < 3) co_return std::nullopt;
            Chain all;
            for (std::size_t i = ids.size(); i-- > 0;) {
                HeartbeatResponse response{.throttle_time_ms = static_cast<std::int32_t>(i)};
                all.append(*encode_response(ids[i], ApiKey::heartbeat,
                                            in.header.request_api_version, response));
            }
            co_return all;
        });
        auto connection = co_await f.open();
        CO_ASSERT(connection);
        std::vector<Task<Beaten>> calls;
        for (int i = 0; i < 3; ++i) calls.push_back((*connection)->call(Fixture::beat(i)));
        auto replies = co_await gather(std::move(calls));
        for (int i = 0; i < 3; ++i) {
            CO_ASSERT(replies[static_cast<std::size_t>(i)]);
            EXPECT_EQ(replies[static_cast<std::size_t>(i)]->response.throttle_time_ms, i);
        }
        co_await f.close();
    });
}

TEST(Connection, EndsWhenARequestIsNotAnsweredInTime) {
    in_sim(4, [](Shard& shard) -> Task<void> {
        Fixture f(shard);
        f.broker.on(ApiKey::heartbeat,
                    [](const Incoming&) -> Task<std::optional<Chain>> { co_return std::nullopt; });
        auto connection = co_await f.open({.request_timeout = Duration::seconds(3)});
        CO_ASSERT(connection);
        Time before = shard.now();
        std::vector<Task<Beaten>> calls;
        calls.push_back((*connection)->call(Fixture::beat(1)));
        calls.push_back((*connection)->call(Fixture::beat(2), {.timeout = Duration::seconds(9)}));
        auto replies = co_await gather(std::move(calls));
        EXPECT_EQ((shard.now() - before).ms() / 1000, 3);
        CO_ASSERT(!replies[0] && !replies[1]);
        EXPECT_EQ(replies[0].error().code, ErrorCode::request_timed_out);
        EXPECT_THAT(replies[0].error().message, HasSubstr("did not answer Heartbeat"));
        EXPECT_THAT(replies[0].error().message, HasSubstr("request.timeout.ms"));
        EXPECT_EQ(replies[1].error().code, ErrorCode::network_exception);
        EXPECT_FALSE((*connection)->is_open());
        auto after = co_await (*connection)->call(Fixture::beat(3));
        CO_ASSERT(!after);
        EXPECT_EQ(after.error().code, ErrorCode::network_exception);
        co_await f.close();
    });
}

TEST(Connection, OutlivesACallThatIsGivenUp) {
    in_both_worlds([](Shard& shard) -> Task<void> {
        Fixture f(shard);
        Condition gate;
        bool open = false;
        f.broker.on(ApiKey::heartbeat, [&](const Incoming& in) -> Task<std::optional<Chain>> {
            while (!open) co_await gate.wait();
            HeartbeatResponse response{.throttle_time_ms = in.header.correlation_id};
            co_return *encode_response(in.header.correlation_id, ApiKey::heartbeat,
                                       in.header.request_api_version, response);
        });
        auto connection = co_await f.open();
        CO_ASSERT(connection);
        auto late = co_await env::with_deadline(shard, shard.now() + Duration::milliseconds(20),
                                                (*connection)->call(Fixture::beat(1)));
        EXPECT_FALSE(late);
        EXPECT_EQ((*connection)->unanswered(), 1U);
        open = true;
        gate.notify_all();
        auto next = co_await (*connection)->call(Fixture::beat(2));
        CO_ASSERT(next);
        EXPECT_EQ(next->response.throttle_time_ms, 2);  // ids: ApiVersions 0, given up 1
        EXPECT_EQ((*connection)->unanswered(), 0U);
        co_await f.close();
    });
}

TEST(Connection, HoldsRequestsBackAboveItsBound) {
    in_sim(5, [](Shard& shard) -> Task<void> {
        Fixture f(shard);
        Condition gate;
        bool open = false;
        std::vector<std::int32_t> arrived;
        f.broker.on(ApiKey::heartbeat, [&](const Incoming& in) -> Task<std::optional<Chain>> {
            Reader reader(in.body);
            auto request = HeartbeatRequest::decode(reader, in.header.request_api_version);
            arrived.push_back(request->generation_id);
            while (!open) co_await gate.wait();
            co_return *encode_response(in.header.correlation_id, ApiKey::heartbeat,
                                       in.header.request_api_version, HeartbeatResponse{});
        });
        auto connection = co_await f.open({.max_unanswered_bytes = 200});
        CO_ASSERT(connection);
        std::vector<Task<Beaten>> calls;
        for (int i = 0; i < 40; ++i) calls.push_back((*connection)->call(Fixture::beat(i)));
        auto opener = [](Shard& s, BrokerConnection& c, Condition& g, bool& o) -> Task<void> {
            co_await env::sleep_for(s, Duration::seconds(1));
            EXPECT_GT(c.unanswered(), 2U);
            EXPECT_LT(c.unanswered(), 10U);
            o = true;
            g.notify_all();
        };
        Scope scope(shard);
        scope.spawn(opener(shard, **connection, gate, open));
        for (const Beaten& reply : co_await gather(std::move(calls))) EXPECT_TRUE(reply);
        EXPECT_EQ(arrived.size(), 40U);
        EXPECT_TRUE(std::ranges::is_sorted(arrived));
        co_await scope.join();
        co_await f.close();
    });
}

TEST(Connection, SendsWhatIsNotAnswered) {
    in_both_worlds([](Shard& shard) -> Task<void> {
        Fixture f(shard);
        int produced = 0;
        f.broker.on(ApiKey::produce, [&](const Incoming&) -> Task<std::optional<Chain>> {
            ++produced;
            co_return std::nullopt;
        });
        auto connection = co_await f.open();
        CO_ASSERT(connection);
        for (int i = 0; i < 10; ++i) {
            EXPECT_TRUE(co_await (*connection)->send(ProduceRequest()));
            EXPECT_EQ((*connection)->unanswered(), 0U);
        }
        EXPECT_TRUE(co_await (*connection)->call(Fixture::beat(1)));
        EXPECT_EQ(produced, 10);
        co_await f.close();
    });
}

TEST(Connection, ClosesWhenItIsIdle) {
    in_sim(6, [](Shard& shard) -> Task<void> {
        Fixture f(shard);
        auto connection = co_await f.open({.max_idle = Duration::seconds(10)});
        CO_ASSERT(connection);
        co_await env::sleep_for(shard, Duration::seconds(8));
        EXPECT_TRUE(co_await (*connection)->call(Fixture::beat(1)));
        co_await env::sleep_for(shard, Duration::seconds(8));
        EXPECT_TRUE((*connection)->is_open());
        co_await env::sleep_for(shard, Duration::seconds(4));
        EXPECT_FALSE((*connection)->is_open());
        co_await f.close();
    });
}

TEST(Connection, TellsWhyItCannotConnect) {
    in_both_worlds([](Shard& shard) -> Task<void> {
        Fixture f(shard);
        co_await f.broker.stop();
        auto refused = co_await f.open();
        CO_ASSERT(!refused);
        EXPECT_EQ(refused.error().code, ErrorCode::network_exception);
        EXPECT_THAT(refused.error().message,
                    HasSubstr("broker 1 at " + f.broker.address().to_string()));
        co_await f.close();
    });
}

TEST(Connection, WaitsForAPeerThatSaysNothingNoLongerThanTheSetupTimeout) {
    in_sim(7, [](Shard& shard) -> Task<void> {
        Fixture f(shard);
        f.broker.on(ApiKey::api_versions,
                    [](const Incoming&) -> Task<std::optional<Chain>> { co_return std::nullopt; });
        auto silent = co_await f.open({.setup_timeout = Duration::seconds(2)});
        CO_ASSERT(!silent);
        EXPECT_EQ(silent.error().code, ErrorCode::network_exception);
        EXPECT_THAT(silent.error().message, HasSubstr("did not tell its API versions"));
        EXPECT_THAT(silent.error().message, HasSubstr("socket.connection.setup.timeout.ms"));
        co_await f.close();
    });
}

Chain raw(std::string_view text) { return Chain(Slice::copy(text)); }

TEST(Connection, RecognizesWhoIsNoBroker) {
    struct Case {
        std::string_view answer;
        std::string_view told;
    };
    constexpr std::string_view tls("\x15\x03\x03\x00\x02\x02\x0a", 7);
    constexpr std::string_view negative("\xff\xff\xff\xff", 4);
    for (Case c : {Case{"HTTP/1.1 400 Bad Request\r\n\r\n", "it is a web server"},
                   Case{tls, "it speaks TLS"}, Case{negative, "no Kafka broker"}}) {
        in_both_worlds([c](Shard& shard) -> Task<void> {
            Fixture f(shard);
            f.broker.on(ApiKey::api_versions, [c](const Incoming&) -> Task<std::optional<Chain>> {
                co_return raw(c.answer);
            });
            auto opened = co_await f.open();
            CO_ASSERT(!opened);
            EXPECT_EQ(opened.error().code, ErrorCode::network_exception);
            EXPECT_THAT(opened.error().message, HasSubstr(c.told));
            co_await f.close();
        });
    }
}

TEST(Connection, EndsOnAnAnswerToNobody) {
    in_sim(8, [](Shard& shard) -> Task<void> {
        Fixture f(shard);
        f.broker.on(ApiKey::heartbeat, [](const Incoming& in) -> Task<std::optional<Chain>> {
            co_return *encode_response(in.header.correlation_id + 100, ApiKey::heartbeat,
                                       in.header.request_api_version, HeartbeatResponse{});
        });
        auto connection = co_await f.open();
        CO_ASSERT(connection);
        auto reply = co_await (*connection)->call(Fixture::beat(1));
        CO_ASSERT(!reply);
        EXPECT_EQ(reply.error().code, ErrorCode::network_exception);
        EXPECT_THAT(reply.error().message, HasSubstr("that it was not sent"));
        EXPECT_FALSE((*connection)->is_open());
        co_await f.close();
    });
}

TEST(Connection, TellsOfAnAnswerThatCannotBeRead) {
    in_sim(9, [](Shard& shard) -> Task<void> {
        Fixture f(shard);
        f.broker.on(ApiKey::heartbeat, [](const Incoming& in) -> Task<std::optional<Chain>> {
            Writer out;
            out.write_int32(6);
            out.write_int32(in.header.correlation_id);
            out.write_int16(0);
            co_return std::move(out).finish();
        });
        auto connection = co_await f.open();
        CO_ASSERT(connection);
        auto reply = co_await (*connection)->call(Fixture::beat(1));
        CO_ASSERT(!reply);
        EXPECT_EQ(reply.error().code, ErrorCode::unknown_server_error);
        EXPECT_THAT(reply.error().message, HasSubstr("answered Heartbeat (version 4) with bytes"));
        EXPECT_FALSE((*connection)->is_open());
        co_await f.close();
    });
}

// Whatever a peer says, before or after the handshake, a call ends with an error or an answer.
TEST(Connection, SurvivesAnyAnswer) {
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
        SCOPED_TRACE(fmt::format("seed {}", seed));
        in_sim(seed, [seed](Shard& shard) -> Task<void> {
            Fixture f(shard);
            Random random(seed);
            auto hostile = [&random](const Incoming& in) -> Task<std::optional<Chain>> {
                Writer out;
                std::size_t size = random.below(300);
                out.write_int32(
                    static_cast<std::int32_t>(random.chance(0.8) ? size + 4 : random.next()));
                out.write_int32(random.chance(0.9) ? in.header.correlation_id
                                                   : static_cast<std::int32_t>(random.next()));
                std::string garbage;
                for (std::size_t i = 0; i < size; ++i) {
                    garbage += static_cast<char>(random.chance(0.5) ? 0 : random.next());
                }
                out.write_raw(as_bytes(garbage));
                co_return std::move(out).finish();
            };
            if (random.chance(0.3)) f.broker.on(ApiKey::api_versions, hostile);
            f.broker.on(ApiKey::heartbeat, hostile);
            auto connection = co_await f.open({.request_timeout = Duration::seconds(5)});
            if (connection) {
                auto reply = co_await (*connection)->call(Fixture::beat(1));
                if (!reply) EXPECT_FALSE(reply.error().message.empty());
            }
            co_await f.close();
        });
    }
}

TEST(Connection, FailsWhatWaitsWhenThePeerCloses) {
    in_both_worlds([](Shard& shard) -> Task<void> {
        Fixture f(shard);
        auto connection = co_await f.open();
        CO_ASSERT(connection);
        auto unknown = co_await (*connection)->call(DescribeQuorumRequest());
        CO_ASSERT(!unknown);
        EXPECT_EQ(unknown.error().code, ErrorCode::network_exception);
        EXPECT_THAT(unknown.error().message, HasSubstr("did not answer DescribeQuorum"));
        co_await f.close();
    });
}

TEST(Connection, FailsWhatWaitsWhenItsScopeEnds) {
    in_both_worlds([](Shard& shard) -> Task<void> {
        Fixture f(shard);
        f.broker.on(ApiKey::heartbeat,
                    [](const Incoming&) -> Task<std::optional<Chain>> { co_return std::nullopt; });
        auto connection = co_await f.open();
        CO_ASSERT(connection);
        auto closer = [](Fixture& fixture) -> Task<void> {
            co_await env::sleep_for(fixture.shard, Duration::milliseconds(5));
            co_await fixture.scope.close();
        };
        Scope scope(shard);
        scope.spawn(closer(f));
        auto reply = co_await (*connection)->call(Fixture::beat(1));
        CO_ASSERT(!reply);
        EXPECT_THAT(reply.error().message, HasSubstr("this client was closed"));
        co_await scope.join();
        co_await f.close();
    });
}

}  // namespace
}  // namespace millrace::client
