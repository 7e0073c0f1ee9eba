#include <algorithm>
#include <fmt/core.h>

#include "env/disk.h"
#include "env/shard.h"
#include "records/batch.h"
#include "storage/log.h"
#include "storage/page_access.h"
#include "storage/segment.h"

namespace millrace::storage {
namespace {

std::size_t segment_of(const std::vector<std::unique_ptr<Segment>>& segments,
                       const std::shared_ptr<env::File>& file) {
    auto at =
        std::ranges::find_if(segments, [&](const auto& segment) { return segment->is_open(file); });
    return static_cast<std::size_t>(at - segments.begin());
}

// The header of a batch with an offset of a later segment is wrong.
Result<> check_below(Offset bound, Offset offset) {
    if (offset < bound) return {};
    return fail(
        ErrorCode::corrupt_message,
        fmt::format("a batch has offset {}, in a segment that ends before {}", offset, bound));
}

}  // namespace

// The last segment that begins at or below `offset`.
std::size_t Log::segment_index(Offset offset) const {
    auto above = std::ranges::upper_bound(segments_, offset, {},
                                          [](const auto& segment) { return segment->base(); });
    return above == segments_.begin() ? 0 : static_cast<std::size_t>(above - segments_.begin()) - 1;
}

Result<ReadResult> Log::read(const ReadRequest& request) {
    PageAccess access;
    ASSIGN_OR_RETURN(TrustedRead read, read_at(request, access));
    if (read.cut_short) {
        RETURN_IF_ERROR(prove_now(request));
        ASSIGN_OR_RETURN(read, read_at(request, access));
    }
    return std::move(read.result);
}

Task<Result<ReadResult>> Log::fetch(ReadRequest request) {
    if (!trusts(request.offset)) return prove_and_fetch(request);
    return look_up_cold([this, request](PageAccess& access) -> Result<ReadResult> {
        ASSIGN_OR_RETURN(TrustedRead read, read_at(request, access));
        return std::move(read.result);
    });
}

Result<Log::TrustedRead> Log::read_at(const ReadRequest& request, PageAccess& access) {
    RETURN_IF_ERROR(check_readable());
    if (request.offset < local_start_offset_ || request.offset > end_offset_) {
        return fail(ErrorCode::offset_out_of_range,
                    fmt::format("{} holds offsets {} to {}; {} is outside", path_,
                                local_start_offset_, end_offset_, request.offset));
    }
    TrustedRead read;
    ReadResult& result = read.result;
    std::size_t index = segment_index(request.offset);
    result.segment_base = segments_[index]->base();
    if (request.offset >= std::min(request.upper_bound, end_offset_)) return read;
    for (; index < segments_.size(); ++index) {
        Segment& segment = *segments_[index];
        ASSIGN_OR_RETURN(auto found, segment.find_trusted(request.offset, access));
        read.cut_short = !found.trusted;
        if (!found.trusted) return read;
        const auto& first = found.place;
        if (!first) continue;
        if (first->base_offset >= request.upper_bound) return read;
        ASSIGN_OR_RETURN(std::uint32_t end, end_position(index, request.upper_bound, access));
        result.segment_base = segment.base();
        result.position = first->position;
        result.first_batch_size = first->size;
        std::uint64_t most = request.max_bytes;
        if (most < first->size) most = request.whole_first_batch ? first->size : 0;
        if (end <= first->position) return read;
        most = std::min<std::uint64_t>(most, end - first->position);
        std::uint32_t trusted = segment.proven().end_from(first->position, segment.written());
        read.cut_short = most > trusted - first->position;
        if (read.cut_short) most = trusted - first->position;
        ASSIGN_OR_RETURN(auto file, segment.file());
        result.records.append(FileRange{std::move(file), first->position, most});
        return read;
    }
    return read;
}

// Where the batches below `bound` end in a segment.
Result<std::uint32_t> Log::end_position(std::size_t index, Offset bound, PageAccess& access) {
    Segment& segment = *segments_[index];
    bool whole = bound >= end_offset_ ||
                 (index + 1 < segments_.size() && segments_[index + 1]->base() <= bound);
    if (whole) return segment.written();
    ASSIGN_OR_RETURN(auto place, segment.find(bound, access));
    return place ? place->position : segment.written();
}

Result<Slice> Log::load(const ReadRequest& request) {
    ReadRequest whole = request;
    whole.whole_first_batch = true;
    ASSIGN_OR_RETURN(ReadResult found, read(whole));
    if (found.records.empty()) return Slice();
    const auto& range = std::get<FileRange>(found.records.pieces().front());
    Buffer buffer(range.size);
    buffer.resize(range.size);
    ASSIGN_OR_RETURN(std::size_t count, range.file->read(range.offset, buffer.mutable_bytes()));
    buffer.resize(count);
    BatchReader reader(buffer.bytes());
    while (true) {
        ASSIGN_OR_RETURN(auto batch, reader.next());
        if (!batch) break;
    }
    std::size_t end = reader.position();
    return std::move(buffer).freeze().slice(0, end);
}

Task<Result<std::optional<TimestampedOffset>>> Log::find_by_timestamp(Timestamp timestamp) {
    auto first_that_may_hold_it = [this, timestamp](PageAccess& access) {
        return search_for(timestamp, access);
    };
    while (true) {
        std::size_t cuts = cuts_.size();
        ASSIGN_OR_CO_RETURN(auto search, co_await look_up_cold(first_that_may_hold_it));
        if (!search) co_return std::nullopt;
        Offset bound = bound_of(segment_of(segments_, search->file));
        Result<std::optional<TimestampedOffset>> found = std::nullopt;
        co_await env::blocking(shard_, [&] { found = search->first_not_before(); });
        bool gone = found && *found && (*found)->offset < start_offset_;
        if (gone || cuts != cuts_.size()) continue;
        if (found && *found) {
            CO_RETURN_IF_ERROR(check_below(bound, (*found)->offset));
            CO_RETURN_IF_ERROR(co_await prove_batch_of((*found)->offset));
        }
        co_return found;
    }
}

Result<std::optional<TimestampSearch>> Log::search_for(Timestamp timestamp, PageAccess& access) {
    RETURN_IF_ERROR(check_readable());
    for (std::size_t i = segment_index(start_offset_); i < segments_.size(); ++i) {
        ASSIGN_OR_RETURN(TimeIndex::Entry largest, segments_[i]->max_timestamp(access));
        if (largest.timestamp < timestamp) continue;
        return segments_[i]->search_for(timestamp, start_offset_, access);
    }
    return std::nullopt;
}

Task<Result<std::optional<TimestampedOffset>>> Log::find_max_timestamp() {
    auto segment_with_the_largest = [this](PageAccess& access) {
        return search_for_largest(access);
    };
    while (true) {
        std::size_t cuts = cuts_.size();
        ASSIGN_OR_CO_RETURN(auto search, co_await look_up_cold(segment_with_the_largest));
        Offset bound = bound_of(segment_of(segments_, search.file));
        Result<std::optional<TimestampedOffset>> found = std::nullopt;
        co_await env::blocking(shard_, [&] { found = search.first_of_largest(); });
        if (cuts != cuts_.size()) continue;
        if (found && *found) {
            CO_RETURN_IF_ERROR(check_below(bound, (*found)->offset));
            CO_RETURN_IF_ERROR(co_await prove_batch_of((*found)->offset));
        }
        co_return found;
    }
}

Result<TimestampSearch> Log::search_for_largest(PageAccess& access) {
    RETURN_IF_ERROR(check_readable());
    std::size_t latest = segment_index(start_offset_);
    ASSIGN_OR_RETURN(TimeIndex::Entry largest, segments_[latest]->max_timestamp(access));
    for (std::size_t i = latest + 1; i < segments_.size(); ++i) {
        ASSIGN_OR_RETURN(TimeIndex::Entry entry, segments_[i]->max_timestamp(access));
        if (entry.timestamp <= largest.timestamp) continue;
        largest = entry;
        latest = i;
    }
    return segments_[latest]->search_for_largest(access);
}

Result<std::vector<AbortedTransaction>> Log::aborted_transactions(Offset offset,
                                                                  Offset upper_bound) {
    RETURN_IF_ERROR(check_readable());
    std::vector<AbortedTransaction> found;
    for (std::size_t index = segment_index(offset); index < segments_.size(); ++index) {
        ASSIGN_OR_RETURN(const auto* entries, segments_[index]->transactions().entries());
        for (const AbortedTransaction& entry : *entries) {
            if (entry.last_offset >= offset && entry.first_offset < upper_bound) {
                found.push_back(entry);
            }
            // No transaction that began below it was open behind this marker.
            if (entry.last_stable_offset >= upper_bound) return found;
        }
    }
    return found;
}

Result<Offset> Log::upper_bound_of(const ReadResult& read) {
    RETURN_IF_ERROR(check_readable());
    PageAccess access;
    std::size_t index = segment_index(read.segment_base);
    ASSIGN_OR_RETURN(auto entry, segments_[index]->offsets().find_position(
                                     read.position + read.records.size(), access));
    if (entry) return entry->offset;
    return index + 1 < segments_.size() ? segments_[index + 1]->base() : end_offset_;
}

}  // namespace millrace::storage
