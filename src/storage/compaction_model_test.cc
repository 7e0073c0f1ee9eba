// Random logs of keyed records, with transactions, idempotent producers and tombstones, compacted
// again and again between appends, restarts, kills and power cuts, against a model of what has to
// be there.

#include <algorithm>
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
#include "storage/keyed_batches_for_tests.h"

namespace millrace::storage {
namespace {

using env::Shard;

constexpr std::int64_t retention_ms = 2'000;

class Trial {
  public:
    explicit Trial(std::uint64_t seed)
        : world_(seed, {.shuffle_coroutines = seed % 2 == 0}),
          random_(seed),
          node_(world_.add_node("node")) {
        EXPECT_TRUE(node_.disk().make_directories("/d"));
        EXPECT_TRUE(node_.disk().sync_directory("/"));
        origin_.path = "/d/t-0";
        origin_.options.segment_bytes = static_cast<std::int32_t>(random_.between(700, 4'000));
        origin_.options.segment_index_bytes = 4'000;
        origin_.options.index_interval_bytes = static_cast<std::int32_t>(random_.between(50, 500));
        origin_.options.segment_ms = std::numeric_limits<std::int64_t>::max();
        origin_.options.file_delete_delay_ms = random_.between(0, 1'000);
        origin_.options.delete_retention_ms = retention_ms;
        origin_.options.producer_id_expiration_ms = std::numeric_limits<std::int64_t>::max();
    }

    void run(int boots) {
        for (int i = 0; i < boots && !testing::Test::HasFailure(); ++i) {
            dying_ = false;
            node_.start([this](Shard& here) { return live(here); });
            ending_ = i + 1 == boots ? Ending::closed : static_cast<Ending>(random_.below(3));
            if (ending_ == Ending::closed) {
                EXPECT_TRUE(world_.run_until([&] { return !node_.running(); }));
            } else {
                world_.run_for(Duration::milliseconds(random_.between(1, 400)));
                dying_ = true;
                if (ending_ == Ending::killed) world_.kill(node_);
                if (ending_ == Ending::power) world_.crash(node_);
                undo_unanswered();
                if (random_.chance(0.2)) origin_.first_dirty.reset();
            }
        }
    }
    std::size_t rounds() const { return rounds_; }
    std::size_t dropped() const { return dropped_; }
    std::size_t given_up() const { return given_up_; }

  private:
    enum class Ending { closed, killed, power };
    struct Written {
        KeyedRecord record;
        std::int64_t producer = no_producer_id;  // of a transaction
        enum class Fate { open, committed, aborted } fate = Fate::committed;
    };
    struct KnownProducer {
        std::int32_t next_sequence = 0;
        bool in_transaction = false;
    };

    Task<int> live(Shard& here) {
        DirectoryHealth health;
        auto opened = co_await Log::open(here, health, origin_);
        EXPECT_TRUE(opened) << where() << opened.error().message;
        if (!opened) co_return 1;
        origin_.clean_shutdown = false;
        Log& log = **opened;
        EXPECT_EQ(log.end_offset(), end_) << where();
        check(log, 0);
        bool writing = true;
        auto body = [&](Scope& scope) -> Task<void> {
            scope.spawn(compact_all_along(here, log, writing));
            for (int i = 0; i < 60 && !dying_ && !testing::Test::HasFailure(); ++i) {
                co_await append_some(log);
                if (random_.chance(0.15)) EXPECT_TRUE(log.roll() || dying_);
                (void)co_await log.remove_deleted();
                co_await env::sleep_for(here, Duration::milliseconds(random_.between(0, 20)));
            }
            writing = false;
            co_await scope.join();
        };
        co_await with_scope(body);
        bool clean = random_.chance(0.5);
        if (clean) {
            Result<> closed = co_await log.close();
            EXPECT_TRUE(closed || dying_);
            clean = closed.has_value();
        } else {
            co_await log.abandon();
        }
        origin_.clean_shutdown = clean;
        co_return 0;
    }

    Task<void> compact_all_along(Shard& here, Log& log, const bool& writing) {
        while (writing) {
            co_await env::sleep_for(here, Duration::milliseconds(random_.between(0, 100)));
            CompactionTerms terms{.last_stable = log.last_stable_offset(log.end_offset()),
                                  .map_memory = 24 * random_.below(60),
                                  .map_load_factor = 0.2 + random_.unit() * 0.8,
                                  .io_buffer_size = static_cast<std::size_t>(random_.below(2'000)),
                                  .step_bytes = random_.below(3'000)};
            terms.pace = [&](std::uint64_t) -> Task<void> {
                co_await env::sleep_for(here, Duration::microseconds(random_.between(0, 5'000)));
            };
            Timestamp now = here.wall_ms();
            auto report = co_await log.compact(terms);
            EXPECT_TRUE(report || dying_) << where() << report.error().message;
            if (!report) co_return;
            given_up_ += !report->finished;
            if (!report->finished) continue;
            ++rounds_;
            dropped_ +=
                static_cast<std::size_t>(report->stats.records_read - report->stats.records_kept);
            forget_tombstones_before(now);
            // Apache writes the checkpoint at once; it may be lost all the same.
            if (random_.chance(0.8)) origin_.first_dirty = report->first_dirty;
            check(log, report->first_dirty);
        }
    }

    // Whatever is not answered yet when the process ends is unknown, so nothing is left unanswered
    // but for the moment of an append.
    Task<void> append_some(Log& log) {
        std::int64_t id = random_.chance(0.4) ? no_producer_id : random_.between(1, 3);
        KnownProducer& producer = producers_[id];
        if (id != no_producer_id && producer.in_transaction && random_.chance(0.4)) {
            bool commit = random_.chance(0.6);
            auto ended = log.append_as_leader(
                transaction_marker_batch(commit ? ControlType::commit : ControlType::abort,
                                         {.producer_id = id, .producer_epoch = 0}),
                {.origin = AppendOrigin::coordinator, .leader_epoch = 0});
            EXPECT_TRUE(ended || dying_) << where() << ended.error().message;
            if (!ended) co_return;
            pending_ = {.end = ended->next_offset, .marker_of = id, .commit = commit};
            co_await settle(log);
            co_return;
        }
        bool transactional =
            id != no_producer_id && (producer.in_transaction || random_.chance(0.5));
        BatchOptions options{.codec = static_cast<Codec>(random_.below(5)),
                             .producer_id = id,
                             .producer_epoch = std::int16_t(id == no_producer_id ? -1 : 0),
                             .base_sequence = id == no_producer_id ? -1 : producer.next_sequence,
                             .transactional = transactional};
        std::vector<KeyAndValue> records(static_cast<std::size_t>(random_.between(1, 5)));
        for (KeyAndValue& each : records) {
            each.key = fmt::format("key-{}", random_.below(30));
            if (random_.chance(0.8))
                each.value = fmt::format("{}-{:0{}}", ++values_, 0, random_.between(1, 100));
        }
        auto appended = log.append_as_leader(keyed_batch(records, options), {.leader_epoch = 0});
        EXPECT_TRUE(appended || dying_) << where() << appended.error().message;
        if (!appended) co_return;
        pending_ = {.first = appended->first_offset,
                    .end = appended->next_offset,
                    .producer = id,
                    .transactional = transactional,
                    .records = records};
        co_await settle(log);
    }
    Task<void> settle(Log& log) {
        Result<> stable = co_await log.durable(pending_.end);
        EXPECT_TRUE(stable || dying_) << where() << stable.error().message;
        if (!stable) co_return;
        origin_.recovery_point =
            random_.chance(0.3) ? log.flushed_end_offset() : origin_.recovery_point;
        take_pending();
    }
    void take_pending() {
        if (pending_.end == no_offset) return;
        end_ = pending_.end;
        KnownProducer& producer =
            producers_[pending_.marker_of ? *pending_.marker_of : pending_.producer];
        if (pending_.marker_of) {
            producer.in_transaction = false;
            for (auto& [offset, each] : written_) {
                if (each.fate != Written::Fate::open || each.producer != *pending_.marker_of) {
                    continue;
                }
                each.fate = pending_.commit ? Written::Fate::committed : Written::Fate::aborted;
            }
        }
        Offset offset = pending_.first;
        for (const KeyAndValue& each : pending_.records) {
            written_[offset] = {
                {offset, each.key, each.value},
                pending_.producer,
                pending_.transactional ? Written::Fate::open : Written::Fate::committed};
            ++offset;
        }
        producer.in_transaction |= pending_.transactional;
        producer.next_sequence += static_cast<std::int32_t>(pending_.records.size());
        pending_ = {};
    }
    // An append that was not answered may be there or not: the log says.
    void undo_unanswered() {
        if (pending_.end == no_offset) return;
        auto main = [&](Shard& here) -> Task<int> {
            DirectoryHealth health;
            auto log = co_await Log::open(here, health, origin_);
            EXPECT_TRUE(log) << where();
            if ((*log)->end_offset() == pending_.end) take_pending();
            pending_ = {};
            co_await (*log)->abandon();
            co_return 0;
        };
        EXPECT_EQ(world_.run(node_, main), 0);
    }

    // A tombstone may be gone once it was seen twice, the second time behind its horizon.
    void forget_tombstones_before(Timestamp now) {
        for (auto& [offset, each] : written_) {
            if (each.record.value) continue;
            auto seen = first_seen_.try_emplace(offset, now).first;
            if (now >= seen->second + retention_ms) may_be_gone_.insert(offset);
        }
    }

    // Below `compacted` the log holds nothing that is obsolete.
    void check(Log& log, Offset compacted) {
        auto records = records_of(log);
        EXPECT_TRUE(records) << where();
        if (!records) return;
        std::map<std::string, Offset> latest;            // of every key, committed
        std::map<std::string, Offset> latest_compacted;  // among the records that were looked at
        for (const auto& [offset, each] : written_) {
            if (each.fate != Written::Fate::committed) continue;
            latest[*each.record.key] = offset;
            if (offset < compacted) latest_compacted[*each.record.key] = offset;
        }
        std::set<Offset> found;
        for (const KeyedRecord& each : *records) {
            found.insert(each.offset);
            auto original = written_.find(each.offset);
            if (original == written_.end() && pending_.end != no_offset &&
                each.offset >= pending_.first) {
                continue;
            }
            ASSERT_NE(original, written_.end()) << where() << "offset " << each.offset;
            EXPECT_EQ(each, original->second.record) << where();
            if (each.offset >= compacted) continue;
            EXPECT_NE(original->second.fate, Written::Fate::aborted) << where() << each.offset;
            if (original->second.fate != Written::Fate::committed) continue;
            EXPECT_EQ(latest_compacted[*each.key], each.offset) << where() << *each.key;
        }
        for (const auto& [key, offset] : latest) {
            if (found.contains(offset) || may_be_gone_.contains(offset)) continue;
            ADD_FAILURE() << where() << "the latest record of " << key << ", at " << offset
                          << ", is lost";
        }
        for (const auto& [id, producer] : producers_) {
            if (id == no_producer_id || producer.next_sequence == 0) continue;
            if (pending_.end != no_offset) continue;
            const Producer* known = log.producers().find(id);
            ASSERT_NE(known, nullptr) << where() << "producer " << id;
            EXPECT_EQ(known->last_sequence(), producer.next_sequence - 1) << where();
            EXPECT_EQ(known->in_transaction(), producer.in_transaction) << where();
        }
    }
    std::string where() const { return fmt::format("seed {}: ", world_.seed()); }

    // An append that is under way.
    struct Pending {
        Offset first = no_offset;
        Offset end = no_offset;
        std::int64_t producer = no_producer_id;
        bool transactional = false;
        std::vector<KeyAndValue> records;
        std::optional<std::int64_t> marker_of;
        bool commit = false;
    };

    env::sim::World world_;
    Random random_;
    env::sim::Node& node_;
    LogOrigin origin_;
    Ending ending_ = Ending::closed;
    bool dying_ = false;  // what fails now fails for that
    std::map<Offset, Written> written_;
    std::map<std::int64_t, KnownProducer> producers_;
    std::map<Offset, Timestamp> first_seen_;  // tombstones
    std::set<Offset> may_be_gone_;
    Pending pending_;
    Offset end_ = 0;
    std::uint64_t values_ = 0;
    std::size_t rounds_ = 0;
    std::size_t dropped_ = 0;
    std::size_t given_up_ = 0;
};

TEST(CompactionModel, TheLatestOfEachKeyStaysAndNothingElseIsMadeUp) {
    std::size_t rounds = 0;
    std::size_t dropped = 0;
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        Trial trial(seed);
        trial.run(5);
        rounds += trial.rounds();
        dropped += trial.dropped();
        ASSERT_FALSE(HasFailure()) << "seed " << seed;
    }
    EXPECT_GT(rounds, 100U);
    EXPECT_GT(dropped, 3'000U);
}

}  // namespace
}  // namespace millrace::storage
