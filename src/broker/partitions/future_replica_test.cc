#include "broker/partitions/future_replica.h"

#include <functional>
#include <gtest/gtest.h>

#include "broker/partitions/gate.h"
#include "env/disk.h"
#include "env/shard.h"
#include "env/sim/world.h"
#include "storage/test_batches.h"
#include "storage/transaction_index.h"

namespace millrace::broker {
namespace {

using env::Shard;
using storage::AppendAs;
using storage::AppendOrigin;
using storage::Log;
using storage::LogDirectory;
using storage::make_batch;
using storage::make_marker;
using storage::TestBatch;

class FutureReplicaTest : public testing::Test {
  protected:
    FutureReplicaTest() : world_(11), node_(world_.add_node("node")) {}

    void run(std::function<Task<void>(Shard&)> body) {
        auto main = [&](Shard& here) -> Task<int> {
            from_ = open_directory(here, "/a");
            to_ = open_directory(here, "/b");
            current_ = open_log(here, *from_, "/a/t-0");
            future_ = std::make_unique<FutureReplica>(*to_, open_log(here, *to_, "/b/t-0-future"));
            co_await body(here);
            future_.reset();
            current_.reset();
            co_return 0;
        };
        EXPECT_EQ(world_.run(node_, main), 0);
    }
    static std::unique_ptr<LogDirectory> open_directory(Shard& here, std::string path) {
        auto opened = LogDirectory::open(here.disk(), std::move(path));
        CHECK(opened.has_value());
        return *std::move(opened);
    }
    std::shared_ptr<Log> open_log(Shard& here, LogDirectory& in, std::string path) const {
        storage::LogOrigin origin{.path = std::move(path)};
        origin.options.segment_bytes = 4000;
        origin.options.segment_index_bytes = 1200;
        origin.options.tiered = tiered_;
        // Test records bear timestamps of 1970.
        origin.options.producer_id_expiration_ms = std::numeric_limits<std::int64_t>::max();
        auto opened = Log::open_now(here, in.health(), std::move(origin));
        CHECK(opened.has_value());
        return *std::move(opened);
    }
    Task<void> append(Slice batch, AppendOrigin origin = AppendOrigin::client) {
        auto appended = current_->append_as_leader(std::move(batch),
                                                   {.origin = origin, .leader_epoch = epoch_});
        EXPECT_TRUE(appended) << (appended ? "" : appended.error().message);
        if (!appended) co_return;
        EXPECT_TRUE(co_await current_->written(appended->next_offset));
    }
    // Until there is nothing more; how many steps it took.
    Task<int> copy_all(std::uint64_t at_once = 1 << 20) {
        for (int steps = 0;; ++steps) {
            auto copied = co_await future_->copy(*current_, at_once);
            EXPECT_TRUE(copied) << (copied ? "" : copied.error().message);
            if (!copied || *copied == 0) co_return steps;
        }
    }
    void expect_alike() {
        Log& copy = future_->log();
        EXPECT_TRUE(future_->has_caught_up(*current_));
        EXPECT_EQ(copy.start_offset(), current_->start_offset());
        EXPECT_EQ(copy.end_offset(), current_->end_offset());
        EXPECT_EQ(copy.epochs().entries(), current_->epochs().entries());
        EXPECT_EQ(copy.last_stable_offset(copy.end_offset()),
                  current_->last_stable_offset(current_->end_offset()));
        EXPECT_EQ(copy.producers().producers().size(), current_->producers().producers().size());
        for (const auto& [id, producer] : current_->producers().producers()) {
            auto found = copy.producers().producers().find(id);
            EXPECT_TRUE(found != copy.producers().producers().end()) << id;
            if (found == copy.producers().producers().end()) continue;
            EXPECT_EQ(found->second.epoch, producer.epoch) << id;
            EXPECT_EQ(found->second.last_sequence(), producer.last_sequence()) << id;
            EXPECT_EQ(found->second.transaction_start, producer.transaction_start) << id;
        }
        storage::Offset here = std::max(copy.local_start_offset(), current_->local_start_offset());
        for (storage::Offset at = here; at < copy.end_offset(); ++at) {
            storage::ReadRequest one{.offset = at, .upper_bound = copy.end_offset()};
            auto theirs = current_->load(one);
            auto ours = copy.load(one);
            EXPECT_TRUE(theirs && ours && !ours->empty()) << at;
            if (theirs && ours) EXPECT_TRUE(std::ranges::equal(theirs->bytes(), ours->bytes()));
        }
        auto aborted = current_->aborted_transactions(copy.start_offset(), copy.end_offset());
        auto copied = copy.aborted_transactions(copy.start_offset(), copy.end_offset());
        EXPECT_TRUE(aborted && copied && *aborted == *copied);
    }

    env::sim::World world_;
    env::sim::Node& node_;
    std::unique_ptr<LogDirectory> from_;
    std::unique_ptr<LogDirectory> to_;
    std::shared_ptr<Log> current_;
    std::unique_ptr<FutureReplica> future_;
    std::int32_t epoch_ = 0;
    bool tiered_ = false;
};

TEST_F(FutureReplicaTest, TakesOverRecordsProducersTransactionsAndEpochs) {
    run([&](Shard&) -> Task<void> {
        for (int i = 0; i < 20; ++i) {
            epoch_ = i / 7;
            co_await append(make_batch({.value_size = 700, .producer_id = 1, .sequence = i}));
        }
        co_await append(make_batch({.producer_id = 2, .transactional = true}));
        co_await append(make_marker(ControlType::abort, 2), AppendOrigin::coordinator);
        co_await append(make_batch({.producer_id = 3, .transactional = true}));
        EXPECT_GT(co_await copy_all(1500), 5);
        expect_alike();
        EXPECT_GT(future_->log().segment_count(), 3U);
        EXPECT_GT(future_->unsynced(), 14'000U);
        EXPECT_TRUE(co_await future_->sync());
        EXPECT_EQ(future_->log().flushed_end_offset(), 23);

        co_await append(make_marker(ControlType::commit, 3), AppendOrigin::coordinator);
        co_await append(make_batch({.producer_id = 1, .sequence = 20}));
        EXPECT_FALSE(future_->has_caught_up(*current_));
        EXPECT_EQ(co_await copy_all(), 1);
        expect_alike();
    });
}

TEST_F(FutureReplicaTest, FollowsAStartThatMoves) {
    run([&](Shard&) -> Task<void> {
        for (int i = 0; i < 20; ++i) co_await append(make_batch({.value_size = 700}));
        EXPECT_TRUE(co_await future_->copy(*current_, 3000));
        EXPECT_LT(future_->log().end_offset(), 10);
        EXPECT_TRUE(current_->advance_start(12));  // beyond what is copied
        co_await copy_all();
        expect_alike();
        EXPECT_TRUE(current_->advance_start(17));
        co_await copy_all();
        expect_alike();
        EXPECT_TRUE(current_->advance_start(20));
        co_await copy_all();
        expect_alike();
    });
}

TEST_F(FutureReplicaTest, DropsWhatTheCurrentLogDoesNotHave) {
    run([&](Shard&) -> Task<void> {
        for (int i = 0; i < 10; ++i) co_await append(make_batch({.value_size = 700}));
        co_await copy_all();
        EXPECT_TRUE(current_->truncate_to(6));
        epoch_ = 1;
        for (int i = 0; i < 10; ++i) co_await append(make_batch({.value_size = 300}));
        co_await copy_all();
        expect_alike();

        EXPECT_TRUE(current_->truncate_to(13));
        co_await copy_all();
        expect_alike();
        EXPECT_TRUE(current_->truncate_fully(40));
        co_await copy_all();
        expect_alike();
        epoch_ = 2;
        co_await append(make_batch({}));
        co_await copy_all();
        expect_alike();
    });
}

// DeleteRecords knows offsets, not batches.
TEST_F(FutureReplicaTest, BeginsAnewWhereAPowerCutTookItsFirstSegment) {
    run([this](Shard& here) -> Task<void> {
        for (int i = 0; i < 60; ++i) co_await append(make_batch({.records = 3}));
        co_await copy_all();
        Result<> closed = co_await future_->log().close();
        EXPECT_TRUE(closed);
        future_.reset();
        EXPECT_TRUE(here.disk().remove("/b/t-0-future/00000000000000000000.log"));
        future_ = std::make_unique<FutureReplica>(*to_, open_log(here, *to_, "/b/t-0-future"));
        EXPECT_GT(future_->log().start_offset(), 0);
        co_await copy_all();
        expect_alike();
    });
}

TEST_F(FutureReplicaTest, ALogMayBeginWithinABatch) {
    run([&](Shard&) -> Task<void> {
        for (int i = 0; i < 4; ++i) co_await append(make_batch({.records = 5}));
        EXPECT_TRUE(current_->advance_start(7));
        co_await copy_all();
        expect_alike();
        EXPECT_TRUE(current_->advance_start(8));
        co_await append(make_batch({.records = 5}));
        co_await copy_all();
        expect_alike();
    });
}

class TieredFutureReplicaTest : public FutureReplicaTest {
  protected:
    TieredFutureReplicaTest() { tiered_ = true; }

    // Four offsets a segment, two segments an epoch; producer 1 has written to the first one only.
    Task<void> fill(int segments) {
        for (int i = 0; i < segments; ++i) {
            EXPECT_TRUE(current_->roll());
            epoch_ = (written_ + i) / 2;
            current_->begin_epoch(epoch_);
            TestBatch batch{.records = 4, .value_size = 100};
            if (written_ + i == 0) batch.producer_id = 1;
            co_await append(make_batch(batch));
        }
        written_ += segments;
    }
    int written_ = 0;
};

TEST_F(TieredFutureReplicaTest, BeginsWhereTheLogIsHere) {
    run([&](Shard& here) -> Task<void> {
        co_await fill(6);
        EXPECT_TRUE(current_->advance_start(3));
        EXPECT_TRUE(co_await current_->advance_local_start(12));
        co_await copy_all();
        expect_alike();
        EXPECT_EQ(future_->log().local_start_offset(), 12);
        EXPECT_EQ(future_->log().epochs().epoch_at(3), 0);
        EXPECT_NE(future_->log().producers().find(1), nullptr)
            << "it may send its last batch again";

        // More goes here than was copied so far.
        co_await fill(4);
        EXPECT_TRUE(co_await current_->advance_local_start(32));
        co_await copy_all();
        expect_alike();
        EXPECT_EQ(future_->log().local_start_offset(), 32);
        // What was copied stays when it goes there.
        co_await fill(2);
        co_await copy_all();
        EXPECT_TRUE(co_await current_->advance_local_start(40));
        EXPECT_TRUE(current_->advance_start(22));
        co_await copy_all();
        expect_alike();
        EXPECT_EQ(future_->log().local_start_offset(), 32);
        EXPECT_TRUE(current_->advance_start(38));
        co_await copy_all();
        expect_alike();

        // All is in remote storage only.
        EXPECT_TRUE(current_->roll());
        EXPECT_TRUE(co_await current_->advance_local_start(48));
        future_ = std::make_unique<FutureReplica>(*to_, open_log(here, *to_, "/b/t-1-future"));
        EXPECT_EQ(co_await copy_all(), 0);
        expect_alike();
        EXPECT_EQ(future_->log().local_start_offset(), 48);
        EXPECT_NE(future_->log().producers().find(1), nullptr);
    });
}

// A copy that was interrupted and has lost its epochs: its batches do not tell of the remote ones.
TEST_F(TieredFutureReplicaTest, TakesEpochsFromTheCurrentLog) {
    run([&](Shard& here) -> Task<void> {
        co_await fill(6);
        EXPECT_TRUE(co_await current_->advance_local_start(12));
        co_await copy_all();
        EXPECT_TRUE(co_await future_->log().close());
        EXPECT_TRUE(here.disk().remove("/b/t-0-future/leader-epoch-checkpoint"));
        future_ = std::make_unique<FutureReplica>(*to_, open_log(here, *to_, "/b/t-0-future"));
        EXPECT_EQ(future_->log().epochs().epoch_at(3), std::nullopt);
        EXPECT_EQ(co_await copy_all(), 0);
        expect_alike();
    });
}

TEST_F(FutureReplicaTest, RotIsNotTakenOver) {
    run([&](Shard&) -> Task<void> {
        for (int i = 0; i < 3; ++i) co_await append(make_batch({.value_size = 700}));
        node_.disk().rot("/a/t-0/00000000000000000000.log", 1000, 3);
        auto copied = co_await future_->copy(*current_, 1 << 20);
        EXPECT_EQ(copied.error().code, ErrorCode::corrupt_message);
        EXPECT_EQ(future_->log().end_offset(), 0);
        EXPECT_FALSE(from_->health().failed());
    });
}

TEST(Gate, LetsThroughInTheOrderOfArrival) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        env::sim::World world(seed, {.shuffle_coroutines = true});
        auto main = [](Shard& here) -> Task<int> {
            Gate gate;
            std::vector<int> passed;
            auto go = [&](int number) -> Task<void> {
                if (!gate.open()) co_await gate.pass();
                passed.push_back(number);
            };
            co_await with_scope([&](Scope& scope) -> Task<void> {
                Scope given_up(here);
                {
                    Gate::Shut shut(gate);
                    for (int i = 0; i < 5; ++i) scope.spawn(go(i));
                    given_up.spawn(go(100));
                    for (int i = 5; i < 9; ++i) scope.spawn(go(i));
                    co_await env::sleep_for(here, Duration::milliseconds(1));
                    EXPECT_TRUE(passed.empty());
                    co_await given_up.close();
                }
                EXPECT_FALSE(gate.open());
                scope.spawn(go(9));
                co_await scope.join();
            });
            EXPECT_TRUE(gate.open());
            EXPECT_EQ(passed, (std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
            co_return 0;
        };
        EXPECT_EQ(world.run(world.add_node("node"), main), 0) << "seed " << seed;
    }
}

}  // namespace
}  // namespace millrace::broker
