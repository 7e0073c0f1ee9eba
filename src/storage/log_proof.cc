#include <algorithm>

#include "env/shard.h"
#include "storage/header_proof.h"
#include "storage/log.h"
#include "storage/page_access.h"
#include "storage/segment.h"
#include "storage/storage_log.h"

namespace millrace::storage {

// Whether all is trusted that a read from here on may meet, without a look at it.
bool Log::trusts(Offset offset) const {
    if (offset >= end_offset_) return true;
    std::size_t index = segment_index(offset);
    if (!segments_[index]->proven().complete()) return segments_[index]->is_recent(offset);
    // Compaction may have left nothing from here on, nor in segments behind it.
    auto next = std::find_if(segments_.begin() + static_cast<std::ptrdiff_t>(index) + 1,
                             segments_.end(), [](const auto& each) { return each->size() > 0; });
    return next == segments_.end() || (*next)->proven().complete();
}

// All offsets of a segment are below.
Offset Log::bound_of(std::size_t segment) const {
    return segment + 1 < segments_.size() ? segments_[segment + 1]->base() : end_offset_;
}

Result<std::optional<UnprovenHeaders>> Log::unproven(const ReadRequest& request,
                                                     PageAccess& access) {
    RETURN_IF_ERROR(check_readable());
    bool nothing = request.offset < local_start_offset_ ||
                   request.offset >= std::min(request.upper_bound, end_offset_);
    if (nothing) return std::nullopt;
    for (std::size_t i = segment_index(request.offset); i < segments_.size(); ++i) {
        Segment& segment = *segments_[i];
        ASSIGN_OR_RETURN(auto unproven,
                         segment.unproven(request.offset, request.max_bytes, access));
        if (unproven) {
            unproven->walk.bound = bound_of(i);
            unproven->walk.epochs = epochs_;
            return unproven;
        }
        ASSIGN_OR_RETURN(auto first, segment.find(request.offset, access));
        if (first) break;
    }
    return std::nullopt;
}

// What a walk has found counts unless another file has taken the place of the one it was over.
void Log::take_over(const UnprovenHeaders& unproven, const HeaderWalkOutcome& outcome) {
    Segment& segment = *segments_[segment_index(unproven.walk.base)];
    if (segment.base() != unproven.walk.base || !segment.is_open(unproven.walk.file)) return;
    segment.proven().add(outcome.proven);
    if (!outcome.broken || !segment.proven().note_broken(outcome.proven.end)) return;
    LOG_ERROR("{}: {}; reads of it are answered with CORRUPT_MESSAGE", segment.path(".log"),
              outcome.broken->message);
}

Result<> Log::prove_now(const ReadRequest& request) {
    PageAccess access;
    while (true) {
        ASSIGN_OR_RETURN(auto needed, unproven(request, access));
        if (!needed) return {};
        ASSIGN_OR_RETURN(HeaderWalkOutcome outcome, needed->walk.run());
        take_over(*needed, outcome);
        if (!outcome.broken) continue;
        ASSIGN_OR_RETURN(needed, unproven(request, access));
        if (!needed || needed->first_is_proven) return {};
        return fail(*std::move(outcome.broken));
    }
}

// As prove_now(); helper threads walk.
Task<Result<>> Log::prove(ReadRequest request) {
    auto look_up = [this, &request](PageAccess& access) { return unproven(request, access); };
    while (true) {
        ASSIGN_OR_CO_RETURN(auto needed, co_await look_up_cold(look_up));
        if (!needed) break;
        std::size_t cuts = cuts_.size();
        Result<HeaderWalkOutcome> outcome = HeaderWalkOutcome{};
        co_await env::blocking(shard_, [&] { outcome = needed->walk.run(); });
        if (!outcome) co_return fail(std::move(outcome).error());
        if (cuts != cuts_.size()) continue;
        take_over(*needed, *outcome);
        if (!outcome->broken) continue;
        ASSIGN_OR_CO_RETURN(needed, co_await look_up_cold(look_up));
        if (!needed || needed->first_is_proven) break;
        co_return fail(*std::move(outcome->broken));
    }
    co_return Result<>{};
}

Task<Result<ReadResult>> Log::prove_and_fetch(ReadRequest request) {
    auto look_up = [this, &request](PageAccess& access) { return read_at(request, access); };
    ASSIGN_OR_CO_RETURN(TrustedRead read, co_await look_up_cold(look_up));
    if (read.cut_short) {
        CO_RETURN_IF_ERROR(co_await prove(request));
        ASSIGN_OR_CO_RETURN(read, co_await look_up_cold(look_up));
    }
    co_return std::move(read.result);
}

Task<Result<>> Log::prove_segment(Offset base) {
    while (true) {
        Segment& segment = *segments_[segment_index(base)];
        if (segment.base() != base || segment.proven().complete()) co_return Result<>{};
        const ProvenRange* proven = segment.proven().range_at(0);
        CO_RETURN_IF_ERROR(co_await prove({.offset = proven == nullptr ? base : proven->next,
                                           .max_bytes = segment.written(),
                                           .upper_bound = end_offset_}));
    }
}

// Before its offset is told.
Task<Result<>> Log::prove_batch_of(Offset offset) {
    if (trusts(offset)) co_return Result<>{};
    co_return co_await prove({.offset = offset, .max_bytes = 1, .upper_bound = end_offset_});
}

}  // namespace millrace::storage
