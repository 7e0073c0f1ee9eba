#include "quorum/log_reader.h"

#include <algorithm>
#include <fmt/format.h>
#include <utility>

#include "base/check.h"
#include "quorum/control_records.h"

namespace millrace::quorum {
namespace {

constexpr std::uint64_t chunk_bytes = std::uint64_t{1} << 20U;

}  // namespace

LogReader::LogReader(storage::Log& log, std::int64_t from, LogContents& contents)
    : log_(&log), next_(from), contents_(&contents), replay_(contents.image) {
    for (const LogContents::Placed& each : contents.open_transaction) {
        Result<> applied = replay_.apply(each.record, each.offset, each.epoch);
        CHECK(applied);  // as it was when it was read first
    }
}

Result<> LogReader::read_to(std::int64_t end) {
    while (next_ < end) RETURN_IF_ERROR(read_piece(end));
    contents_->image = replay_.image();
    return {};
}

Result<> LogReader::read_piece(std::int64_t end) {
    CHECK(next_ < end);
    std::int64_t bound = std::min(end, log_->end_offset());
    storage::ReadRequest request{next_, chunk_bytes, true, bound};
    ASSIGN_OR_RETURN(Slice chunk, log_->load(request));
    BatchReader reader(chunk);
    while (true) {
        ASSIGN_OR_RETURN(auto batch, reader.next());
        if (!batch) break;
        RETURN_IF_ERROR(take(*batch));
    }
    if (reader.position() == 0) {
        return fail(ErrorCode::kafka_storage_error,
                    fmt::format("{} has nothing at offset {} though it ends at {}", log_->path(),
                                next_, log_->end_offset()));
    }
    contents_->image = replay_.image();
    return {};
}

Result<> LogReader::take(const BatchView& batch) {
    RETURN_IF_ERROR(batch.verify_crc());
    if (batch.base_offset() > next_ || batch.next_offset() <= next_) {
        return fail(ErrorCode::kafka_storage_error,
                    fmt::format("{} goes on at offset {} where {} is next", log_->path(),
                                batch.base_offset(), next_));
    }
    if (batch.is_control()) {
        RETURN_IF_ERROR(take_control(batch));
    } else {
        std::int32_t epoch = batch.leader_epoch();
        auto visit = [&](metadata::VersionedRecord record, std::int64_t offset) {
            return take_record(std::move(record), offset, epoch);
        };
        RETURN_IF_ERROR(visit_records(batch, next_, visit));
    }
    next_ = batch.next_offset();
    contents_->bytes_behind_snapshot += batch.size();
    contents_->last_timestamp = batch.max_timestamp();
    return {};
}

Result<> LogReader::take_control(const BatchView& batch) {
    ASSIGN_OR_RETURN(ControlValues values, read_control_batch(batch));
    for (const raft::KRaftVersionHistory::Entry& entry : values.kraft_versions) {
        if (entry.offset >= next_) contents_->kraft_versions.add(entry.offset, entry.value);
    }
    for (raft::VoterHistory::Entry& entry : values.voters) {
        if (entry.offset >= next_) contents_->voters.add(entry.offset, std::move(entry.value));
    }
    return {};
}

Result<> LogReader::take_record(metadata::VersionedRecord record, std::int64_t offset,
                                std::int32_t epoch) {
    RETURN_IF_ERROR(replay_.apply(record, offset, epoch));
    if (replay_.in_transaction()) {
        contents_->open_transaction.push_back({std::move(record), offset, epoch});
    } else {
        contents_->open_transaction.clear();
    }
    return {};
}

}  // namespace millrace::quorum
