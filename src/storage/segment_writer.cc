#include "storage/segment_writer.h"

#include <fmt/core.h>
#include <limits>

#include "env/disk.h"
#include "storage/file_names.h"
#include "storage/storage_log.h"

namespace millrace::storage {
namespace {

// Written pages go to the device in portions, so that the end is no flood that others wait behind.
constexpr std::size_t sync_every = std::size_t{32} << 20U;

}  // namespace

Result<SegmentWriter> SegmentWriter::create(env::Disk& disk, const std::string& directory,
                                            Offset base, Timestamp now,
                                            std::int32_t index_interval_bytes) {
    ASSIGN_OR_RETURN(auto segment, Segment::create(disk, directory, base, now, 0, cleaned_suffix));
    return SegmentWriter(disk, directory, std::move(segment), index_interval_bytes);
}

Result<> SegmentWriter::add(const BatchView& batch) {
    if (segment_->size() + batch.size() > std::numeric_limits<std::int32_t>::max()) {
        return fail(ErrorCode::record_list_too_large,
                    fmt::format("{} would exceed 2 GiB", segment_->path(log_suffix)));
    }
    CHECK(batch.base_offset() >= least_);
    least_ = batch.next_offset();
    RETURN_IF_ERROR(segment_->add(batch, index_interval_bytes_));
    Bytes bytes = batch.bytes();
    if (!pieces_.empty() && pieces_.back().data() + pieces_.back().size() == bytes.data()) {
        pieces_.back() = {pieces_.back().data(), pieces_.back().size() + bytes.size()};
    } else {
        pieces_.push_back(bytes);
    }
    return {};
}

Result<> SegmentWriter::add(Slice batch) {
    owned_.push_back(std::move(batch));
    return add(BatchView::trusted(owned_.back()));
}

Result<std::size_t> SegmentWriter::flush() {
    std::size_t size = segment_->size() - segment_->written();
    if (size == 0) return size;
    RETURN_IF_ERROR(segment_->write(pieces_));
    pieces_.clear();
    owned_.clear();
    unsynced_ += size;
    if (unsynced_ >= sync_every) {
        unsynced_ = 0;
        ASSIGN_OR_RETURN(auto file, segment_->file());
        RETURN_IF_ERROR(file->sync_now());
    }
    return size;
}

Result<std::unique_ptr<Segment>> SegmentWriter::finish(
    const std::vector<AbortedTransaction>& aborted) {
    RETURN_IF_ERROR(flush());
    for (const AbortedTransaction& each : aborted) {
        RETURN_IF_ERROR(segment_->transactions().append(each));
    }
    RETURN_IF_ERROR(segment_->seal());
    ASSIGN_OR_RETURN(auto files, segment_->files_to_sync());
    for (const auto& file : files) RETURN_IF_ERROR(file->sync_now());
    // A name with .swap counts unless another one still has .cleaned: so these have to be there
    // before the first is changed.
    RETURN_IF_ERROR(disk_.sync_directory(directory_));
    segment_->release();
    return std::move(segment_);
}

void SegmentWriter::discard() {
    if (segment_ != nullptr) remove_files(disk_, *segment_);
    segment_.reset();
}

void remove_files(env::Disk& disk, Segment& segment) {
    segment.release();
    for (const std::string& path : segment.paths()) {
        if (!disk.exists(path)) continue;
        if (auto removed = disk.remove(path); !removed) {
            LOG_WARN("What compaction has begun stays: {}", removed.error().message);
        }
    }
}

}  // namespace millrace::storage
