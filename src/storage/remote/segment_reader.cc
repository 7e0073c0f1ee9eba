#include "storage/remote/segment_reader.h"

#include <algorithm>
#include <fmt/core.h>

#include "records/record.h"

namespace millrace::storage::remote {
namespace {

// What a look-up by time reads at once.
constexpr std::uint64_t search_ahead = 1 << 20;
// How much of what lies between two index entries is read together with what is wanted.
constexpr std::uint64_t most_between = 4 << 20;

}  // namespace

std::unexpected<Error> SegmentReader::corrupt(std::uint64_t position, std::string_view what) const {
    return fail(ErrorCode::corrupt_message,
                fmt::format("byte {} of the object {}: {}", position, log_key(segment_), what));
}

Result<Bytes> SegmentReader::bytes_at(std::uint64_t position, std::uint64_t least,
                                      std::uint64_t ahead) {
    if (position >= segment_.size) return Bytes();
    std::uint64_t rest = segment_.size - position;
    least = std::min(least, rest);
    bool inside = position >= buffer_at_ && position <= buffer_at_ + buffer_.size();
    if (!inside) {
        buffer_.clear();
        buffer_at_ = position;
    }
    std::uint64_t skipped = position - buffer_at_;
    if (buffer_.size() - skipped < least) {
        std::uint64_t from = buffer_at_ + buffer_.size();
        std::uint64_t wanted = std::min(std::max(least, ahead), rest) - (from - position);
        ASSIGN_OR_RETURN(Buffer more, store_.get(log_key(segment_), from, wanted));
        if (buffer_.size() == skipped) {
            buffer_ = std::move(more);
            buffer_at_ = from;
            skipped = 0;
        } else {
            buffer_.append(more.bytes());
        }
        if (buffer_.size() - skipped < least) {
            return corrupt(from,
                           fmt::format("the object ends; its segment has {} bytes", segment_.size));
        }
    }
    return buffer_.bytes().subspan(skipped);
}

Result<std::optional<BatchView>> SegmentReader::header_at(std::uint64_t position,
                                                          std::uint64_t ahead) {
    ASSIGN_OR_RETURN(Bytes bytes, bytes_at(position, batch_header_size, ahead));
    if (bytes.empty()) return std::nullopt;
    if (bytes.size() < batch_header_size) return corrupt(position, "a batch is cut short");
    auto size = BatchView::frame_size(bytes);
    if (!size) return corrupt(position, size.error().message);
    BatchView header = BatchView::trusted(bytes);
    if (**size < batch_header_size || **size > segment_.size - position) {
        return corrupt(position, fmt::format("a batch of {} bytes does not fit", **size));
    }
    return header;
}

template <typename Wanted>
Result<std::optional<std::uint64_t>> SegmentReader::find(const CachedIndexes::Place& place,
                                                         Offset offset, std::uint64_t ahead,
                                                         Wanted wanted) {
    std::uint64_t position = place.position;
    if (position > 0 && position >= segment_.size) {
        return corrupt(position, fmt::format("the index places offset {} behind the end", offset));
    }
    for (;;) {
        ASSIGN_OR_RETURN(auto header, header_at(position, ahead));
        if (!header) return std::nullopt;
        // Then batches that were to be seen would be passed over.
        if (position == place.position && position > 0 && header->base_offset() > offset) {
            return corrupt(position, fmt::format("the index places offset {} here, and it is {}",
                                                 offset, header->base_offset()));
        }
        if (wanted(*header)) return position;
        position += header->size();
    }
}

// Whether the batches of [position, end) are what they were.
Result<> SegmentReader::check_skipped(std::uint64_t position, std::uint64_t end) {
    while (position < end) {
        ASSIGN_OR_RETURN(auto header, header_at(position, search_ahead));
        std::uint64_t size = header->size();
        ASSIGN_OR_RETURN(Bytes bytes, bytes_at(position, size, search_ahead));
        ASSIGN_OR_RETURN(BatchView batch, BatchView::parse(bytes));
        if (auto good = batch.verify_crc(); !good) return corrupt(position, good.error().message);
        position += size;
    }
    return {};
}

// Whole batches of [position, position + size), checked.
Result<> SegmentReader::take_whole(std::uint64_t position, std::uint64_t size, RemoteRead& read) {
    ASSIGN_OR_RETURN(Bytes bytes, bytes_at(position, size, size));
    bytes = bytes.first(std::min<std::uint64_t>(bytes.size(), size));
    BatchReader reader(bytes);
    for (;;) {
        std::uint64_t at = position + reader.position();
        auto batch = reader.next();
        if (!batch) return corrupt(at, batch.error().message);
        if (!*batch) break;
        if (auto good = (*batch)->verify_crc(); !good) return corrupt(at, good.error().message);
        if ((*batch)->base_offset() < read.next_offset ||
            (*batch)->last_offset() < (*batch)->base_offset() ||
            (*batch)->last_offset() > segment_.end_offset) {
            return corrupt(at, fmt::format("a batch of offsets {} to {} does not belong here",
                                           (*batch)->base_offset(), (*batch)->last_offset()));
        }
        read.next_offset = (*batch)->next_offset();
    }
    std::uint64_t skipped = position - buffer_at_;
    read.records = std::move(buffer_).freeze().slice(skipped, reader.position());
    buffer_at_ = 0;
    return {};
}

Result<RemoteRead> SegmentReader::read(const RemoteReadRequest& request) {
    ASSIGN_OR_RETURN(CachedIndexes::Place place, indexes_.place_of(request.offset));
    std::uint64_t end = place.latest.value_or(segment_.size);
    std::uint64_t between = end > place.position ? end - place.position : 0;
    std::uint64_t ahead = request.max_bytes + std::min(between, most_between);
    RemoteRead read;
    Offset base = no_offset;
    ASSIGN_OR_RETURN(auto position,
                     find(place, request.offset, ahead, [&](const BatchView& header) {
                         base = header.base_offset();
                         read.first_batch_size = header.size();
                         return header.last_offset() >= request.offset;
                     }));
    // No batch holds the offset itself. Compaction leaves such gaps; so does a wrong header of the
    // batch that was to be found.
    if (!position || base > request.offset) {
        RETURN_IF_ERROR(check_skipped(place.position, position.value_or(segment_.size)));
    }
    if (!position) {
        read.first_batch_size = 0;
        return read;
    }
    if (read.first_batch_size > request.max_bytes && !request.whole_first_batch) return read;
    std::uint64_t size = std::max(read.first_batch_size, request.max_bytes);
    read.position = *position;
    RETURN_IF_ERROR(take_whole(*position, size, read));
    return read;
}

Result<std::optional<TimestampedOffset>> SegmentReader::find_timestamp(Timestamp timestamp,
                                                                       Offset start) {
    ASSIGN_OR_RETURN(CachedIndexes::Place place, indexes_.place_of(timestamp, start));
    for (;;) {
        ASSIGN_OR_RETURN(
            auto position,
            find(place, segment_.end_offset, search_ahead, [&](const BatchView& header) {
                return header.max_timestamp() >= timestamp && header.last_offset() >= start;
            }));
        if (!position) return std::nullopt;
        ASSIGN_OR_RETURN(auto header, header_at(*position, search_ahead));
        std::uint64_t size = header->size();
        ASSIGN_OR_RETURN(Bytes bytes, bytes_at(*position, size, search_ahead));
        ASSIGN_OR_RETURN(BatchView batch, BatchView::parse(bytes));
        if (auto good = batch.verify_crc(); !good) return corrupt(*position, good.error().message);
        RecordReader records(batch);
        for (;;) {
            ASSIGN_OR_RETURN(const Record* record, records.next());
            if (record == nullptr) break;
            if (record->timestamp < timestamp || record->offset < start) continue;
            return TimestampedOffset{record->timestamp, record->offset, batch.leader_epoch()};
        }
        place.position = *position + size;
    }
}

}  // namespace millrace::storage::remote
