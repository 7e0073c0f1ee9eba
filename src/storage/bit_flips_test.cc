// A log directory in which one bit of one file is flipped: it is found, or it changes nothing that
// a client is told.

#include <algorithm>
#include <cstdlib>
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <limits>
#include <map>
#include <memory>
#include <set>

#include "base/log_for_tests.h"
#include "env/disk.h"
#include "env/shard.h"
#include "env/sim/file_tree_for_tests.h"
#include "env/sim/world.h"
#include "storage/directory_health.h"
#include "storage/log.h"
#include "storage/log_directory.h"
#include "storage/test_batches.h"
#include "storage/transaction_index.h"

namespace millrace::storage {
namespace {

using env::Shard;
using env::sim::FileTree;

const PartitionName partition{"t", 0};
constexpr std::int64_t idempotent = 7;
constexpr std::int64_t transactional = 8;
constexpr std::int64_t other_transactional = 9;
constexpr Offset deleted_below = 5;
constexpr Offset most_offsets = 1'000;

// What clients may learn of a log, and what the broker works with.
struct Told {
    Offset start = 0;
    Offset end = 0;
    std::map<Offset, std::string> batches;  // by base offset
    std::map<Offset, std::int32_t> epochs;
    std::map<Timestamp, Offset> by_timestamp;
    std::optional<TimestampedOffset> latest;
    std::map<Offset, std::vector<AbortedTransaction>> aborted;  // by where a reader begins
    std::int32_t last_sequence = no_sequence;
    std::optional<Offset> open_transaction;
    bool batch_found_broken = false;
    std::optional<MetaProperties> meta;
    std::optional<Uuid> topic_id;
    std::map<CheckpointKind, OffsetCheckpoint> checkpoints;
};

struct Opened {
    std::unique_ptr<LogDirectory> directory;
    std::unique_ptr<Log> log;
};

Task<Result<Opened>> open(Shard& shard) {
    Opened opened;
    ASSIGN_OR_CO_RETURN(opened.directory, LogDirectory::open(shard.disk(), "/data"));
    LogDirectory& directory = *opened.directory;
    ASSIGN_OR_CO_RETURN(auto recovery_points, directory.checkpoint(CheckpointKind::recovery_point));
    ASSIGN_OR_CO_RETURN(auto log_starts, directory.checkpoint(CheckpointKind::log_start));
    LogOrigin origin{.path = directory.path_of(partition),
                     .log_start = log_starts[partition],
                     .recovery_point = recovery_points[partition],
                     .clean_shutdown = directory.clean_shutdown(),
                     .pages_in_doubt = directory.pages_in_doubt()};
    origin.options.segment_index_bytes = 240;
    origin.options.index_interval_bytes = 200;
    origin.options.producer_id_expiration_ms = std::numeric_limits<std::int64_t>::max();
    ASSIGN_OR_CO_RETURN(opened.log, co_await Log::open(shard, directory.health(), origin));
    co_return opened;
}

void tell_offsets(Log& log, Told& told) {
    Offset at = log.start_offset();
    while (at < log.end_offset()) {
        auto bytes = log.load({.offset = at, .max_bytes = 1, .upper_bound = log.end_offset()});
        auto batch = bytes ? BatchView::parse(*bytes) : fail(bytes.error());
        if (!batch || !batch->verify_crc() || batch->next_offset() <= at) {
            told.batch_found_broken = true;
            return;
        }
        told.batches[batch->base_offset()] = std::string(as_string(batch->bytes()));
        told.epochs[at] = log.epochs().epoch_at(at).value_or(-1);
        at = batch->next_offset();
    }
}

Task<Told> tell(Log& log) {
    Told told{.start = log.start_offset(), .end = log.end_offset()};
    tell_offsets(log, told);
    for (Timestamp timestamp = 9'990; timestamp < 10'400; timestamp += 5) {
        auto found = co_await log.find_by_timestamp(timestamp);
        if (!found) told.batch_found_broken = true;
        if (found && *found) told.by_timestamp[timestamp] = (*found)->offset;
    }
    auto latest = co_await log.find_max_timestamp();
    if (!latest) told.batch_found_broken = true;
    if (latest) told.latest = *latest;
    if (log.end_offset() > most_offsets) co_return told;  // which the test tells of
    for (Offset at = log.start_offset(); at < log.end_offset(); at += 3) {
        auto aborted = log.aborted_transactions(at, log.end_offset());
        if (!aborted) told.batch_found_broken = true;
        if (aborted) told.aborted[at] = *aborted;
    }
    if (const Producer* known = log.producers().find(idempotent)) {
        told.last_sequence = known->last_sequence();
    }
    told.open_transaction = log.producers().first_undecided_offset();
    co_return told;
}

enum class End { clean, killed, killed_behind_checkpoint };

class BitFlips : public testing::TestWithParam<End> {
  protected:
    // Several segments with everything in them.
    Task<void> write(Shard& shard) {
        auto made = LogDirectory::open(shard.disk(), "/data");
        CHECK(made);
        MetaProperties meta;
        meta.version = 1;
        meta.cluster_id = "cluster";
        meta.node_id = 3;
        meta.directory_id = Uuid{3, 4};
        CHECK((*made)->write_meta(meta, 1'000));
        CHECK((*made)->create_partition(partition, Uuid{1, 2}));
        made->reset();
        Opened opened = (co_await open(shard)).value();
        log_ = opened.log.get();
        CHECK(opened.directory->clear_clean_shutdown());
        for (std::int32_t round = 0; round < 3; ++round) {
            epoch_ = 2 * round;
            for (int i = 0; i < 4; ++i) append(idempotent);
            append(transactional);
            append(other_transactional);
            append(transactional);
            if (round != 1) mark(ControlType::abort, transactional);
            append(idempotent);
            mark(round == 1 ? ControlType::abort : ControlType::commit, other_transactional);
            log_->write_queued();
            if (round == 0) CHECK(log_->advance_start(deleted_below));
            if (round < 2) CHECK(log_->roll());
        }
        append(idempotent);
        CHECK(co_await log_->durable(log_->next_offset()));
        Offset point = GetParam() == End::killed_behind_checkpoint ? 14 : log_->end_offset();
        if (GetParam() == End::clean) CHECK(co_await log_->close());
        CHECK(opened.directory->write_checkpoint_now(CheckpointKind::recovery_point,
                                                     {{partition, point}, {{"u", 1}, 12}}));
        CHECK(opened.directory->write_checkpoint_now(
            CheckpointKind::log_start, {{partition, log_->start_offset()}, {{"u", 1}, 7}}));
        CHECK(opened.directory->write_checkpoint_now(CheckpointKind::high_watermark,
                                                     {{partition, log_->end_offset()}}));
        CHECK(opened.directory->write_checkpoint_now(CheckpointKind::cleaner, {{partition, 10}}));
        if (GetParam() == End::clean) CHECK(opened.directory->mark_clean_shutdown(12));
        if (GetParam() != End::clean) co_await log_->abandon();
    }

    // What is told after the start on these files; nothing when the start is refused.
    static std::optional<Told> reopen(const FileTree& files) {
        std::optional<Told> told;
        env::sim::World world(1);
        env::sim::Node& node = world.add_node("node");
        world.run(node, [&](Shard& shard) -> Task<int> {
            env::sim::write_tree(node.disk(), files);
            auto opened = co_await open(shard);
            if (!opened) co_return 1;
            told = co_await tell(*opened->log);
            told->meta = opened->directory->meta();
            for (CheckpointKind kind : {CheckpointKind::recovery_point, CheckpointKind::log_start,
                                        CheckpointKind::high_watermark, CheckpointKind::cleaner}) {
                told->checkpoints[kind] = opened->directory->checkpoint(kind).value();
            }
            for (const auto& each : opened->directory->partitions().value()) {
                told->topic_id = each.topic_id;
            }
            co_await opened->log->abandon();
            co_return 0;
        });
        return told;
    }

    FileTree files_at_the_end() {
        FileTree files;
        env::sim::World world(1);
        env::sim::Node& node = world.add_node("node");
        world.run(node, [&](Shard& shard) -> Task<int> {
            co_await write(shard);
            env::sim::read_tree(shard.disk(), "/data", files);
            co_return 0;
        });
        return files;
    }

    void append(std::int64_t producer) {
        Timestamp timestamp = 10'000 + 10 * ++number_;
        bool in_transaction = producer != idempotent;
        auto appended =
            log_->append_as_leader(make_batch({.records = 2,
                                               .value_size = 60,
                                               .timestamp = timestamp,
                                               .producer_id = producer,
                                               .sequence = 2 * sequences_[producer]++,
                                               .transactional = in_transaction}),
                                   {.origin = AppendOrigin::client, .leader_epoch = epoch_});
        CHECK(appended);
    }
    void mark(ControlType type, std::int64_t producer) {
        CHECK(
            log_->append_as_leader(make_marker(type, producer),
                                   {.origin = AppendOrigin::coordinator, .leader_epoch = epoch_}));
    }

    log::CapturedLog captured_;  // what is told of flips
    Log* log_ = nullptr;
    std::int32_t epoch_ = 0;
    Timestamp number_ = 0;
    std::map<std::int64_t, std::int32_t> sequences_;
};

// Where a byte lies in its batch of a .log file.
struct InBatch {
    std::size_t at = 0;
    bool last = false;  // of the file
    // Base offset, length, leader epoch and magic are outside the CRC.
    bool has_checksum() const { return at >= batch_layout::crc; }
};

InBatch in_batch(const std::string& file, std::size_t byte) {
    BatchReader reader(as_bytes(file));
    std::size_t begin = 0;
    while (reader.next().value()) {
        if (byte < reader.position()) break;
        begin = reader.position();
    }
    return {byte - begin, reader.position() == file.size()};
}

// What can be read of a transaction that was aborted is not told as committed, nor the other way
// round. One with a broken batch may be undecided, or begin behind that.
void check_aborted(const Told& found, const Told& sound) {
    Offset stable = found.open_transaction.value_or(found.end);
    auto is_same = [](const AbortedTransaction& a, const AbortedTransaction& b) {
        return a.producer_id == b.producer_id && a.last_offset == b.last_offset;
    };
    for (const auto& [offset, aborted] : found.aborted) {
        for (const AbortedTransaction& each : aborted) {
            EXPECT_TRUE(std::ranges::any_of(
                sound.aborted.at(offset), [&](const auto& other) { return is_same(each, other); }))
                << each.first_offset << " to " << each.last_offset;
        }
        for (const AbortedTransaction& each : sound.aborted.at(offset)) {
            if (each.last_offset >= stable) continue;
            auto same = std::ranges::find_if(
                aborted, [&](const auto& other) { return is_same(each, other); });
            Offset first = same == aborted.end() ? each.last_offset : same->first_offset;
            for (auto at = found.batches.lower_bound(each.first_offset);
                 at != found.batches.end() && at->first < first; ++at) {
                BatchView batch = BatchView::trusted(as_bytes(at->second));
                EXPECT_NE(batch.producer_id(), each.producer_id) << "at " << at->first;
            }
        }
    }
}

// Of a log that is broken somewhere a part may be gone; what is there is what was written, `from`
// that byte of each batch on, and where it was.
void check_log(const Told& found, const Told& sound, std::size_t from) {
    std::set<std::string_view> written;
    for (const auto& [offset, bytes] : sound.batches) {
        written.insert(std::string_view(bytes).substr(from));
    }
    for (const auto& [offset, bytes] : found.batches) {
        EXPECT_TRUE(written.contains(std::string_view(bytes).substr(from))) << "at " << offset;
        if (from > 0) continue;
        auto epoch = found.epochs.find(offset);
        if (epoch != found.epochs.end()) EXPECT_EQ(epoch->second, sound.epochs.at(offset));
    }
    if (from > 0) return;
    ASSERT_LE(found.end, sound.end);
    check_aborted(found, sound);
}

void check_same(const Told& found, const Told& sound, const std::string& file) {
    EXPECT_FALSE(found.batch_found_broken);
    EXPECT_TRUE(found.meta == sound.meta);
    // Nothing: the topic of the directory's name is meant.
    EXPECT_TRUE(found.topic_id == sound.topic_id ||
                (!found.topic_id && file.ends_with("partition.metadata")));
    EXPECT_TRUE(found.checkpoints == sound.checkpoints);
    EXPECT_EQ(found.end, sound.end);
    EXPECT_EQ(found.start, sound.start);
    EXPECT_TRUE(found.batches == sound.batches);
    EXPECT_EQ(found.epochs, sound.epochs);
    EXPECT_EQ(found.by_timestamp, sound.by_timestamp);
    EXPECT_TRUE(found.latest.has_value() && found.latest->offset == sound.latest->offset);
    EXPECT_TRUE(found.aborted == sound.aborted);
    EXPECT_EQ(found.last_sequence, sound.last_sequence);
    EXPECT_EQ(found.open_transaction, sound.open_transaction);
}

// What lies in the directory, what is told of it, and the flips of its bits.
class BitFlipsOf {
  public:
    using Reopen = std::optional<Told> (*)(const FileTree& files);
    BitFlipsOf(FileTree files, End end, Reopen reopen)
        : files_(std::move(files)), end_(end), reopen_(reopen), sound_(*reopen(files_)) {
        for (const auto& [name, stored] : files_) {
            if (name.ends_with(".log")) last_segment_ = std::max(last_segment_, name);
        }
    }

    const FileTree& files() const { return files_; }
    const Told& sound() const { return sound_; }
    std::uint64_t flipped() const { return flipped_; }

    void flip(const std::string& name, std::uint64_t bit) {
        const std::string& content = files_.at(name).content;
        bool of_log = name.ends_with(".log");
        InBatch at = of_log ? in_batch(content, bit / 8) : InBatch();
        SCOPED_TRACE(fmt::format("bit {} of byte {} ({} of its batch) of {}, which is {:#x}",
                                 bit % 8, bit / 8, at.at, name,
                                 static_cast<unsigned char>(content[bit / 8])));
        std::optional<Told> found = reopen_(env::sim::rotten(files_, name, bit));
        ++flipped_;
        if (!found) {
            EXPECT_TRUE(of_log || name.ends_with("meta.properties"));
        } else if (of_log) {
            // Nothing tells where the last batch begins that an unclean end has left.
            bool unknown = end_ != End::clean && name == last_segment_ && at.last;
            check_log(*found, sound_, unknown && !at.has_checksum() ? batch_layout::crc : 0);
        } else {
            check_same(*found, sound_, name);
        }
    }

  private:
    FileTree files_;
    End end_;
    Reopen reopen_;
    Told sound_;
    std::string last_segment_;
    std::uint64_t flipped_ = 0;
};

// Every so many bits; ./dev soak takes all.
TEST_P(BitFlips, AreFoundOrHarmless) {
    const char* of_environment = std::getenv("MILLRACE_BIT_STRIDE");
    std::uint64_t stride =
        of_environment == nullptr ? 97 : std::strtoull(of_environment, nullptr, 10);
    BitFlipsOf flips(files_at_the_end(), GetParam(), &BitFlips::reopen);
    const Told& sound = flips.sound();
    ASSERT_TRUE(!sound.batch_found_broken && sound.batches.size() > 20);
    ASSERT_EQ(sound.start, deleted_below);
    ASSERT_FALSE(sound.aborted.at(deleted_below).empty());
    std::uint64_t counter = 0;
    for (const auto& [name, stored] : flips.files()) {
        for (std::uint64_t bit = 0; bit < stored.content.size() * 8; ++bit) {
            if (++counter % stride == 0) flips.flip(name, bit);
            if (HasFailure()) return;
        }
    }
    EXPECT_GT(flips.flipped(), 500U);
}

// Where fewest neighbours tell of a flip: the first and last headers of segments up to their last
// offset, the first entries of time indexes, the leader epochs.
TEST_P(BitFlips, AtEdgesAreFoundOrHarmless) {
    BitFlipsOf flips(files_at_the_end(), GetParam(), &BitFlips::reopen);
    auto flip_all = [&](const std::string& name, std::size_t begin, std::size_t end) {
        for (std::uint64_t bit = begin * 8; bit < end * 8; ++bit) flips.flip(name, bit);
    };
    constexpr std::size_t header = batch_layout::last_offset_delta + 4;
    constexpr std::size_t time_entry = 12;
    for (const auto& [name, stored] : flips.files()) {
        const std::string& content = stored.content;
        if (name.ends_with(".log")) {
            std::size_t last = content.size() - 1;
            last -= in_batch(content, last).at;
            flip_all(name, 0, header);
            if (last > 0) flip_all(name, last, last + header);
        } else if (name.ends_with(".timeindex")) {
            flip_all(name, 0, std::min(time_entry, content.size()));
        } else if (name.ends_with("leader-epoch-checkpoint")) {
            flip_all(name, 0, content.size());
        }
        if (HasFailure()) return;
    }
    EXPECT_GT(flips.flipped(), 1'000U);
}

INSTANTIATE_TEST_SUITE_P(Storage, BitFlips,
                         testing::Values(End::clean, End::killed, End::killed_behind_checkpoint),
                         [](const auto& info) {
                             return info.param == End::clean    ? "Clean"
                                    : info.param == End::killed ? "Killed"
                                                                : "KilledBehindTheCheckpoint";
                         });

}  // namespace
}  // namespace millrace::storage
