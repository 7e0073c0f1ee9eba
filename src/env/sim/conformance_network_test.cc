#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "env/refusal.h"
#include "env/sim/conformance_for_tests.h"

namespace millrace::env::conformance {
namespace {

class NetworkConformance : public Conformance {};
MILLRACE_RUN_IN_BOTH_WORLDS(NetworkConformance);

const Address loopback{"127.0.0.1", 0};

struct Pair {
    std::unique_ptr<Listener> listener;
    std::unique_ptr<Connection> client;
    std::unique_ptr<Connection> server;
};

// Both ends of a connection on this shard.
Task<Pair> connect_pair(Shard& here) {
    Pair pair;
    auto listener = here.network().listen(loopback);
    EXPECT_TRUE(listener);
    pair.listener = *std::move(listener);
    auto client = co_await here.network().connect(pair.listener->local());
    EXPECT_TRUE(client);
    pair.client = *std::move(client);
    auto server = co_await pair.listener->accept();
    EXPECT_TRUE(server);
    pair.server = *std::move(server);
    co_return pair;
}

Task<std::string> read_all(Connection& connection) {
    std::string all;
    std::vector<std::uint8_t> buffer(4000);
    for (;;) {
        Result<std::size_t> count = co_await connection.read(buffer);
        EXPECT_TRUE(count) << count.error().message;
        if (!count || *count == 0) co_return all;
        all += as_string(Bytes(buffer).first(*count));
    }
}

std::string pattern(std::size_t size) {
    std::string text(size, '\0');
    std::uint32_t state = 1;
    for (char& each : text) {
        state = state * 1664525 + 1013904223;
        each = static_cast<char>(state >> 24U);
    }
    return text;
}

template <typename T>
void expect_failure(const Result<T>& result, std::string_view reason) {
    ASSERT_FALSE(result) << reason;
    EXPECT_EQ(result.error().code, ErrorCode::network_exception);
    EXPECT_TRUE(result.error().message.contains(reason)) << result.error().message;
}

TEST_P(NetworkConformance, BytesGoBothWaysAndEndWithAnEndOfStream) {
    run([](Shard& here) -> Task<void> {
        Pair pair = co_await connect_pair(here);
        CO_ASSERT(pair.client && pair.server);
        EXPECT_TRUE(co_await pair.client->write(Slice::copy("ping")));
        std::uint8_t four[4];
        EXPECT_TRUE(co_await read_exactly(*pair.server, four));
        EXPECT_EQ(as_string(four), "ping");
        // One side may end while the other still speaks.
        pair.client->shutdown_write();
        std::uint8_t more[10];
        EXPECT_EQ(co_await pair.server->read(more), 0U);
        EXPECT_EQ(co_await pair.server->read(more), 0U);
        EXPECT_TRUE(co_await pair.server->write(Slice::copy("still here")));
        EXPECT_TRUE(co_await read_exactly(*pair.client, more));
        EXPECT_EQ(as_string(more), "still here");
        expect_failure(co_await pair.client->write(Slice::copy("x")), "Broken pipe");
        pair.server.reset();
        EXPECT_EQ(co_await pair.client->read(more), 0U);
    });
}

TEST_P(NetworkConformance, AddressesAreNumericAndMeetAtBothEnds) {
    run([](Shard& here) -> Task<void> {
        Pair pair = co_await connect_pair(here);
        CO_ASSERT(pair.client && pair.server);
        EXPECT_NE(pair.listener->local().port, 0);
        EXPECT_EQ(pair.client->peer(), pair.listener->local());
        EXPECT_EQ(pair.server->local(), pair.listener->local());
        EXPECT_EQ(pair.client->local(), pair.server->peer());
        EXPECT_EQ(pair.server->peer().host, "127.0.0.1");
        EXPECT_NE(pair.server->peer().port, 0);
        pair.client->close();
        EXPECT_EQ(pair.client->peer(), pair.listener->local());
    });
}

TEST_P(NetworkConformance, AnEmptyHostListensEverywhereAndNamesAreResolved) {
    run([](Shard& here) -> Task<void> {
        auto listener = here.network().listen({"", 0});
        CO_ASSERT(listener);
        std::uint16_t port = (*listener)->local().port;
        for (std::string_view host : {"127.0.0.1", "localhost"}) {
            auto client = co_await here.network().connect({std::string(host), port});
            CO_ASSERT(client);
            auto server = co_await (*listener)->accept();
            CO_ASSERT(server);
            EXPECT_TRUE(co_await (*client)->write(Slice::copy("x")));
            std::uint8_t byte = 0;
            EXPECT_EQ(co_await (*server)->read({&byte, 1}), 1U);
        }
    });
}

// Whoever listens only at times is there.
TEST_P(NetworkConformance, RefusalsCountWhenAllOfThemLast) {
    run([](Shard& here) -> Task<void> {
        auto first = here.network().listen(loopback);
        auto second = here.network().listen(loopback);
        CO_ASSERT(first && second);
        std::vector<Address> both{(*first)->local(), (*second)->local()};
        first->reset();
        static constexpr Duration window = Duration::milliseconds(40);
        EXPECT_FALSE(co_await all_refuse(here, both, window)) << "one of two is there";
        co_await with_scope([&](Scope& scope) -> Task<void> {
            scope.spawn([](Shard& shard, auto& listener) -> Task<void> {
                co_await sleep_for(shard, window * 3);
                listener->reset();
            }(here, second));
            Time began = here.now();
            EXPECT_TRUE(co_await all_refuse(here, both, window)) << "both have gone";
            EXPECT_GE(here.now() - began, window * 4);
        });
    });
}

TEST_P(NetworkConformance, NobodyListensThereAndNoSuchName) {
    run([](Shard& here) -> Task<void> {
        auto listener = here.network().listen(loopback);
        CO_ASSERT(listener);
        Address address = (*listener)->local();
        listener->reset();
        expect_failure(co_await here.network().connect(address), "Connection refused");
        expect_failure(co_await here.network().connect(address), address.to_string());
        EXPECT_TRUE(co_await all_refuse(here, {address}, Duration::milliseconds(20)));
        EXPECT_FALSE(co_await all_refuse(here, {}, Duration::milliseconds(20)));
        expect_failure(co_await here.network().connect({"no-such-host.invalid", 9092}),
                       "no-such-host.invalid has no address");
        expect_failure(here.network().listen({"192.0.2.1", 9092}),
                       "Cannot assign requested address");
    });
}

TEST_P(NetworkConformance, AClosedListenerEndsItsWaits) {
    run([](Shard& here) -> Task<void> {
        auto listener = here.network().listen(loopback);
        CO_ASSERT(listener);
        int ended = 0;
        auto accepting = [&](Listener& on) -> Task<void> {
            expect_failure(co_await on.accept(), "is closed");
            ++ended;
        };
        Scope scope(here);
        scope.spawn(accepting(**listener));
        (*listener)->close();
        co_await scope.join();
        EXPECT_EQ(ended, 1);
        expect_failure(co_await (*listener)->accept(), "is closed");
    });
}

TEST_P(NetworkConformance, LargeWritesWaitForTheReaderAndLoseNothing) {
    run([](Shard& here) -> Task<void> {
        Pair pair = co_await connect_pair(here);
        CO_ASSERT(pair.client && pair.server);
        constexpr std::size_t size = 24 << 20;  // more than any buffer on the way
        std::string text = pattern(size);
        bool written = false;
        auto write = [&](Connection& to) -> Task<void> {
            Chain chain;
            Slice whole = Slice::copy(text);
            for (std::size_t at = 0; at < size; at += 100'000) {
                chain.append(whole.slice(at, std::min<std::size_t>(100'000, size - at)));
            }
            EXPECT_TRUE(co_await to.write(std::move(chain)));
            written = true;
            to.shutdown_write();
        };
        Scope scope(here);
        scope.spawn(write(*pair.client));
        co_await sleep_for(here, Duration::milliseconds(20));
        EXPECT_FALSE(written);
        std::string read = co_await read_all(*pair.server);
        EXPECT_TRUE(read == text);
        co_await scope.join();
        EXPECT_TRUE(written);
    });
}

TEST_P(NetworkConformance, BothDirectionsFlowAtOnce) {
    run([](Shard& here) -> Task<void> {
        Pair pair = co_await connect_pair(here);
        CO_ASSERT(pair.client && pair.server);
        std::string text = pattern(3 << 20);
        auto write = [&](Connection& to) -> Task<void> {
            EXPECT_TRUE(co_await to.write(Slice::copy(text)));
            to.shutdown_write();
        };
        Scope scope(here);
        scope.spawn(write(*pair.client));
        scope.spawn(write(*pair.server));
        std::string at_client;
        auto read = [&](Connection& from) -> Task<void> { at_client = co_await read_all(from); };
        scope.spawn(read(*pair.client));
        EXPECT_TRUE(co_await read_all(*pair.server) == text);
        co_await scope.join();
        EXPECT_TRUE(at_client == text);
    });
}

TEST_P(NetworkConformance, PartsOfFilesAreSentInTheirPlace) {
    run([&](Shard& here) -> Task<void> {
        Pair pair = co_await connect_pair(here);
        auto file = here.disk().open(path("file"), {.write = true, .create = true});
        CO_ASSERT(pair.client && pair.server && file);
        std::string text = pattern(3'000'000);
        EXPECT_TRUE((*file)->write(0, as_bytes(text)));
        EXPECT_TRUE(here.disk().remove(path("file")));  // holding it keeps its bytes
        Chain chain;
        chain.append(Slice::copy("head"));
        chain.append(FileRange{*file, 10, 2'000'000});
        chain.append(Slice::copy("middle"));
        chain.append(FileRange{*file, 2'999'999, 1});
        chain.append(FileRange{*file, 0, 5});
        file->reset();
        std::string expected = "head" + text.substr(10, 2'000'000) + "middle" +
                               text.substr(2'999'999) + text.substr(0, 5);
        EXPECT_EQ(chain.size(), expected.size());
        auto write = [&](Connection& to) -> Task<void> {
            EXPECT_TRUE(co_await to.write(std::move(chain)));
            to.shutdown_write();
        };
        Scope scope(here);
        scope.spawn(write(*pair.server));
        EXPECT_TRUE(co_await read_all(*pair.client) == expected);
        co_await scope.join();
    });
}

TEST_P(NetworkConformance, AFileThatIsShorterThanSaidFailsTheWrite) {
    run([&](Shard& here) -> Task<void> {
        Pair pair = co_await connect_pair(here);
        auto file = here.disk().open(path("file"), {.write = true, .create = true});
        CO_ASSERT(pair.client && pair.server && file);
        EXPECT_TRUE((*file)->write(0, as_bytes("12345")));
        Chain chain;
        chain.append(FileRange{*file, 2, 10});
        Result<> written = co_await pair.server->write(std::move(chain));
        CO_ASSERT(!written);
        EXPECT_EQ(written.error().code, ErrorCode::kafka_storage_error);
        EXPECT_TRUE(written.error().message.contains("ended before byte 12"))
            << written.error().message;
    });
}

TEST_P(NetworkConformance, ClosingEndsWhatWaits) {
    run([](Shard& here) -> Task<void> {
        Pair pair = co_await connect_pair(here);
        CO_ASSERT(pair.client && pair.server);
        std::string text(64 << 20, 'w');
        int ended = 0;
        auto read = [&](Connection& from) -> Task<void> {
            std::uint8_t byte = 0;
            expect_failure(co_await from.read({&byte, 1}), "is closed");
            ++ended;
        };
        auto write = [&](Connection& to) -> Task<void> {
            expect_failure(co_await to.write(Slice::copy(text)), "is closed");
            ++ended;
        };
        Scope scope(here);
        scope.spawn(read(*pair.client));
        scope.spawn(write(*pair.client));
        co_await sleep_for(here, Duration::milliseconds(5));
        EXPECT_EQ(ended, 0);
        pair.client->close();
        co_await scope.join();
        EXPECT_EQ(ended, 2);
        expect_failure(co_await pair.client->write(Slice::copy("x")), "is closed");
    });
}

TEST_P(NetworkConformance, APeerThatHasGoneIsLearntOfByWriting) {
    run([](Shard& here) -> Task<void> {
        Pair pair = co_await connect_pair(here);
        CO_ASSERT(pair.client && pair.server);
        pair.client.reset();
        std::uint8_t byte = 0;
        EXPECT_EQ(co_await pair.server->read({&byte, 1}), 0U);
        Result<> written;
        while (written) {
            written = co_await pair.server->write(Slice::copy("anybody?"));
            co_await sleep_for(here, Duration::microseconds(100));
        }
        EXPECT_EQ(written.error().code, ErrorCode::network_exception);
        EXPECT_TRUE(written.error().message.contains(pair.server->peer().to_string()));
    });
}

TEST_P(NetworkConformance, UnreadBytesAtACloseResetThePeer) {
    run([](Shard& here) -> Task<void> {
        Pair pair = co_await connect_pair(here);
        CO_ASSERT(pair.client && pair.server);
        EXPECT_TRUE(co_await pair.client->write(Slice::copy("a question and more")));
        std::uint8_t byte = 0;
        EXPECT_EQ(co_await pair.server->read({&byte, 1}), 1U);
        pair.server->close();
        expect_failure(co_await pair.client->read({&byte, 1}), "Connection reset by peer");
    });
}

TEST_P(NetworkConformance, EveryOperationCanBeCancelled) {
    run([](Shard& here) -> Task<void> {
        Pair pair = co_await connect_pair(here);
        CO_ASSERT(pair.client && pair.server);
        int passed = 0;
        auto read = [&](Connection& from) -> Task<void> {
            std::uint8_t byte = 0;
            (void)co_await from.read({&byte, 1});
            ++passed;
        };
        auto write = [&](Connection& to) -> Task<void> {
            (void)co_await to.write(Slice::copy(std::string(64 << 20, 'w')));
            ++passed;
        };
        auto accept = [&](Listener& on) -> Task<void> {
            (void)co_await on.accept();
            ++passed;
        };
        Scope scope(here);
        scope.spawn(read(*pair.server));
        scope.spawn(write(*pair.client));
        scope.spawn(accept(*pair.listener));
        // The read is served by the write at once, or nearly.
        while (passed == 0) co_await sleep_for(here, Duration::milliseconds(1));
        scope.spawn(read(*pair.client));
        EXPECT_EQ(scope.running(), 3U);
        co_await scope.close();
        EXPECT_EQ(passed, 1);
        // What was not written to may be read on; the listener goes on, too.
        EXPECT_TRUE(co_await pair.server->write(Slice::copy("y")));
        std::uint8_t byte = 0;
        EXPECT_EQ(co_await pair.client->read({&byte, 1}), 1U);
        auto next = co_await here.network().connect(pair.listener->local());
        EXPECT_TRUE(next);
        EXPECT_TRUE(co_await pair.listener->accept());
    });
}

TEST_P(NetworkConformance, ConnectingCanBeCancelledAtAnyMoment) {
    run([](Shard& here) -> Task<void> {
        auto listener = here.network().listen(loopback);
        CO_ASSERT(listener);
        auto connect = [](Shard& shard, Address to) -> Task<bool> {
            co_return (co_await shard.network().connect(std::move(to))).has_value();
        };
        std::uint16_t port = (*listener)->local().port;
        for (std::string host : {"127.0.0.1", "localhost"}) {
            for (int i = 0; i < 40; ++i) {
                Time deadline = here.now() + Duration::microseconds(i * 20);
                auto made = co_await with_deadline(here, deadline, connect(here, {host, port}));
                EXPECT_TRUE(made.value_or(true));
            }
        }
    });
}

TEST_P(NetworkConformance, SeveralShardsListenOnOneAddress) {
    run(3, [](Shard& here) -> Task<void> {
        constexpr int most = 60;
        auto first = here.network().listen(loopback);
        CO_ASSERT(first);
        Address address = (*first)->local();
        std::vector<int> accepted(3);
        // Answers each connection with its shard's number until it is cancelled.
        auto serve = [address](Shard& there, std::unique_ptr<Listener> listener) -> Task<void> {
            for (;;) {
                auto connection = co_await listener->accept();
                CO_ASSERT(connection);
                EXPECT_TRUE(co_await (*connection)->write(Slice::copy(std::to_string(there.id()))));
            }
        };
        auto start = [&](Shard& there) -> Task<bool> {
            auto listener = there.network().listen(address);
            if (!listener) co_return false;
            there.shards().guests(there.id()).spawn(serve(there, *std::move(listener)));
            co_return true;
        };
        for (int shard : {1, 2}) EXPECT_TRUE(co_await call_on(here, shard, start));
        Scope scope(here);
        scope.spawn(serve(here, *std::move(first)));
        for (int i = 0; i < most; ++i) {
            auto client = co_await here.network().connect(address);
            CO_ASSERT(client);
            std::uint8_t id = 0;
            CO_ASSERT(co_await (*client)->read({&id, 1}) == 1U);
            ++accepted[static_cast<std::size_t>(id - '0')];
        }
        EXPECT_EQ(std::accumulate(accepted.begin(), accepted.end(), 0), most);
        for (int each : accepted) EXPECT_GT(each, 0);
        co_await scope.close();
    });
}

TEST_P(NetworkConformance, ManyConnectionsAtOnceKeepTheirBytesApart) {
    run([](Shard& here) -> Task<void> {
        constexpr int most = 100;
        auto listener = here.network().listen(loopback);
        CO_ASSERT(listener);
        auto echo = [](std::unique_ptr<Connection> connection) -> Task<void> {
            std::string all = co_await read_all(*connection);
            EXPECT_TRUE(co_await connection->write(Slice::copy(all)));
        };
        Scope scope(here);
        auto serve = [&](Listener& on) -> Task<void> {
            for (int i = 0; i < most; ++i) {
                auto connection = co_await on.accept();
                CO_ASSERT(connection);
                scope.spawn(echo(*std::move(connection)));
            }
        };
        auto ask = [&](Shard& shard, int number) -> Task<void> {
            auto connection = co_await shard.network().connect((*listener)->local());
            CO_ASSERT(connection);
            std::string question(static_cast<std::size_t>(number) * 100 + 1,
                                 static_cast<char>('a' + number % 26));
            EXPECT_TRUE(co_await (*connection)->write(Slice::copy(question)));
            (*connection)->shutdown_write();
            EXPECT_TRUE(co_await read_all(**connection) == question);
        };
        scope.spawn(serve(**listener));
        for (int i = 0; i < most; ++i) scope.spawn(ask(here, i));
        co_await scope.join();
    });
}

}  // namespace
}  // namespace millrace::env::conformance
