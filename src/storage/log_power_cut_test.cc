// Logs on a simulated disk whose machine loses its power at any moment, whose process is killed, or
// which is shut down in order, again and again: what was acknowledged is there afterwards.

#include <cstdlib>
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <limits>
#include <map>
#include <memory>
#include <set>

#include "base/random.h"
#include "base/scope.h"
#include "env/disk.h"
#include "env/shard.h"
#include "env/sim/world.h"
#include "storage/directory_health.h"
#include "storage/log.h"
#include "storage/test_batches.h"
#include "storage/transaction_index.h"

namespace millrace::storage {
namespace {

using env::Shard;

constexpr AppendAs as_client{.origin = AppendOrigin::client, .leader_epoch = 0};

// One node with one log, and what is known of it from outside.
class Trial {
  public:
    explicit Trial(std::uint64_t seed)
        : world_(seed, {.shuffle_coroutines = seed % 2 == 0}),
          random_(seed),
          node_(world_.add_node("node")) {
        EXPECT_TRUE(node_.disk().make_directories("/data"));
        EXPECT_TRUE(node_.disk().sync_directory("/"));
        // Test records bear timestamps of 1970.
        origin_.options.producer_id_expiration_ms = std::numeric_limits<std::int64_t>::max();
        origin_.options.segment_bytes = static_cast<std::int32_t>(random_.between(1200, 9000));
        origin_.options.index_interval_bytes = 200;
        origin_.options.file_delete_delay_ms = 0;
        origin_.path = "/data/t-0";
    }

    void run(int boots) {
        for (int i = 0; i < boots && !testing::Test::HasFailure(); ++i) live_and_end();
        ending_ = Ending::closed;
        live_and_end();
    }
    std::size_t acknowledged() const { return acknowledged_; }
    std::size_t lost() const { return lost_; }

  private:
    enum class Ending { power, power_amid_a_turn, killed, closed };

    void live_and_end() {
        stopping_ = dying_ = false;
        written_ = 0;
        node_.start([this](Shard& shard) { return live(shard); });
        Duration time = Duration::microseconds(random_.between(0, 20'000));
        switch (ending_) {
            case Ending::power_amid_a_turn:
                dying_ = true;
                node_.disk().cut_off_after(random_.below(400));
                [[fallthrough]];
            case Ending::power:
                world_.run_for(time);
                dying_ = true;
                crash();
                break;
            case Ending::killed:
                world_.run_for(time);
                dying_ = true;
                world_.kill(node_);
                must_hold(written_, in_memory_);  // the system has it
                break;
            case Ending::closed:
                world_.run_for(time);
                stopping_ = true;
                EXPECT_TRUE(world_.run_until([&] { return !node_.running(); }));
                EXPECT_EQ(node_.exit_code(), 0);
                origin_.clean_shutdown = true;
                must_hold(written_, required_);
                crash();
                break;
        }
        ending_ = static_cast<Ending>(random_.below(4));
    }

    Task<int> live(Shard& shard) {
        DirectoryHealth health;
        auto opened = co_await Log::open(shard, health, origin_);
        EXPECT_TRUE(opened || dying_) << (opened ? "" : opened.error().message);
        if (!opened) co_return 1;
        origin_.clean_shutdown = false;
        Log& log = **opened;
        check(log);
        auto body = [&](Scope& scope) -> Task<void> {
            for (int i = 0; i < 3; ++i) scope.spawn(append(shard, log));
            co_await scope.join();
        };
        co_await with_scope(body);
        Result<> closed = co_await log.close();
        EXPECT_TRUE(closed || dying_);
        written_ = log.end_offset();
        co_return closed ? 0 : 1;
    }

    Task<void> append(Shard& shard, Log& log) {
        while (!stopping_ && !log.failed()) {
            std::uint64_t what = random_.below(100);
            if (what < 3) EXPECT_TRUE(log.roll() || dying_);
            if (what == 4) truncate(log);
            if (what < 20) co_await env::sleep_for(shard, Duration::microseconds(300));
            // A checkpoint says what is flushed, and may be older than that.
            if (what > 95) origin_.recovery_point = log.flushed_end_offset();
            Slice batch = make_batch({.records = static_cast<int>(random_.between(1, 3)),
                                      .value_size = random_.below(300),
                                      .timestamp = ++last_id_ * 10});
            auto appended = log.append_as_leader(std::move(batch), as_client);
            EXPECT_TRUE(appended || dying_) << where() << ": " << appended.error().message;
            if (!appended) co_return;
            current_[appended->first_offset] = last_id_;
            history_[appended->first_offset].insert(last_id_);
            Result<> written = co_await log.written(appended->next_offset);
            written_ = log.end_offset();
            if (!written || !random_.chance(0.3)) continue;
            if (co_await log.durable(appended->next_offset)) {
                must_hold(appended->next_offset, required_);
                ++acknowledged_;
            }
        }
    }

    void truncate(Log& log) {
        if (current_.empty()) return;
        auto at = current_.lower_bound(log.end_offset() - random_.between(1, 30));
        Offset to = at == current_.end() ? log.end_offset() : at->first;
        // Whoever truncates says so before anything that follows may be lost.
        origin_.recovery_point = std::min(origin_.recovery_point, to);
        std::erase_if(required_, [&](const auto& entry) { return entry.first >= to; });
        EXPECT_TRUE(log.truncate_to(to) || dying_);
        std::erase_if(current_, [&](const auto& entry) { return entry.first >= to; });
        written_ = log.end_offset();
    }

    void crash() {
        world_.crash(node_);
        in_memory_.clear();
    }
    void must_hold(Offset end, std::map<Offset, std::int64_t>& what) {
        for (const auto& [offset, id] : current_) {
            if (offset < end) what[offset] = id;
        }
    }

    // Every batch is one that was appended at its place, none is missing in between, and those that
    // must be there are.
    void check(Log& log) {
        std::map<Offset, std::int64_t> found;
        Offset at = log.start_offset();
        while (at < log.end_offset()) {
            auto bytes =
                log.load({.offset = at, .max_bytes = 3000, .upper_bound = log.end_offset()});
            EXPECT_TRUE(bytes || dying_) << where() << ": " << bytes.error().message;
            if (!bytes) return;
            BatchReader reader(*bytes);
            while (auto batch = reader.next().value()) {
                EXPECT_TRUE(batch->verify_crc());
                EXPECT_EQ(batch->base_offset(), at) << where();
                std::int64_t id = batch->base_timestamp() / 10;
                EXPECT_TRUE(history_[at].contains(id)) << where();
                found[at] = id;
                at = batch->next_offset();
            }
        }
        for (const auto* kept : {&required_, &in_memory_}) {
            for (const auto& [offset, id] : *kept) {
                auto entry = found.find(offset);
                EXPECT_TRUE(entry != found.end() && entry->second == id)
                    << where() << ": offset " << offset << " was acknowledged";
            }
        }
        in_memory_.clear();
        if (found.size() < current_.size()) lost_ += current_.size() - found.size();
        current_ = std::move(found);
    }
    std::string where() const { return fmt::format("seed {}", world_.seed()); }

    env::sim::World world_;
    Random random_;
    env::sim::Node& node_;
    LogOrigin origin_;
    Ending ending_ = Ending::power;
    bool stopping_ = false;
    bool dying_ = false;  // its disk fails, or will before it ends
    std::int64_t last_id_ = 0;
    Offset written_ = 0;
    std::map<Offset, std::int64_t> current_;    // by base offset: the batch's number
    std::map<Offset, std::int64_t> required_;   // of those that were acknowledged
    std::map<Offset, std::int64_t> in_memory_;  // of those that a killed process had written
    std::map<Offset, std::set<std::int64_t>> history_;  // all that were ever appended there
    std::size_t acknowledged_ = 0;
    std::size_t lost_ = 0;
};

TEST(LogPowerCut, WhatWasAcknowledgedSurvivesAndNothingElseIsMadeUp) {
    std::size_t acknowledged = 0;
    std::size_t lost = 0;
    auto number = [](const char* name, std::uint64_t otherwise) {
        const char* value = std::getenv(name);
        return value == nullptr ? otherwise : std::strtoull(value, nullptr, 10);
    };
    std::uint64_t first = number("MILLRACE_SEED", 1);
    std::uint64_t count = number("MILLRACE_SEEDS", 20);
    for (std::uint64_t seed = first; seed < first + count; ++seed) {
        Trial trial(seed);
        trial.run(6);
        acknowledged += trial.acknowledged();
        lost += trial.lost();
        ASSERT_FALSE(HasFailure()) << "seed " << seed;
    }
    // The test would be worth nothing if nothing was ever acknowledged, or lost.
    EXPECT_GT(acknowledged, 25 * count);
    EXPECT_GT(lost, count);
}

// Its records are on stable storage, the index of its aborted transactions is not yet.
TEST(LogPowerCut, ASegmentThatEndsAtTheRecoveryPointGetsItsTransactionIndexBack) {
    env::sim::World world(1);
    env::sim::Node& node = world.add_node("node");
    auto main = [&](Shard& here) -> Task<int> {
        EXPECT_TRUE(here.disk().make_directories("/data"));
        DirectoryHealth health;
        LogOrigin origin{.path = "/data/t-0"};
        origin.options.producer_id_expiration_ms = std::numeric_limits<std::int64_t>::max();
        auto log = co_await Log::open(here, health, origin);
        EXPECT_TRUE((*log)->append_as_leader(make_batch({.producer_id = 5, .transactional = true}),
                                             as_client));
        EXPECT_TRUE((*log)->append_as_leader(make_marker(ControlType::abort, 5),
                                             {.origin = AppendOrigin::coordinator}));
        EXPECT_TRUE(co_await (*log)->durable(2));
        EXPECT_TRUE((*log)->roll());
        co_await (*log)->abandon();
        EXPECT_TRUE(here.disk().remove("/data/t-0/00000000000000000000.txnindex"));
        origin.recovery_point = 2;
        log = co_await Log::open(here, health, origin);
        EXPECT_EQ((*log)->aborted_transactions(0, 2)->size(), 1U);
        co_await (*log)->abandon();
        co_return 0;
    };
    EXPECT_EQ(world.run(node, main), 0);
}

}  // namespace
}  // namespace millrace::storage
