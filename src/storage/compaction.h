#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "storage/batch_chunks.h"
#include "storage/batch_filter.h"
#include "storage/compaction_plan.h"
#include "storage/compaction_terms.h"
#include "storage/offset_map.h"
#include "storage/segment_writer.h"

namespace millrace::storage {

// What a group of sources has become.
struct CompactionCleaned {
    std::span<const CompactionSource> sources;
    // Synced, by names with .cleaned; nothing when the only source stays as it is.
    std::unique_ptr<Segment> segment;
};

// One round of compaction over segments that do not change meanwhile. First the map of the dirty
// section's keys is filled, as far as they fit; then, group by group, the segments that the map
// covers are written anew without what is obsolete. A segment that would come out as it is, is left
// alone.
//
// A group's last batch stays, if only as an empty one, so that each segment still ends where the
// next one begins: recovery takes anything else for a loss.
//
// The calls that work may block, move about `budget` bytes, and belong on a helper thread; between
// them nothing is under way. An error leaves the sources as they are. Besides storage errors:
// corrupt_message, invalid_record, unsupported_for_message_format, unknown_server_error for
// content that cannot be compacted.
class Compaction {
  public:
    Compaction(env::Disk& disk, CompactionPlan plan, OffsetMap& map, std::size_t io_buffer_size);

    // True when the map is complete.
    Result<bool> fill_map(std::uint64_t budget);
    // Behind the last offset that was considered, once the map is complete.
    Offset end() const { return last_mapped_ + 1; }
    // True when a group is done: take() it.
    Result<bool> clean(std::uint64_t budget);
    bool done() const { return group_ == groups_.size(); }
    // Those that are worked on: one while the map is filled, then one group's.
    std::span<const CompactionSource> sources() const;
    // They are gone: goes on with the next ones.
    void skip();

    CompactionCleaned take();
    // Removes output that was not taken.
    void discard();

    // Bytes read and written so far.
    std::uint64_t moved() const {
        return stats_.map_bytes_read + stats_.bytes_read + stats_.bytes_written + recopied_;
    }
    const CompactionStats& stats() const { return stats_; }

  private:
    struct Held {
        BatchView batch;
        FilteredBatch filtered;
    };

    Result<> open_source(std::size_t index);
    Result<bool> next_chunk();
    Result<> check_place(const BatchView& batch);
    Result<> map_batch(const BatchView& batch);
    Result<> map_records(const BatchView& batch);
    void flush_keys();
    void begin_cleaning();
    Result<> clean_some();
    Result<> clean_batch();
    Result<> begin_output();
    Result<> copy_prefix();
    Result<> emit(const Held& held);
    Result<> flush();
    std::unexpected<Error> in_source(Error error) const;

    env::Disk& disk_;
    CompactionPlan plan_;
    OffsetMap& map_;
    std::size_t io_buffer_size_;
    CompactionStats stats_;
    std::uint64_t recopied_ = 0;

    // Where the walk is.
    std::size_t source_ = 0;
    std::shared_ptr<env::File> file_;
    std::optional<BatchChunks> chunks_;
    BatchReader batches_{Bytes()};
    std::uint32_t chunk_position_ = 0;
    Offset least_ = 0;  // no batch may begin below

    // Filling the map.
    struct Key {
        Hash128 hash;
        Offset offset;
    };
    CleanedTransactions mapped_transactions_;
    Inflater inflater_;
    std::vector<Key> keys_;
    Offset last_mapped_ = no_offset;
    bool map_full_ = false;

    // Cleaning.
    std::vector<std::size_t> groups_;  // how many sources each has
    std::size_t group_ = 0;
    std::size_t group_first_ = 0;
    std::optional<BatchFilter> filter_;
    std::optional<SegmentWriter> output_;
    std::unique_ptr<Segment> cleaned_;
    std::optional<BatchChunks> prefix_;  // what was left alone before the first change
    std::optional<Held> held_;
    std::vector<AbortedTransaction> aborted_;  // of the group so far
};

}  // namespace millrace::storage
