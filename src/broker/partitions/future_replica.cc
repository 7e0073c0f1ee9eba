#include "broker/partitions/future_replica.h"

#include <algorithm>
#include <fmt/core.h>

#include "env/disk.h"
#include "records/batch.h"

namespace millrace::broker {

// The current log may have been cut, or its start moved, while this one was not looking.
Result<> FutureReplica::align(const storage::Log& current) {
    storage::Offset least = current.start_offset();
    if (log_->end_offset() < least) return log_->truncate_fully(least);
    storage::Offset shared = std::min(log_->end_offset(), current.end_offset());
    if (auto latest = log_->epochs().latest()) {
        auto end = current.epochs().end_of(latest->epoch, current.end_offset());
        if (!end) return log_->truncate_fully(least);
        if (end->epoch < latest->epoch) {
            auto own = log_->epochs().end_of(end->epoch, log_->end_offset());
            if (own) shared = std::min(shared, own->end_offset);
        }
        shared = std::min(shared, end->end_offset);
    }
    if (shared < log_->end_offset()) RETURN_IF_ERROR(log_->truncate_to(shared));
    return log_->advance_start(std::min(least, log_->end_offset()));
}

Task<Result<std::uint64_t>> FutureReplica::copy(storage::Log& current, std::uint64_t max_bytes) {
    CO_RETURN_IF_ERROR(align(current));
    if (log_->next_offset() >= current.end_offset()) co_return std::uint64_t{0};
    ASSIGN_OR_CO_RETURN(auto found, co_await current.fetch({.offset = log_->next_offset(),
                                                            .max_bytes = max_bytes,
                                                            .whole_first_batch = true,
                                                            .upper_bound = current.end_offset()}));
    if (found.records.empty()) co_return std::uint64_t{0};
    const auto& range = std::get<FileRange>(found.records.pieces().front());
    Buffer buffer(range.size);
    buffer.resize(range.size);
    ASSIGN_OR_CO_RETURN(std::size_t count,
                        co_await range.file->read_cold(range.offset, buffer.mutable_bytes()));
    buffer.resize(count);
    ASSIGN_OR_CO_RETURN(auto appended,
                        log_->append_as_follower(std::move(buffer).freeze().slice(0, count)));
    CO_RETURN_IF_ERROR(co_await log_->written(appended.next_offset));
    unsynced_ += count;
    co_return std::uint64_t{count};
}

Task<Result<>> FutureReplica::sync() {
    unsynced_ = 0;
    co_return co_await log_->durable(log_->end_offset());
}

}  // namespace millrace::broker
