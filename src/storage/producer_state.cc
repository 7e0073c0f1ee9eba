#include "storage/producer_state.h"

#include <algorithm>
#include <fmt/core.h>
#include <limits>

#include "base/crc32c.h"
#include "records/record.h"

namespace millrace::storage {
namespace {

constexpr std::int16_t snapshot_version = 1;
constexpr std::size_t snapshot_crc_at = 2;
constexpr std::size_t snapshot_entries_at = 6;  // the CRC covers what lies from here on
constexpr std::size_t snapshot_entry_size = 46;
constexpr std::int8_t unknown_transaction_version = -1;

// The sequence `by` before this one, on the ring of 2^31 sequences.
std::int32_t retreat_sequence(std::int32_t sequence, std::int32_t by) {
    return advance_sequence(sequence, -by);
}

// Whatever the bytes on disk say of the time.
bool silent_for(std::int64_t expiration_ms, Timestamp last, Timestamp now) {
    std::int64_t silence = 0;
    if (__builtin_sub_overflow(now, last, &silence)) return last < 0;
    return silence >= expiration_ms;
}

ProducedBatch produced(const BatchView& batch) {
    return {batch.last_sequence(), batch.last_offset(), batch.last_offset_delta(),
            batch.max_timestamp()};
}

std::string who(const BatchView& batch, Offset offset) {
    return fmt::format("producer {} at offset {}", batch.producer_id(), offset);
}

}  // namespace

std::int32_t ProducedBatch::first_sequence() const {
    return last_sequence == no_sequence ? no_sequence
                                        : retreat_sequence(last_sequence, offset_delta);
}

const ProducedBatch* Producer::duplicate_of(const BatchView& batch) const {
    if (batch.producer_epoch() != epoch) return nullptr;
    for (std::size_t i = 0; i < count_; ++i) {
        if (batches_[i].last_sequence == batch.last_sequence() &&
            batches_[i].first_sequence() == batch.base_sequence()) {
            return &batches_[i];
        }
    }
    return nullptr;
}

void Producer::move_to_epoch(std::int16_t new_epoch) {
    if (epoch == new_epoch) return;
    epoch = new_epoch;
    batches_ = {};
    count_ = 0;
}

void Producer::add(const ProducedBatch& batch) {
    if (count_ == batches_kept) {
        std::ranges::move(batches_.begin() + 1, batches_.end(), batches_.begin());
        --count_;
    }
    batches_[count_++] = batch;
}

bool Producer::add_before(const ProducedBatch& batch) {
    if (!lacks_batches() || batch.last_sequence == no_sequence) return false;
    const ProducedBatch& oldest = batches_[0];
    bool adjoins = batch.last_offset < oldest.first_offset() &&
                   advance_sequence(batch.last_sequence, 1) == oldest.first_sequence();
    if (!adjoins) return false;
    std::ranges::move_backward(batches_.begin(), batches_.begin() + count_,
                               batches_.begin() + count_ + 1);
    batches_[0] = batch;
    ++count_;
    return true;
}

const Producer* ProducerState::find(std::int64_t producer_id) const {
    auto at = producers_.find(producer_id);
    return at == producers_.end() ? nullptr : &at->second;
}

Result<> ProducerState::check_sequence(const BatchView& batch, Offset offset,
                                       const Producer* known) const {
    if (known == nullptr || known->epoch == no_producer_epoch) return {};
    std::int32_t first = batch.base_sequence();
    if (batch.producer_epoch() != known->epoch) {
        if (first == 0) return {};
        return fail(ErrorCode::out_of_order_sequence_number,
                    fmt::format("{} begins epoch {} with sequence {}; a new epoch begins with 0",
                                who(batch, offset), batch.producer_epoch(), first));
    }
    std::int32_t last = known->last_sequence();
    std::int32_t expected = last == no_sequence ? 0 : advance_sequence(last, 1);
    if (first == expected) return {};
    return fail(ErrorCode::out_of_order_sequence_number,
                fmt::format("{} sends sequence {} after {}", who(batch, offset), first, last));
}

Result<> ProducerState::check_marker(const BatchView& batch, Offset offset, const Producer* known,
                                     std::int8_t transaction_version) const {
    static const Producer nobody;
    const Producer& producer = known == nullptr ? nobody : *known;
    std::int16_t epoch = batch.producer_epoch();
    bool bumps = transaction_version >= 2;
    // A coordinator that has lost the answer sends the marker again; the epochs have run out where
    // the largest one is sent.
    bool again = bumps && epoch == producer.epoch &&
                 (!producer.in_transaction() || epoch == std::numeric_limits<std::int16_t>::max());
    if (epoch < producer.epoch || (bumps && epoch == producer.epoch && !again)) {
        return fail(ErrorCode::invalid_producer_epoch,
                    fmt::format("{}: marker of epoch {} with transaction.version {}; epoch {} has "
                                "written here",
                                who(batch, offset), epoch, transaction_version, producer.epoch));
    }
    if (transaction_version == unknown_transaction_version) {
        return fail(
            ErrorCode::unknown_server_error,
            fmt::format("{}: a marker whose transaction.version nobody knows", who(batch, offset)));
    }
    ASSIGN_OR_RETURN(TransactionMarker marker, transaction_marker(batch));
    if (marker.coordinator_epoch >= producer.coordinator_epoch) return {};
    return fail(
        ErrorCode::transaction_coordinator_fenced,
        fmt::format("{}: marker of coordinator epoch {}; epoch {} has written here",
                    who(batch, offset), marker.coordinator_epoch, producer.coordinator_epoch));
}

Result<std::optional<ProducedBatch>> ProducerState::check(const BatchView& batch, Offset offset,
                                                          const AppendAs& as) const {
    if (!batch.has_producer_id() || as.origin == AppendOrigin::replication) return std::nullopt;
    const Producer* known = find(batch.producer_id());
    if (batch.is_control()) {
        if (batch.count() != 0) {
            RETURN_IF_ERROR(check_marker(batch, offset, known, as.transaction_version));
        }
        return std::nullopt;
    }
    if (as.origin == AppendOrigin::client && known != nullptr) {
        if (const ProducedBatch* duplicate = known->duplicate_of(batch)) return *duplicate;
    }
    bool open = known != nullptr && known->in_transaction();
    if (batch.is_transactional() && !open && !as.verified) {
        return fail(ErrorCode::invalid_txn_state,
                    fmt::format("{} writes to a transaction that the coordinator does not know of",
                                who(batch, offset)));
    }
    if (known != nullptr && batch.producer_epoch() < known->epoch) {
        return fail(ErrorCode::invalid_producer_epoch,
                    fmt::format("{} has epoch {}; epoch {} has written here", who(batch, offset),
                                batch.producer_epoch(), known->epoch));
    }
    if (as.origin == AppendOrigin::client) RETURN_IF_ERROR(check_sequence(batch, offset, known));
    if (open && !batch.is_transactional()) {
        return fail(ErrorCode::invalid_txn_state,
                    fmt::format("{} writes outside of its open transaction", who(batch, offset)));
    }
    return std::nullopt;
}

Result<std::optional<EndedTransaction>> ProducerState::apply(const BatchView& batch) {
    std::int64_t id = batch.producer_id();
    if (!batch.has_producer_id()) return std::nullopt;
    if (batch.is_control()) {
        if (batch.count() == 0) return std::nullopt;
        ASSIGN_OR_RETURN(TransactionMarker marker, transaction_marker(batch));
        Producer& producer = producers_[id];
        Offset began = producer.transaction_start;
        producer.move_to_epoch(batch.producer_epoch());
        producer.coordinator_epoch = marker.coordinator_epoch;
        producer.last_timestamp = batch.max_timestamp();
        producer.transaction_start = no_offset;
        if (began == no_offset) return std::nullopt;
        return EndedTransaction{id, began, batch.base_offset(), marker.type == ControlType::abort};
    }
    Producer& producer = producers_[id];
    producer.move_to_epoch(batch.producer_epoch());
    producer.add(produced(batch));
    producer.last_timestamp = batch.max_timestamp();
    if (batch.is_transactional() && !producer.in_transaction()) {
        producer.transaction_start = batch.base_offset();
        undecided_[batch.base_offset()] = Open{id, no_offset};
    }
    return std::nullopt;
}

Offset ProducerState::stable_offset_after(const EndedTransaction& transaction) const {
    for (const auto& [first, open] : undecided_) {
        if (open.producer_id != transaction.producer_id) return first;
    }
    return transaction.last_offset + 1;
}

void ProducerState::complete(const EndedTransaction& transaction) {
    auto at = undecided_.find(transaction.first_offset);
    if (at == undecided_.end()) return;
    unreplicated_[transaction.first_offset] =
        Open{transaction.producer_id, transaction.last_offset};
    undecided_.erase(at);
}

std::optional<Offset> ProducerState::first_unstable_offset() const {
    std::optional<Offset> first = first_undecided_offset();
    if (!unreplicated_.empty()) {
        Offset other = unreplicated_.begin()->first;
        first = first ? std::min(*first, other) : other;
    }
    return first;
}

std::optional<Offset> ProducerState::first_undecided_offset() const {
    if (undecided_.empty()) return std::nullopt;
    return undecided_.begin()->first;
}

void ProducerState::high_watermark_moved(Offset high_watermark) {
    std::erase_if(unreplicated_, [&](const auto& transaction) {
        return transaction.second.last_offset < high_watermark;
    });
}

Timestamp ProducerState::oldest_transaction_timestamp() const {
    if (undecided_.empty()) return no_timestamp;
    const Producer* producer = find(undecided_.begin()->second.producer_id);
    return producer == nullptr ? no_timestamp : producer->last_timestamp;
}

bool ProducerState::lacks_batches() const {
    return std::ranges::any_of(producers_,
                               [](const auto& entry) { return entry.second.lacks_batches(); });
}

void ProducerState::recall(const BatchView& batch) {
    if (!batch.has_producer_id() || batch.is_control()) return;
    auto at = producers_.find(batch.producer_id());
    if (at == producers_.end() || at->second.epoch != batch.producer_epoch()) return;
    at->second.add_before(produced(batch));
}

void ProducerState::expire(Timestamp now, std::int64_t expiration_ms) {
    std::erase_if(producers_, [&](const auto& entry) {
        const Producer& producer = entry.second;
        return !producer.in_transaction() &&
               silent_for(expiration_ms, producer.last_timestamp, now);
    });
}

void ProducerState::clear() {
    producers_.clear();
    undecided_.clear();
    unreplicated_.clear();
}

std::string ProducerState::encode_snapshot() const {
    std::string content(snapshot_entries_at + 4 + producers_.size() * snapshot_entry_size, '\0');
    auto* at = reinterpret_cast<std::uint8_t*>(content.data());
    Bytes checked(at + snapshot_entries_at, content.size() - snapshot_entries_at);
    store_be(at, snapshot_version);
    std::uint8_t* crc = at + snapshot_crc_at;
    at += snapshot_entries_at;
    auto put = [&at](auto value) {
        store_be(at, value);
        at += sizeof value;
    };
    put(static_cast<std::int32_t>(producers_.size()));
    for (const auto& [id, producer] : producers_) {
        put(id);
        put(producer.epoch);
        put(producer.last_sequence());
        put(producer.last_offset());
        put(producer.last_offset_delta());
        put(producer.last_timestamp);
        put(producer.coordinator_epoch);
        put(producer.transaction_start);
    }
    store_be(crc, crc32c(checked));
    return content;
}

Result<> ProducerState::load_snapshot(Bytes content, std::string_view name, Timestamp now,
                                      std::int64_t expiration_ms) {
    auto refuse = [&](std::string_view why) {
        return fail(ErrorCode::corrupt_message, fmt::format("{}: {}", name, why));
    };
    if (content.size() < snapshot_entries_at + 4) return refuse("too short for a snapshot");
    const std::uint8_t* at = content.data();
    if (load_be<std::int16_t>(at) != snapshot_version) {
        return refuse(fmt::format("version {}; 1 is known", load_be<std::int16_t>(at)));
    }
    if (load_be<std::uint32_t>(at + snapshot_crc_at) !=
        crc32c(content.subspan(snapshot_entries_at))) {
        return refuse("the CRC is wrong");
    }
    at += snapshot_entries_at;
    auto take = [&at]<typename T>(T& value) {
        value = load_be<T>(at);
        at += sizeof value;
    };
    std::int32_t count = 0;
    take(count);
    std::size_t room = (content.size() - snapshot_entries_at - 4) / snapshot_entry_size;
    if (count < 0 || static_cast<std::size_t>(count) > room) return refuse("entries are missing");
    clear();
    for (std::int32_t i = 0; i < count; ++i) {
        std::int64_t id = 0;
        ProducedBatch batch;
        Producer producer;
        take(id);
        std::int16_t epoch = 0;
        take(epoch);
        producer.move_to_epoch(epoch);
        take(batch.last_sequence);
        take(batch.last_offset);
        take(batch.offset_delta);
        take(producer.last_timestamp);
        take(producer.coordinator_epoch);
        take(producer.transaction_start);
        batch.timestamp = producer.last_timestamp;
        if (producer.transaction_start < 0) producer.transaction_start = no_offset;
        if (batch.last_offset >= 0) producer.add(batch);
        if (producer.in_transaction()) {
            undecided_[producer.transaction_start] = Open{id, no_offset};
        } else if (silent_for(expiration_ms, producer.last_timestamp, now)) {
            continue;
        }
        producers_.insert_or_assign(id, producer);
    }
    return {};
}

}  // namespace millrace::storage
