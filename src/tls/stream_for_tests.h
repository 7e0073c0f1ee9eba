#pragma once

#include <gtest/gtest.h>
#include <memory>
#include <optional>
#include <string>

#include "base/random.h"
#include "base/scope.h"
#include "env/disk.h"
#include "tls/settings_for_tests.h"
#include "tls/stream.h"

namespace millrace::tls {

// Two ends of a connection in one shard, with a stream on each.
class Pair {
  public:
    Task<void> connect(env::Shard& shard, Settings ours, Settings theirs,
                       std::string host = "localhost") {
        auto server_profile =
            Profile::load(ours, Profile::Side::server, shard.disk(), shard.wall_ms());
        auto client_profile =
            Profile::load(theirs, Profile::Side::client, shard.disk(), shard.wall_ms());
        CHECK(server_profile && client_profile);
        auto listener = shard.network().listen({"127.0.0.1", 0});
        CHECK(listener);
        auto connected = co_await shard.network().connect((*listener)->local());
        auto accepted = co_await (*listener)->accept();
        CHECK(connected && accepted);
        near_ = *std::move(connected);
        far_ = *std::move(accepted);
        client.emplace(shard, *near_, *client_profile, host);
        server.emplace(shard, *far_, *server_profile);
        co_await with_scope([&](Scope& scope) -> Task<void> {
            scope.spawn(shake(*client, *near_, client_outcome));
            scope.spawn(shake(*server, *far_, server_outcome));
            co_await scope.join();
        });
    }
    Result<> client_outcome;
    Result<> server_outcome;

  private:
    static Task<void> shake(Stream& stream, env::Connection& connection, Result<>& outcome) {
        outcome = co_await stream.handshake();
        if (!outcome) connection.close();
    }
    std::unique_ptr<env::Connection> near_;
    std::unique_ptr<env::Connection> far_;

  public:
    std::optional<Stream> client;
    std::optional<Stream> server;
    env::Connection& near() { return *near_; }
};

inline std::string random_text(Random& random, std::size_t size) {
    std::string text(size, '\0');
    for (char& c : text) c = static_cast<char>(random.below(256));
    return text;
}

inline Task<Result<std::size_t>> read(Stream& stream, MutableBytes into) {
    env::FixedRoom room(into);
    co_return co_await stream.read(room);
}

inline Task<std::string> read_all(Stream& stream, std::size_t size, Random& random,
                                  std::size_t most) {
    std::string text;
    Buffer buffer;
    while (text.size() < size) {
        buffer.resize(1 + random.below(most));
        auto count = co_await read(stream, buffer.mutable_bytes());
        if (!count || *count == 0) {
            ADD_FAILURE() << (count ? "ended" : count.error().message) << " after " << text.size();
            co_return text;
        }
        text += as_string(buffer.bytes().first(*count));
    }
    co_return text;
}

// Chains of slices of any size, of files too, read by rooms of any size: the same bytes arrive.
inline Task<void> carry(env::Shard& shard, Random& random, Settings ours, Settings theirs) {
    Pair pair;
    co_await pair.connect(shard, ours, theirs);
    EXPECT_TRUE(pair.client_outcome) << pair.client_outcome.error().message;
    EXPECT_TRUE(pair.server_outcome) << pair.server_outcome.error().message;
    if (!pair.client_outcome || !pair.server_outcome) co_return;
    std::string folder = testing::TempDir();
    EXPECT_TRUE(shard.disk().make_directories(folder));
    std::string in_file = random_text(random, 300'000);
    EXPECT_TRUE(env::replace_file(shard.disk(), folder + "/tls_stream_test", in_file));
    auto file = shard.disk().open(folder + "/tls_stream_test", {});
    EXPECT_TRUE(file);
    for (int round = 0; round < 20; ++round) {
        Chain chain;
        std::string expected;
        for (auto pieces = 1 + random.below(4); pieces > 0; --pieces) {
            if (random.below(3) == 0) {
                std::uint64_t from = random.below(in_file.size());
                std::uint64_t size = 1 + random.below(in_file.size() - from);
                chain.append(FileRange{*file, from, size});
                expected += in_file.substr(from, size);
            } else {
                std::string text =
                    random_text(random, 1 + random.below(random.below(2) == 0 ? 100 : 100'000));
                chain.append(Slice::copy(text));
                expected += text;
            }
        }
        std::size_t most = std::size_t{1} << (4 + random.below(16));
        bool to_server = random.below(2) == 0;
        std::string got;
        co_await with_scope([&](Scope& scope) -> Task<void> {
            Stream& from = to_server ? *pair.client : *pair.server;
            Stream& to = to_server ? *pair.server : *pair.client;
            scope.spawn([](Stream& s, Chain c) -> Task<void> {
                auto written = co_await s.write(std::move(c));
                EXPECT_TRUE(written) << written.error().message;
            }(from, chain));
            got = co_await read_all(to, expected.size(), random, most);
            co_await scope.join();
        });
        EXPECT_TRUE(got == expected) << "round " << round << ", rooms up to " << most;
    }
    Buffer room(16);
    room.resize(16);
    co_await pair.client->close();
    EXPECT_EQ(co_await read(*pair.server, room.mutable_bytes()), 0U);
    co_await pair.server->close();
    EXPECT_EQ(co_await read(*pair.client, room.mutable_bytes()), 0U);
    EXPECT_TRUE(pair.client->machine().ended()) << "the end was not told";
}

}  // namespace millrace::tls
