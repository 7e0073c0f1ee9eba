// Every operation on files of a compaction is a point at which the power may fail: afterwards each
// group of segments holds its old records or its new ones, never a part of either.

#include <algorithm>
#include <fmt/core.h>
#include <functional>
#include <gtest/gtest.h>
#include <limits>
#include <map>
#include <memory>
#include <optional>

#include "base/random.h"
#include "env/disk.h"
#include "env/shard.h"
#include "env/sim/world.h"
#include "storage/directory_health.h"
#include "storage/file_names.h"
#include "storage/keyed_batches_for_tests.h"
#include "storage/transaction_index.h"

namespace millrace::storage {
namespace {

using env::Shard;

constexpr Offset everything = std::numeric_limits<Offset>::max();
constexpr std::string_view directory = "/d/t-0";

using Records = std::vector<KeyedRecord>;

// One world in which the same log is written, compacted, and loses its power amid that.
class Trial {
  public:
    explicit Trial(std::uint64_t seed) : world_(seed), node_(world_.add_node("node")) {
        EXPECT_TRUE(node_.disk().make_directories("/d"));
        EXPECT_TRUE(node_.disk().sync_directory("/"));
        origin_.path = directory;
        origin_.options.segment_bytes = 500;
        origin_.options.index_interval_bytes = 100;
        origin_.options.segment_index_bytes = 1200;
        origin_.options.segment_ms = std::numeric_limits<std::int64_t>::max();
        origin_.options.file_delete_delay_ms = 0;
        origin_.options.producer_id_expiration_ms = std::numeric_limits<std::int64_t>::max();
    }

    // Nine segments of which the cleaner makes five, the first of them as it was.
    void write() {
        run([&](Shard&, Log& log) -> Task<void> {
            EXPECT_TRUE(add(log, {{"first", std::string(420, 'v')}}));
            EXPECT_TRUE(log.roll());
            for (int i = 1; i < 9; ++i) {
                std::string value = fmt::format("{:0100}", i);
                BatchOptions options{.producer_id = 1 + i % 3,
                                     .producer_epoch = 0,
                                     .base_sequence = i / 3,
                                     .transactional = i % 3 == 0};
                EXPECT_TRUE(add(log, {{fmt::format("key-{}", i % 4), value}}, options));
                EXPECT_TRUE(add(log, {{"x", value}, {fmt::format("own-{}", i), value}}));
                if (i % 3 == 0) {
                    EXPECT_TRUE(log.append_as_leader(
                        transaction_marker_batch(i == 3 ? ControlType::abort : ControlType::commit,
                                                 {.producer_id = 1, .producer_epoch = 0}),
                        {.origin = AppendOrigin::coordinator}));
                }
                EXPECT_TRUE(log.roll());
            }
            EXPECT_TRUE(co_await log.durable(log.next_offset()));
            origin_.recovery_point = log.flushed_end_offset();
            before_ = records_of(log).value();
        });
    }

    // Compacts; with a number of operations, all that follow fail, and the power goes. False when
    // there were fewer.
    bool compact(std::optional<std::uint64_t> operations) {
        bool cut = false;
        run([&](Shard&, Log& log) -> Task<void> {
            if (operations) node_.disk().cut_off_after(*operations);
            auto report = co_await log.compact({.last_stable = everything, .step_bytes = 300});
            cut = !report;
            if (report) EXPECT_TRUE(report->finished);
            if (cut) EXPECT_EQ(report.error().code, ErrorCode::kafka_storage_error);
        });
        if (operations) world_.crash(node_);
        return cut;
    }
    // The power fails again while the log is opened.
    void fail_while_opening(std::uint64_t operations) {
        auto main = [&](Shard& here) -> Task<int> {
            node_.disk().cut_off_after(operations);
            DirectoryHealth health;
            auto log = co_await Log::open(here, health, origin_);
            if (log) co_await (*log)->abandon();
            co_return 0;
        };
        EXPECT_EQ(world_.run(node_, main), 0);
        world_.crash(node_);
    }

    struct State {
        Records records;
        std::vector<Offset> bases;  // of segments
        std::vector<Offset> ends;   // of batches
        Offset end = 0;
        std::size_t aborted = 0;
        std::map<std::int64_t, std::int32_t> sequences;
        bool leftovers = false;
    };
    State state() {
        State state;
        run([&](Shard&, Log& log) -> Task<void> {
            state.records = records_of(log).value();
            EXPECT_TRUE(for_each_batch(
                log, [&](const BatchView& batch) { state.ends.push_back(batch.next_offset()); }));
            state.end = log.end_offset();
            state.aborted = log.aborted_transactions(0, everything)->size();
            for (const auto& [id, producer] : log.producers().producers()) {
                state.sequences[id] = producer.last_sequence();
            }
            for (const auto& entry : node_.disk().list(directory).value()) {
                if (is_segment_file(entry.name, log_suffix)) {
                    state.bases.push_back(*offset_of_file(entry.name));
                }
                state.leftovers |= entry.name.ends_with(".swap") ||
                                   entry.name.ends_with(".cleaned") ||
                                   entry.name.ends_with(".deleted");
            }
            co_return;
        });
        return state;
    }
    const Records& before() const { return before_; }
    LogOrigin& origin() { return origin_; }

  private:
    void run(std::function<Task<void>(Shard&, Log&)> body) {
        auto main = [&](Shard& here) -> Task<int> {
            DirectoryHealth health;
            auto log = co_await Log::open(here, health, origin_);
            EXPECT_TRUE(log) << log.error().message;
            if (!log) co_return 1;
            co_await body(here, **log);
            co_await (*log)->abandon();
            co_return 0;
        };
        EXPECT_EQ(world_.run(node_, main), 0);
    }
    static bool add(Log& log, const std::vector<KeyAndValue>& records,
                    const BatchOptions& options = {}) {
        return log.append_as_leader(keyed_batch(records, options), {.leader_epoch = 0}).has_value();
    }

    env::sim::World world_;
    env::sim::Node& node_;
    LogOrigin origin_;
    Records before_;
};

Records between(const Records& records, Offset first, Offset end) {
    Records part;
    for (const KeyedRecord& each : records) {
        if (each.offset >= first && each.offset < end) part.push_back(each);
    }
    return part;
}

TEST(CompactionCrash, LeavesOldOrNewAtEachOperation) {
    Trial whole(1);
    whole.write();
    EXPECT_FALSE(whole.compact(std::nullopt));
    Trial::State after = whole.state();
    ASSERT_LT(after.records.size(), whole.before().size());
    ASSERT_GT(after.bases.size(), 4U);
    std::size_t old_states = 0;
    std::size_t new_states = 0;
    std::size_t mixed_states = 0;
    for (std::uint64_t operations = 0;; ++operations) {
        std::uint64_t seed = operations + 2;
        Trial trial(seed);
        trial.write();
        ASSERT_EQ(trial.before(), whole.before());
        if (!trial.compact(operations)) break;
        Random random(seed);
        if (random.chance(0.3)) trial.fail_while_opening(random.below(40));
        // What is known to be flushed may be older.
        if (random.chance(0.3)) trial.origin().recovery_point = 0;
        Trial::State found = trial.state();
        auto where = fmt::format("seed {}, cut off after {} operations", seed, operations);
        EXPECT_EQ(found.end, after.end) << where;
        EXPECT_FALSE(found.leftovers) << where;
        EXPECT_EQ(found.sequences, after.sequences) << where;
        EXPECT_TRUE(std::ranges::is_sorted(found.ends)) << where;
        EXPECT_EQ(std::ranges::adjacent_find(found.ends), found.ends.end()) << where;
        for (std::size_t i = 0; i < after.bases.size(); ++i) {
            Offset end = i + 1 < after.bases.size() ? after.bases[i + 1] : after.end;
            Records part = between(found.records, after.bases[i], end);
            EXPECT_TRUE(part == between(trial.before(), after.bases[i], end) ||
                        part == between(after.records, after.bases[i], end))
                << where << ", segment " << after.bases[i];
        }
        bool is_old = found.records == trial.before();
        bool is_new = found.records == after.records;
        old_states += is_old;
        new_states += is_new;
        mixed_states += !is_old && !is_new;
        EXPECT_FALSE(trial.compact(std::nullopt));
        EXPECT_EQ(trial.state().records, after.records) << where;
        if (testing::Test::HasFailure()) return;
    }
    EXPECT_GT(old_states, 10U);
    EXPECT_GT(new_states, 0U);
    EXPECT_GT(mixed_states, 10U);  // one group is new, another one still old
}

}  // namespace
}  // namespace millrace::storage
