#include "storage/timestamp_search.h"

#include <fmt/core.h>

#include "env/disk.h"
#include "records/record.h"

namespace millrace::storage {
namespace {

Result<std::optional<Slice>> read_batch(env::File& file, const BatchPlace& place) {
    Buffer buffer(place.size);
    buffer.resize(place.size);
    ASSIGN_OR_RETURN(std::size_t count, file.read(place.position, buffer.mutable_bytes()));
    if (count < place.size) return std::nullopt;  // cut off meanwhile
    return std::move(buffer).freeze();
}

// The offsets of headers that are walked rise; they are outside the CRC.
class Ascent {
  public:
    Result<> take(const BatchPlace& place) {
        if (place.base_offset < next_) {
            return fail(ErrorCode::corrupt_message,
                        fmt::format("the batch at byte {} begins at offset {}, where {} or a later "
                                    "one must follow",
                                    place.position, place.base_offset, next_));
        }
        next_ = place.last_offset + 1;
        return {};
    }

  private:
    Offset next_ = 0;
};

template <typename Wanted>
Result<std::optional<TimestampedOffset>> find_record(const BatchView& batch, Wanted wanted) {
    RecordReader records(batch);
    while (true) {
        ASSIGN_OR_RETURN(const Record* record, records.next());
        if (record == nullptr) return std::nullopt;
        if (!wanted(*record)) continue;
        return TimestampedOffset{record->timestamp, record->offset, batch.leader_epoch()};
    }
}

}  // namespace

Result<std::optional<TimestampedOffset>> TimestampSearch::first_not_before() const {
    std::optional<TimestampedOffset> found;
    auto wanted = [&](const Record& record) {
        return record.timestamp >= timestamp && record.offset >= start;
    };
    Ascent ascent;
    auto visit = [&](const BatchPlace& place) -> Result<bool> {
        RETURN_IF_ERROR(ascent.take(place));
        if (found) return false;
        if (place.max_timestamp < timestamp || place.last_offset < start) return true;
        ASSIGN_OR_RETURN(auto bytes, read_batch(*file, place));
        if (!bytes) return false;
        ASSIGN_OR_RETURN(BatchView batch, BatchView::parse(*bytes));
        ASSIGN_OR_RETURN(found, find_record(batch, wanted));
        return true;
    };
    PageAccess access;
    RETURN_IF_ERROR(scan_batches(file, from.offset, from.position, end, access, visit));
    return found;
}

Result<std::optional<TimestampedOffset>> TimestampSearch::first_of_largest() const {
    std::optional<TimestampedOffset> found;
    auto wanted = [&](const Record& record) { return record.timestamp == timestamp; };
    Ascent ascent;
    auto visit = [&](const BatchPlace& place) -> Result<bool> {
        RETURN_IF_ERROR(ascent.take(place));
        if (found) return false;
        if (place.max_timestamp != timestamp) return true;
        ASSIGN_OR_RETURN(auto bytes, read_batch(*file, place));
        if (!bytes) return false;
        ASSIGN_OR_RETURN(BatchView batch, BatchView::parse(*bytes));
        if (batch.timestamp_type() == TimestampType::log_append_time) {
            found = TimestampedOffset{timestamp, batch.base_offset(), batch.leader_epoch()};
            return true;
        }
        ASSIGN_OR_RETURN(found, find_record(batch, wanted));
        return found.has_value();
    };
    PageAccess access;
    RETURN_IF_ERROR(scan_batches(file, from.offset, from.position, end, access, visit));
    return found;
}

}  // namespace millrace::storage
