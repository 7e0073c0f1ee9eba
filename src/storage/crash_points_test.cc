// Logs and log directories that crash, or whose disk fails, at every operation on a file: what was
// acknowledged is there afterwards, and what is there was written so.

#include <fmt/core.h>
#include <gtest/gtest.h>
#include <limits>
#include <map>
#include <memory>
#include <set>

#include "base/random.h"
#include "env/disk.h"
#include "env/shard.h"
#include "env/sim/crash_points_for_tests.h"
#include "storage/directory_health.h"
#include "storage/log.h"
#include "storage/log_directory.h"
#include "storage/test_batches.h"
#include "storage/transaction_index.h"

namespace millrace::storage {
namespace {

using env::Shard;
using env::sim::CrashScript;
using env::sim::CrashSweep;

const PartitionName partition{"t", 0};
constexpr std::int64_t idempotent = 7;
constexpr std::int64_t transactional = 8;

// One log in a log directory, opened and closed as a broker does it, and what is known of it.
class LogScript : public CrashScript {
  public:
    Task<void> prepare(Shard& shard) override {
        Result<std::unique_ptr<LogDirectory>> made = LogDirectory::open(shard.disk(), "/data");
        EXPECT_TRUE(made);
        if (!made) co_return;
        EXPECT_TRUE((*made)->create_partition(partition, Uuid{1, 2}));
    }
    Task<void> act(Shard& shard) final {
        Result<> result = co_await steps(shard);
        co_await after(result);
        release();
    }
    Task<void> reopen(Shard& shard) override {
        Result<> opened = co_await open(shard);
        if (opened) co_await end();
        release();
    }
    Task<void> check(Shard& shard) override {
        Result<> opened = co_await open(shard);
        EXPECT_TRUE(opened) << (opened ? "" : opened.error().message);
        if (opened) {
            co_await check_content();
            EXPECT_TRUE(co_await append());
            EXPECT_TRUE(co_await log_->durable(log_->end_offset()));
            EXPECT_TRUE(co_await end());
        }
        release();
    }

  protected:
    virtual Task<Result<>> steps(Shard& shard) = 0;
    Task<Result<>> open(Shard& shard) {
        ASSIGN_OR_CO_RETURN(directory_, LogDirectory::open(shard.disk(), "/data"));
        ASSIGN_OR_CO_RETURN(recovery_points_,
                            directory_->checkpoint(CheckpointKind::recovery_point));
        ASSIGN_OR_CO_RETURN(log_starts_, directory_->checkpoint(CheckpointKind::log_start));
        LogOrigin origin{.path = directory_->path_of(partition),
                         .log_start = log_starts_[partition],
                         .recovery_point = recovery_points_[partition],
                         .clean_shutdown = directory_->clean_shutdown(),
                         .pages_in_doubt = directory_->pages_in_doubt()};
        origin.options.segment_bytes = 5000;
        origin.options.segment_index_bytes = 240;
        origin.options.index_interval_bytes = 300;
        origin.options.file_delete_delay_ms = 0;
        origin.options.producer_id_expiration_ms = std::numeric_limits<std::int64_t>::max();
        ASSIGN_OR_CO_RETURN(log_, co_await Log::open(shard, directory_->health(), origin));
        CO_RETURN_IF_ERROR(directory_->clear_clean_shutdown());
        co_return co_await log_->durable(log_->end_offset());
    }
    Task<Result<>> end() {
        closing_ = true;
        CO_RETURN_IF_ERROR(co_await log_->close());
        CO_RETURN_IF_ERROR(checkpoint());
        co_return directory_->mark_clean_shutdown(1);
    }
    void release() {
        closing_ = false;
        log_.reset();
        directory_.reset();
    }
    Result<> checkpoint() {
        recovery_points_[partition] = log_->flushed_end_offset();
        log_starts_[partition] = log_->saved_start_offset();
        RETURN_IF_ERROR(
            directory_->write_checkpoint_now(CheckpointKind::recovery_point, recovery_points_));
        return directory_->write_checkpoint_now(CheckpointKind::log_start, log_starts_);
    }

    // One batch, whose number is its timestamp.
    Task<Result<>> append(std::int64_t producer = idempotent, int records = 2) {
        const Producer* known = log_->producers().find(producer);
        std::int32_t last = known == nullptr ? no_sequence : known->last_sequence();
        Slice batch = make_batch({.records = records,
                                  .value_size = 150,
                                  .timestamp = timestamp_of(++last_id_),
                                  .producer_id = producer,
                                  .sequence = last == no_sequence ? 0 : last + 1,
                                  .transactional = producer == transactional});
        ASSIGN_OR_CO_RETURN(Appended appended, log_->append_as_leader(std::move(batch), as_client));
        history_[appended.first_offset].insert(last_id_);
        current_[appended.first_offset] = last_id_;
        epochs_[appended.first_offset] = as_client.leader_epoch;
        co_return co_await log_->written(appended.next_offset);
    }
    Task<Result<>> abort() {
        AppendAs as{.origin = AppendOrigin::coordinator, .leader_epoch = as_client.leader_epoch};
        auto appended = log_->append_as_leader(make_marker(ControlType::abort, transactional), as);
        if (!appended) co_return fail(appended.error());
        history_[appended->first_offset].insert(marker);
        current_[appended->first_offset] = marker;
        co_return co_await log_->written(appended->next_offset);
    }
    // All that was appended is on stable storage, and must be there from now on.
    Task<Result<>> sync() {
        CO_RETURN_IF_ERROR(co_await log_->durable(log_->end_offset()));
        required_ = current_;
        co_return Result<>{};
    }
    // From the batch on that begins at `to`, or behind.
    Result<> truncate(Offset to) {
        if (current_.lower_bound(to) == current_.end()) return {};
        to = current_.lower_bound(to)->first;
        recovery_points_[partition] = std::min(recovery_points_[partition], to);
        RETURN_IF_ERROR(
            directory_->write_checkpoint_now(CheckpointKind::recovery_point, recovery_points_));
        auto cut = [&](const auto& entry) { return entry.first >= to; };
        std::erase_if(required_, cut);
        std::erase_if(current_, cut);
        Result<> truncated = log_->truncate_to(to);
        if (!truncated) going_from_ = to;
        return truncated;
    }
    Result<> advance_start(Offset to) {
        advanced_to_ = to;
        return log_->advance_start(to);
    }

    // Whatever has failed, the log takes nothing more once a write or a sync has, and what was
    // acknowledged can be read.
    Task<void> after(const Result<>& result) {
        EXPECT_TRUE(result || !sound) << result.error().message;
        if (result || !faulty || log_ == nullptr || closing_) co_return;
        Offset end = log_->end_offset();
        if (log_->failed()) {
            EXPECT_TRUE(directory_->health().failed());
            EXPECT_FALSE(co_await append());
            EXPECT_FALSE(co_await log_->close());
            EXPECT_FALSE(directory_->mark_clean_shutdown(1));
        }
        EXPECT_EQ(log_->end_offset(), end);
        check_required(read_all(std::min(log_->end_offset(), going_from_)));
    }

    AppendAs as_client{.origin = AppendOrigin::client, .leader_epoch = 1};
    std::unique_ptr<LogDirectory> directory_;
    std::unique_ptr<Log> log_;

  private:
    static constexpr std::int64_t marker = 0;
    // Behind those of markers.
    static Timestamp timestamp_of(std::int64_t id) { return 10'000 + id * 10; }

    std::map<Offset, std::int64_t> read_all(Offset end) {
        std::map<Offset, std::int64_t> found;
        Offset at = log_->start_offset();
        while (at < end) {
            auto bytes = log_->load({.offset = at, .max_bytes = 1, .upper_bound = 1'000'000});
            EXPECT_TRUE(bytes && !bytes->empty()) << "at " << at;
            if (!bytes || bytes->empty()) break;
            BatchView batch = BatchView::trusted(*bytes);
            EXPECT_TRUE(batch.verify_crc());
            std::int64_t id =
                batch.is_control() ? marker : (batch.base_timestamp() - timestamp_of(0)) / 10;
            bool known = history_[batch.base_offset()].contains(id);
            EXPECT_TRUE(known && batch.base_offset() <= at) << "at " << at << ": " << id;
            EXPECT_EQ(log_->epochs().epoch_at(at), batch.leader_epoch());
            found[batch.base_offset()] = id;
            at = batch.next_offset();
        }
        return found;
    }
    void check_required(const std::map<Offset, std::int64_t>& found) {
        for (const auto& [offset, id] : required_) {
            bool below_start = offset < std::max(log_->start_offset(), advanced_to_);
            bool there = found.contains(offset) && found.at(offset) == id;
            EXPECT_TRUE(there || below_start) << "offset " << offset << " was acknowledged";
        }
    }
    Task<void> check_content() {
        EXPECT_LE(log_->start_offset(), advanced_to_);
        // The epoch of what the start hides is known, or none is.
        auto hidden = epochs_.lower_bound(log_->start_offset());
        auto latest = log_->epochs().latest();
        if (hidden != epochs_.begin() && latest) {
            EXPECT_GE(latest->epoch, std::prev(hidden)->second) << log_->start_offset();
        }
        std::map<Offset, std::int64_t> found = read_all(log_->end_offset());
        check_required(found);
        current_ = found;
        co_await check_times(found);
        check_transactions(found);
    }
    Task<void> check_times(const std::map<Offset, std::int64_t>& found) {
        for (const auto& [offset, id] : found) {
            if (id == marker) continue;
            auto at = co_await log_->find_by_timestamp(timestamp_of(id));
            EXPECT_TRUE(at && *at);
            if (at && *at) EXPECT_EQ((*at)->offset, std::max(offset, log_->start_offset()));
        }
    }
    // What a transaction became follows from the log alone.
    void check_transactions(const std::map<Offset, std::int64_t>& found) {
        std::vector<AbortedTransaction> expected;
        std::optional<Offset> open;
        std::int32_t last_sequence = no_sequence;
        for (const auto& [offset, id] : found) {
            auto bytes = log_->load({.offset = std::max(offset, log_->start_offset()),
                                     .max_bytes = 1,
                                     .upper_bound = 1'000'000});
            EXPECT_TRUE(bytes);
            if (!bytes) continue;
            BatchView batch = BatchView::trusted(*bytes);
            if (batch.producer_id() == idempotent) last_sequence = batch.last_sequence();
            if (batch.producer_id() != transactional) continue;
            if (!batch.is_control()) {
                if (!open) open = offset;
            } else if (open) {
                expected.push_back({transactional, *open, offset, offset + 1});
                open.reset();
            }
        }
        auto aborted = log_->aborted_transactions(log_->start_offset(), 1'000'000);
        if (aborted && !found.empty()) {
            std::erase_if(*aborted, [&](const AbortedTransaction& each) {
                return each.first_offset < found.begin()->first;
            });
        }
        EXPECT_TRUE(aborted && *aborted == expected);
        EXPECT_EQ(log_->producers().first_undecided_offset(), open);
        const Producer* producer = log_->producers().find(idempotent);
        if (last_sequence != no_sequence) {
            EXPECT_TRUE(producer != nullptr && producer->last_sequence() == last_sequence);
        }
    }

    OffsetCheckpoint recovery_points_, log_starts_;
    bool closing_ = false;
    Offset going_from_ = std::numeric_limits<Offset>::max();  // of a truncation that has failed
    std::int64_t last_id_ = 0;
    Offset advanced_to_ = 0;
    std::map<Offset, std::int64_t> current_;            // by base offset: the batch's number
    std::map<Offset, std::int64_t> required_;           // of those that were acknowledged
    std::map<Offset, std::set<std::int64_t>> history_;  // all that were ever appended there
    std::map<Offset, std::int32_t> epochs_;             // in which they were
};

class AppendAndRoll final : public LogScript {
    Task<Result<>> steps(Shard& shard) override {
        CO_RETURN_IF_ERROR(co_await open(shard));
        for (int round = 0; round < 3; ++round) {
            for (int i = 0; i < 3; ++i) CO_RETURN_IF_ERROR(co_await append());
            CO_RETURN_IF_ERROR(co_await append(transactional));
            CO_RETURN_IF_ERROR(co_await sync());
            CO_RETURN_IF_ERROR(co_await append());
            if (round != 1) CO_RETURN_IF_ERROR(co_await abort());
            if (round == 1) CO_RETURN_IF_ERROR(checkpoint());
            CO_RETURN_IF_ERROR(log_->roll());
            as_client.leader_epoch += 2;
        }
        CO_RETURN_IF_ERROR(co_await append());
        CO_RETURN_IF_ERROR(co_await sync());
        co_return co_await end();
    }
};

// From the middle of a segment, through several, and everything.
class Truncate final : public LogScript {
    Task<void> prepare(Shard& shard) override {
        co_await LogScript::prepare(shard);
        EXPECT_TRUE(co_await fill(shard));
        release();
    }
    Task<Result<>> fill(Shard& shard) {
        CO_RETURN_IF_ERROR(co_await open(shard));
        for (int i = 0; i < 12; ++i) {
            CO_RETURN_IF_ERROR(co_await append(i % 4 == 3 ? transactional : idempotent));
            if (i % 4 == 1) CO_RETURN_IF_ERROR(log_->roll());
            if (i == 7) CO_RETURN_IF_ERROR(co_await abort());
            if (i == 7) ++as_client.leader_epoch;
        }
        CO_RETURN_IF_ERROR(co_await sync());
        co_return co_await end();
    }
    Task<Result<>> steps(Shard& shard) override {
        CO_RETURN_IF_ERROR(co_await open(shard));
        for (Offset to : {22, 9, 4}) {
            CO_RETURN_IF_ERROR(truncate(to));
            ++as_client.leader_epoch;
            CO_RETURN_IF_ERROR(co_await append());
            CO_RETURN_IF_ERROR(co_await sync());
        }
        co_return co_await end();
    }
};

class AdvanceStart final : public LogScript {
    Task<Result<>> steps(Shard& shard) override {
        CO_RETURN_IF_ERROR(co_await open(shard));
        for (int round = 0; round < 3; ++round) {
            for (int i = 0; i < 2; ++i) CO_RETURN_IF_ERROR(co_await append());
            CO_RETURN_IF_ERROR(log_->roll());
            CO_RETURN_IF_ERROR(co_await append(transactional));
            CO_RETURN_IF_ERROR(co_await abort());
            CO_RETURN_IF_ERROR(co_await sync());
            CO_RETURN_IF_ERROR(advance_start(log_->end_offset() - 2 + round % 2));
            if (round != 1) {
                CO_RETURN_IF_ERROR(checkpoint());
                CO_RETURN_IF_ERROR(log_->remove_below(log_->start_offset()));
            }
            co_await log_->remove_deleted();
        }
        co_return co_await end();
    }
};

// Nothing is left in the log of the epochs that its start hides.
class StartBehindEpochs final : public LogScript {
    Task<Result<>> steps(Shard& shard) override {
        CO_RETURN_IF_ERROR(co_await open(shard));
        for (int round = 0; round < 3; ++round) {
            log_->begin_epoch(++as_client.leader_epoch);
            CO_RETURN_IF_ERROR(co_await append());
            CO_RETURN_IF_ERROR(co_await sync());
            log_->begin_epoch(++as_client.leader_epoch);
            for (int i = 0; i < 2; ++i) CO_RETURN_IF_ERROR(co_await append());
            CO_RETURN_IF_ERROR(log_->roll());
            CO_RETURN_IF_ERROR(advance_start(log_->end_offset()));
            CO_RETURN_IF_ERROR(co_await log_->save_epochs());
            CO_RETURN_IF_ERROR(checkpoint());
            CO_RETURN_IF_ERROR(log_->remove_below(log_->start_offset()));
            co_await log_->remove_deleted();
        }
        co_return co_await end();
    }
};

template <typename Script>
std::unique_ptr<CrashScript> make() {
    return std::make_unique<Script>();
}

TEST(CrashPoints, AppendAndRoll) { CrashSweep(make<AppendAndRoll>).crash(); }
TEST(CrashPoints, AppendAndRollOnAFaultyDisk) { CrashSweep(make<AppendAndRoll>).fail(); }
TEST(CrashPoints, Truncate) { CrashSweep(make<Truncate>).crash(); }
TEST(CrashPoints, TruncateOnAFaultyDisk) { CrashSweep(make<Truncate>).fail(); }
TEST(CrashPoints, AdvanceStart) { CrashSweep(make<AdvanceStart>).crash(); }
TEST(CrashPoints, StartBehindEpochs) { CrashSweep(make<StartBehindEpochs>).crash(); }
TEST(CrashPoints, StartBehindEpochsOnAFaultyDisk) { CrashSweep(make<StartBehindEpochs>).fail(); }
TEST(CrashPoints, AdvanceStartOnAFaultyDisk) { CrashSweep(make<AdvanceStart>).fail(); }

}  // namespace
}  // namespace millrace::storage
