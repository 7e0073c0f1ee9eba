#include "records/validate.h"

#include <algorithm>
#include <fmt/format.h>
#include <limits>

#include "records/builder.h"
#include "records/record.h"
#include "records/record_format.h"
#include "records/record_window.h"

namespace millrace {
namespace {

std::unexpected<Rejection> refuse(Error error) {
    return std::unexpected<Rejection>(Rejection{std::move(error), {}});
}
std::unexpected<Rejection> refuse(ErrorCode code, std::string message) {
    return refuse(Error{code, std::move(message)});
}

// As Java subtracts: a hostile timestamp wraps.
std::int64_t wrapping_sub(std::int64_t a, std::int64_t b) {
    return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) - static_cast<std::uint64_t>(b));
}
std::int64_t wrapping_add(std::int64_t a, std::int64_t b) {
    return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
}

// What the rules say of single records, gathered over a batch.
class RecordRules {
  public:
    RecordRules(const BatchView& batch, const ProduceRules& rules, Timestamp now)
        : rules_(rules),
          now_(now),
          base_timestamp_(batch.base_timestamp()),
          batch_max_timestamp_(batch.max_timestamp()),
          appended_(batch.timestamp_type() == TimestampType::log_append_time),
          timed_(rules.timestamp_type == TimestampType::create_time) {}

    void check(const EncodedRecord& record) {
        check(record.key.has_value(), record.timestamp_delta, record.offset_delta);
    }
    void check(bool has_key, std::int64_t timestamp_delta, std::int32_t offset_delta) {
        Timestamp timestamp =
            appended_ ? batch_max_timestamp_ : wrapping_add(base_timestamp_, timestamp_delta);
        max_timestamp_ = std::max(max_timestamp_, timestamp);
        in_sequence_ = in_sequence_ && offset_delta == index_;
        bool usual = timed_ && (has_key || !rules_.compacted) && is_in_time(timestamp);
        if (!usual) [[unlikely]]
            judge(has_key, timestamp, offset_delta);
        ++index_;
    }

    Timestamp max_timestamp() const { return max_timestamp_; }
    // Offsets are 0, 1, 2 and so on.
    bool in_sequence() const { return in_sequence_; }

    std::expected<void, Rejection> verdict() {
        if (total_errors_ == 0) return {};
        Rejection rejection;
        if (bad_time_) {
            rejection.error = {
                ErrorCode::invalid_timestamp,
                fmt::format("Records for {} are refused for their timestamps", rules_.partition)};
        } else {
            rejection.error = {
                ErrorCode::invalid_record,
                fmt::format("{} of {} records for {} are refused; the first: record {}: {}",
                            total_errors_, index_, rules_.partition, errors_.front().index,
                            errors_.front().message)};
        }
        rejection.record_errors = std::move(errors_);
        return std::unexpected<Rejection>(std::move(rejection));
    }

  private:
    bool is_in_time(Timestamp timestamp) const {
        std::int64_t age = wrapping_sub(now_, timestamp);
        return age <= rules_.timestamp_before_max_ms &&
               wrapping_sub(0, age) <= rules_.timestamp_after_max_ms;
    }

    [[gnu::noinline, gnu::cold]] void judge(bool has_key, Timestamp timestamp,
                                            std::int32_t offset_delta) {
        if (rules_.compacted && !has_key) {
            add_error("A record of a compacted topic needs a key, this one for {} has none",
                      rules_.partition);
        } else if (timed_ && timestamp != no_timestamp) {
            if (is_in_time(timestamp)) return;
            bad_time_ = true;
            add_error("Timestamp {} of the record at offset {} is outside [{}, {}]", timestamp,
                      offset_delta, wrapping_sub(now_, rules_.timestamp_before_max_ms),
                      wrapping_add(now_, rules_.timestamp_after_max_ms));
        } else if (appended_) {
            bad_time_ = true;
            add_error(
                "The record at offset {} has the timestamp type LogAppendTime, which a "
                "producer may not set",
                offset_delta);
        }
    }

    template <typename... Args>
    void add_error(fmt::format_string<Args...> format, Args&&... args) {
        ++total_errors_;
        if (errors_.size() < most_record_errors)
            errors_.push_back({index_, fmt::format(format, std::forward<Args>(args)...)});
    }

    const ProduceRules& rules_;
    const Timestamp now_;
    const Timestamp base_timestamp_;
    const Timestamp batch_max_timestamp_;
    const bool appended_;
    const bool timed_;
    std::vector<RecordError> errors_;
    std::size_t total_errors_ = 0;
    std::int32_t index_ = 0;
    Timestamp max_timestamp_ = no_timestamp;
    bool bad_time_ = false;
    bool in_sequence_ = true;
};

// Apache adds the header to this length in 32 bits.
bool length_overflows(Bytes records) {
    constexpr std::size_t length_at = 8;
    constexpr std::int32_t log_overhead = 12;
    return records.size() >= length_at + sizeof(std::int32_t) &&
           load_be<std::int32_t>(records.data() + length_at) >
               std::numeric_limits<std::int32_t>::max() - log_overhead;
}

// The single batch of the request, from its frame alone.
std::expected<BatchView, Rejection> only_batch(Bytes records, const ProduceRules& rules) {
    BatchReader reader(records);
    auto batch = reader.next();
    if (!batch && batch.error().code == ErrorCode::unsupported_for_message_format)
        return refuse(ErrorCode::invalid_record,
                      fmt::format("Records for {}: {}", rules.partition, batch.error().message));
    if (!batch) {
        return std::unexpected(Rejection{.error = std::move(batch).error(), .tells_message = true});
    }
    if (!*batch && length_overflows(records))
        return refuse(ErrorCode::unknown_server_error,
                      fmt::format("A batch for {} claims two gigabytes", rules.partition));
    if (!*batch)
        return refuse(ErrorCode::invalid_record,
                      fmt::format("The {} bytes for {} hold no whole batch; one is needed",
                                  records.size(), rules.partition));
    // Bytes behind that are less than a batch are cut off, as Apache does.
    auto second = reader.next();
    if (!second && second.error().code == ErrorCode::corrupt_message)
        return refuse(std::move(second).error());
    if (!second || *second)
        return refuse(ErrorCode::invalid_record,
                      fmt::format("More than one batch was sent for {}", rules.partition));
    return **batch;
}

std::expected<void, Rejection> check_size(const BatchView& batch, const ProduceRules& rules) {
    if (batch.size() <= static_cast<std::size_t>(std::max(rules.max_message_bytes, 0))) return {};
    return refuse(ErrorCode::message_too_large,
                  fmt::format("A batch of {} bytes for {} is above max.message.bytes, {}",
                              batch.size(), rules.partition, rules.max_message_bytes));
}

std::expected<void, Rejection> check_codec(const BatchView& batch, const ProduceRules& rules) {
    if (!batch.codec())
        return refuse(ErrorCode::unknown_server_error,
                      fmt::format("A batch for {} has the unknown codec {}", rules.partition,
                                  batch.codec_id()));
    return {};
}

// What the header says of offsets, count and producer.
std::expected<void, Rejection> check_header(const BatchView& batch, const ProduceRules& rules) {
    auto invalid = [&](std::string what) {
        return refuse(ErrorCode::invalid_record,
                      fmt::format("A batch for {} {}", rules.partition, what));
    };
    if (batch.last_offset_delta() < 0)
        return invalid(fmt::format("ends at offset {}", batch.last_offset_delta()));
    if (batch.count() <= 0) return invalid(fmt::format("has a record count of {}", batch.count()));
    if (batch.count() - 1 != batch.last_offset_delta())
        return invalid(fmt::format("has {} records but ends at offset {}", batch.count(),
                                   batch.last_offset_delta()));
    if (batch.is_control()) return invalid("is a control batch, which no client may write");
    if (batch.has_producer_id() && batch.base_sequence() < 0)
        return invalid(fmt::format("of producer {} has the sequence number {}", batch.producer_id(),
                                   batch.base_sequence()));
    return {};
}

// What the request is refused for before its partition is looked for.
std::expected<BatchView, Rejection> check_request(Bytes records, const ProduceRules& rules) {
    auto batch = only_batch(records, rules);
    if (!batch) return batch;
    if (!rules.allow_zstd && batch->codec() == Codec::zstd)
        return refuse(ErrorCode::unsupported_compression_type,
                      fmt::format("A batch for {} is compressed with zstd; Produce takes that from "
                                  "version 7 on",
                                  rules.partition));
    if (batch->is_transactional() && !rules.allow_transactional)
        return refuse(
            ErrorCode::transactional_id_authorization_failed,
            fmt::format("A batch for {} is transactional, its request is not", rules.partition));
    return batch;
}

// Everything that can be said without looking at the records, in Apache's order.
std::expected<BatchView, Rejection> check_batch(Bytes records, const ProduceRules& rules) {
    auto batch = check_request(records, rules);
    if (!batch) {
        batch.error().in_request = true;
        return batch;
    }
    if (batch->base_offset() != 0)
        return refuse(ErrorCode::invalid_record,
                      fmt::format("A batch for {} begins at offset {}, not at 0", rules.partition,
                                  batch->base_offset()));
    using Check = std::expected<void, Rejection>;
    if (Check fine = check_size(*batch, rules); !fine) return std::unexpected(fine.error());
    if (auto fine = batch->verify_crc(); !fine) return refuse(std::move(fine).error());
    if (Check fine = check_codec(*batch, rules); !fine) return std::unexpected(fine.error());
    if (Check fine = check_header(*batch, rules); !fine) return std::unexpected(fine.error());
    return batch;
}

std::unexpected<Error> broken_record(std::int32_t index, std::string_view reason) {
    return fail(ErrorCode::invalid_record,
                fmt::format("Record {} of a batch is broken: {}", index, reason));
}

Result<> scan_plain(const BatchView& batch, RecordRules& rules) {
    const std::uint8_t* at = batch.payload().data();
    const std::uint8_t* end = at + batch.payload().size();
    EncodedRecord record;
    for (std::int32_t i = 0; i < batch.count(); ++i) {
        std::int32_t length = 0;
        at = get_varint32(at, end, length);
        if (at == nullptr || length < 0 || length > end - at)
            return broken_record(i, "it runs past the batch");
        if (const char* wrong = decode_record(Bytes(at, static_cast<std::size_t>(length)), record))
            return broken_record(i, wrong);
        rules.check(record);
        at += length;
    }
    if (at != end) return broken_record(batch.count() - 1, "bytes are left behind it");
    return {};
}

// A record too long for the window: its key and value pass by without being held.
class PassingRecord {
  public:
    PassingRecord(RecordWindow& window, std::int32_t index, std::size_t length)
        : window_(window), index_(index), end_(window.position() + length) {}

    Result<> check(RecordRules& rules) {
        RETURN_IF_ERROR(pass(1));
        ASSIGN_OR_RETURN(std::int64_t timestamp_delta, window_.varint(max_uvarint64_size));
        ASSIGN_OR_RETURN(std::int64_t offset_delta, window_.varint(max_uvarint32_size));
        ASSIGN_OR_RETURN(bool has_key, pass_nullable());
        RETURN_IF_ERROR(pass_nullable());
        ASSIGN_OR_RETURN(std::int64_t headers, window_.varint(max_uvarint32_size));
        if (headers < 0) return broken_record(index_, "its header count is negative");
        for (std::int64_t i = 0; i < headers; ++i) {
            ASSIGN_OR_RETURN(bool has_name, pass_nullable());
            if (!has_name) return broken_record(index_, "a header key is null");
            RETURN_IF_ERROR(pass_nullable());
        }
        if (window_.position() != end_) return broken_record(index_, "its length is wrong");
        rules.check(has_key, timestamp_delta, static_cast<std::int32_t>(offset_delta));
        return {};
    }

  private:
    Result<> pass(std::size_t n) {
        if (window_.position() > end_ || n > end_ - window_.position())
            return broken_record(index_, "a field runs past it");
        ASSIGN_OR_RETURN(bool whole, window_.skip(n));
        if (!whole) return broken_record(index_, "the stream ends inside it");
        return {};
    }
    // False for null.
    Result<bool> pass_nullable() {
        ASSIGN_OR_RETURN(std::int64_t length, window_.varint(max_uvarint32_size));
        if (length < 0) return false;
        RETURN_IF_ERROR(pass(static_cast<std::size_t>(length)));
        return true;
    }

    RecordWindow& window_;
    std::int32_t index_;
    std::size_t end_;
};

Result<> scan_compressed(const BatchView& batch, RecordWindow& window, std::size_t limit,
                         RecordRules& rules) {
    RETURN_IF_ERROR(window.start(*batch.codec(), batch.payload(), limit));
    EncodedRecord record;
    for (std::int32_t i = 0; i < batch.count(); ++i) {
        ASSIGN_OR_RETURN(std::int64_t length, window.varint(max_uvarint32_size));
        if (length < 0) return broken_record(i, "its length is negative");
        auto size = static_cast<std::size_t>(length);
        if (size > RecordWindow::usual_size) {
            RETURN_IF_ERROR(PassingRecord(window, i, size).check(rules));
            continue;
        }
        if (window.available().size() < size) {
            ASSIGN_OR_RETURN(bool whole, window.fill(size));
            if (!whole) return broken_record(i, "the stream ends inside it");
        }
        if (const char* wrong = decode_record(window.available().first(size), record))
            return broken_record(i, wrong);
        rules.check(record);
        window.consume(size);
    }
    ASSIGN_OR_RETURN(bool at_end, window.at_end());
    if (!at_end) return broken_record(batch.count() - 1, "bytes are left behind it");
    return {};
}

}  // namespace

struct BatchValidator::Workspace {
    RecordWindow window;
    Compressor compressor;

    Slice rebuild(const BatchView& batch, const ProduceRules& rules, Codec codec, Timestamp now,
                  Result<>& outcome);
};

// The same records at offsets 0, 1, 2…, in the topic's codec.
Slice BatchValidator::Workspace::rebuild(const BatchView& batch, const ProduceRules& rules,
                                         Codec codec, Timestamp now, Result<>& outcome) {
    BatchOptions options;
    options.codec = codec;
    options.level = rules.codec ? rules.level : std::nullopt;
    options.producer_id = batch.producer_id();
    options.producer_epoch = batch.producer_epoch();
    options.base_sequence = batch.base_sequence();
    options.transactional = batch.is_transactional();
    if (rules.timestamp_type == TimestampType::log_append_time) options.log_append_time = now;
    BatchBuilder builder(options);
    RecordReader reader(batch, rules.inflated_limit);
    while (true) {
        auto record = reader.next();
        if (!record) {
            outcome = fail(std::move(record).error());
            return {};
        }
        if (*record == nullptr) return builder.build(compressor);
        builder.append(**record);
    }
}

BatchValidator::BatchValidator() : workspace_(std::make_unique<Workspace>()) {}
BatchValidator::~BatchValidator() = default;

std::expected<ValidatedBatch, Rejection> BatchValidator::validate(Slice records,
                                                                  const ProduceRules& rules,
                                                                  Timestamp now) {
    auto checked = check_batch(records, rules);
    if (!checked) return std::unexpected(std::move(checked).error());
    const BatchView batch = *checked;
    const Codec codec = *batch.codec();

    RecordRules record_rules(batch, rules, now);
    Result<> scanned = codec == Codec::none ? scan_plain(batch, record_rules)
                                            : scan_compressed(batch, workspace_->window,
                                                              rules.inflated_limit, record_rules);
    if (!scanned) return refuse(std::move(scanned).error());
    if (auto verdict = record_rules.verdict(); !verdict)
        return std::unexpected(std::move(verdict).error());

    ValidatedBatch result;
    result.count = batch.count();
    result.max_timestamp =
        rules.timestamp_type == TimestampType::log_append_time ? now : record_rules.max_timestamp();
    const Codec target = rules.codec.value_or(codec);
    if (target != codec) {
        Result<> outcome;
        result.batch = workspace_->rebuild(batch, rules, target, now, outcome);
        if (!outcome) return refuse(std::move(outcome).error());
        result.rebuilt = true;
        if (auto fine = check_size(result.view(), rules); !fine)
            return std::unexpected(std::move(fine).error());
        return result;
    }
    // Apache would store the gap of an uncompressed batch, and trips over that of a compressed one.
    if (!record_rules.in_sequence())
        return refuse(ErrorCode::invalid_record,
                      fmt::format("A batch for {} has records at other offsets than 0 to {}",
                                  rules.partition, batch.last_offset_delta()));
    result.batch = records.slice(0, batch.size());
    set_max_timestamp({result.batch.mutable_data(), result.batch.size()}, rules.timestamp_type,
                      result.max_timestamp);
    return result;
}

}  // namespace millrace
