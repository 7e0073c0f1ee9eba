#include "broker/partitions/future_replica.h"

#include <algorithm>
#include <fmt/core.h>

#include "broker/partitions/replicated_append.h"
#include "env/disk.h"

namespace millrace::broker {

// The current log may have been cut, or its start moved, while this one was not looking.
Result<> FutureReplica::align(storage::Log& current) {
    storage::Offset shared = shared_end(current);
    // A power cut may have taken its first segments, and left later ones.
    bool has_lost_its_beginning = log_->local_start_offset() > current.local_start_offset();
    if (has_lost_its_beginning || shared < current.local_start_offset()) {
        return begin_anew(current);
    }
    if (shared < log_->end_offset()) RETURN_IF_ERROR(log_->truncate_to(shared));
    // The batches do not tell of what is in remote storage, nor of what compaction took.
    if (log_->end_offset() > current.start_offset()) {
        storage::LeaderEpochs epochs = current.epochs();
        epochs.truncate_from_end(log_->end_offset());
        log_->adopt_epochs(std::move(epochs));
    }
    return log_->advance_start(std::min(current.start_offset(), log_->end_offset()));
}

// How far both logs are the same; no_offset when the epochs tell of nothing that is.
storage::Offset FutureReplica::shared_end(const storage::Log& current) const {
    storage::Offset shared = std::min(log_->end_offset(), current.end_offset());
    auto latest = log_->epochs().latest();
    if (!latest) return shared;
    auto end = current.epochs().end_of(latest->epoch, current.end_offset());
    if (!end) return storage::no_offset;
    if (end->epoch < latest->epoch) {
        auto own = log_->epochs().end_of(end->epoch, log_->end_offset());
        if (own) shared = std::min(shared, own->end_offset);
    }
    return std::min(shared, end->end_offset);
}

Result<> FutureReplica::begin_anew(storage::Log& current) {
    storage::Offset local = current.local_start_offset();
    if (local == current.start_offset()) return log_->truncate_fully(local);
    ++remote_beginnings_;
    ASSIGN_OR_RETURN(Slice producers, current.producers_at(local));
    return log_->begin_behind({.start = current.start_offset(),
                               .local_start = local,
                               .epochs = current.epochs(),
                               .producers = std::move(producers)});
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
                        append_replicated(*log_, std::move(buffer).freeze().slice(0, count)));
    CO_RETURN_IF_ERROR(co_await log_->written(appended.next_offset));
    unsynced_ += count;
    co_return std::uint64_t{count};
}

Task<Result<>> FutureReplica::sync() {
    unsynced_ = 0;
    co_return co_await log_->durable(log_->end_offset());
}

}  // namespace millrace::broker
