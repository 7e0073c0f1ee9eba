#include "broker/partitions/partition.h"

#include <algorithm>
#include <fmt/core.h>

#include "broker/log.h"
#include "core/replication/nearest.h"
#include "core/replication/rules.h"
#include "env/shard.h"
#include "storage/transaction_index.h"

namespace millrace::broker {
namespace {

std::optional<Codec> codec_wanted(const std::string& name) {
    if (name == "producer") return std::nullopt;
    return name == "uncompressed" ? Codec::none : millrace::codec_named(name);
}

std::optional<int> level_wanted(const config::TopicConfig& config, Codec codec) {
    switch (codec) {
        case Codec::gzip:
            return config.compression_gzip_level();
        case Codec::lz4:
            return config.compression_lz4_level();
        case Codec::zstd:
            return config.compression_zstd_level();
        default:
            return std::nullopt;
    }
}

// Errors with which Apache says nothing of the log.
bool hides_log_start(ErrorCode code) {
    switch (code) {
        case ErrorCode::message_too_large:
        case ErrorCode::record_list_too_large:
        case ErrorCode::corrupt_message:
        case ErrorCode::kafka_storage_error:
        case ErrorCode::not_leader_or_follower:
            return true;
        default:
            return false;
    }
}

Produced failed(Error error) { return {.error = error.code, .message = std::move(error.message)}; }

}  // namespace

NodeTerms NodeTerms::of(const config::BrokerConfig& config) {
    return {.flush_acks_all = config.log_flush_acks_all(),
            .producer_id_expiration_ms = config.producer_id_expiration_ms(),
            .directory_delete_delay_ms = config.log_segment_delete_delay_ms(),
            .transaction_max_timeout_ms = config.transaction_max_timeout_ms(),
            .remote_storage = config.remote_log_storage_system_enable()};
}

storage::LogOptions log_options(const config::TopicConfig& topic, const NodeTerms& node) {
    // The active segment is not compacted: records must leave it in time.
    std::int64_t longest = topic.compacts() ? topic.max_compaction_lag_ms() : topic.segment_ms();
    return {.segment_bytes = topic.segment_size(),
            .segment_ms = std::min(topic.segment_ms(), longest),
            .segment_jitter_ms = topic.segment_jitter_ms(),
            .index_interval_bytes = topic.index_interval_bytes(),
            .segment_index_bytes = topic.segment_index_bytes(),
            .preallocate = topic.preallocate(),
            .file_delete_delay_ms = topic.file_delete_delay_ms(),
            .producer_id_expiration_ms = node.producer_id_expiration_ms,
            .min_compaction_lag_ms = topic.min_compaction_lag_ms(),
            .delete_retention_ms = topic.delete_retention_ms(),
            .max_compaction_lag_ms = topic.max_compaction_lag_ms()};
}

std::string Partition::Identity::to_string() const { return fmt::format("{}-{}", topic, index); }

Partition::Partition(env::Shard& shard, Identity identity, std::int32_t node_id,
                     storage::LogDirectory& directory, std::shared_ptr<storage::Log> log,
                     PartitionMetrics& metrics)
    : shard_(shard),
      identity_(std::move(identity)),
      name_(identity_.to_string()),
      node_id_(node_id),
      directory_(&directory),
      log_(std::move(log)),
      high_watermark_(log_->start_offset()),
      metrics_(metrics.topic(identity_.topic)),
      log_syncs_(metrics.log_syncs()),
      readings_(metrics.watch(*this)) {
    log_->listen(this);
}

Partition::~Partition() { log_->listen(nullptr); }

void Partition::configure(const config::TopicConfig& config, const NodeTerms& node) {
    config_ = config;
    node_ = node;
    auto names_this = [this](const std::vector<std::string>& replicas) {
        return std::ranges::any_of(replicas, [this](std::string_view each) {
            return each == "*" || each == fmt::format("{}:{}", identity_.index, node_id_);
        });
    };
    throttled_ = {names_this(config.leader_replication_throttled_replicas()),
                  names_this(config.follower_replication_throttled_replicas())};
    log_->options() = log_options(config, node);
    if (future_) future_->log().options() = log_->options();
    if (followers_) step(replication::StateChanged{state_, config_.min_insync_replicas()});
}

storage::RetentionLimits Partition::retention() const {
    if (!config_.deletes()) return {};
    return {.ms = config_.retention_ms(), .bytes = config_.retention_bytes()};
}

Task<void> Partition::go_offline() {
    offline_ = true;
    readings_.clear();
    arrivals_.notify();
    co_await retire();
}

Task<void> Partition::retire() {
    retired_ = true;
    recovered_.notify_all();
    co_await settled();
    state_ = {};
    followers_.reset();
    commit_waits_.wake_all();
    arrivals_.notify();
    replica_arrivals_.notify();
    replicas_started_.notify_all();
    co_await log_->abandon();
    if (future_) co_await future_->log().abandon();
}

storage::RetentionLimits Partition::local_retention() const {
    constexpr std::int64_t as_retention = -2;
    storage::RetentionLimits limits{.ms = config_.local_retention_ms(),
                                    .bytes = config_.local_retention_bytes()};
    if (limits.ms == as_retention) limits.ms = config_.retention_ms();
    if (limits.bytes == as_retention) limits.bytes = config_.retention_bytes();
    return limits;
}

ErrorCode Partition::check_leader(std::int32_t current_leader_epoch) const {
    ErrorCode error = check_epoch(current_leader_epoch);
    if (error != ErrorCode::none || is_leader()) return error;
    return ErrorCode::not_leader_or_follower;
}

ErrorCode Partition::check_epoch(std::int32_t current_leader_epoch) const {
    if (offline_) return ErrorCode::kafka_storage_error;
    return replication::kafka_rules.judge_epoch(current_leader_epoch, state_.leader_epoch);
}

void Partition::hide_unsynced() {
    storage::Offset end = log_->end_offset();
    storage::Offset shown = std::max(log_->start_offset(), log_->flushed_end_offset());
    if (shown >= end) return;
    hidden_below_ = stable_wanted_ = end;
    high_watermark_ = std::min(high_watermark_, shown);
}

Task<Result<>> Partition::sync_recovered() {
    while (hidden_below_) {
        std::shared_ptr<storage::Log> log = log_;  // another one may take its place
        Result<> synced = co_await log->durable(*hidden_below_);
        // A follower's log may have been cut meanwhile: less is to be synced.
        if (synced || !log->takes_appends()) co_return synced;
    }
    co_return Result<>{};
}

void Partition::log_failed(const Error& error) {
    LOG_ERROR("{} takes no more records: {}", name_, error.message);
    arrivals_.notify();
}

bool Partition::has_late_transaction() const {
    constexpr std::int64_t grace_ms = 300'000;
    Timestamp last = log_->producers().oldest_transaction_timestamp();
    return last > 0 && shard_.wall_ms() - last > node_.transaction_max_timeout_ms + grace_ms;
}

void Partition::log_rolled() {
    if (work_ != nullptr) work_->rolled(*this);
}

void Partition::files_doomed(Timestamp due) {
    if (work_ != nullptr) work_->files_doomed(*this, due);
}

// Writing --------------------------------------------------------------------------------------

ProduceRules Partition::rules(const ProduceTerms& terms) const {
    std::optional<Codec> codec = codec_wanted(config_.compression_type());
    return {
        .partition = name_,
        .max_message_bytes = config_.max_message_bytes(),
        .compacted = config_.compacts(),
        .timestamp_type =
            config_.log_append_time() ? TimestampType::log_append_time : TimestampType::create_time,
        .timestamp_before_max_ms = config_.message_timestamp_before_max_ms(),
        .timestamp_after_max_ms = config_.message_timestamp_after_max_ms(),
        .codec = codec,
        .level = codec ? level_wanted(config_, *codec) : std::nullopt,
        .allow_zstd = terms.version >= 7,
        .allow_transactional = terms.transactional,
    };
}

Task<Produced> Partition::produce(Slice records, ProduceTerms terms, BatchValidator& validator) {
    metrics_->produce_request();
    std::size_t bytes = records.size();
    if (!gate_.open()) co_await gate_.pass();
    auto appended = append(std::move(records), terms, validator);
    if (terms.verification != nullptr) terms.verification->release();
    if (appended) {
        Result<> done = co_await acknowledged(appended->next_offset, terms.acks, terms.timeout);
        bool tells_time = config_.log_append_time() || appended->duplicate;
        if (done) {
            co_return Produced{.base_offset = appended->first_offset,
                               .log_append_time = tells_time ? appended->max_timestamp : -1,
                               .log_start = log_->start_offset()};
        }
        appended = std::unexpected(failed(done.error()));
    }
    metrics_->produce_failed(bytes);
    co_return std::move(appended).error();
}

Produced Partition::refused(Error error) const {
    Produced outcome = failed(std::move(error));
    if (!hides_log_start(outcome.error)) outcome.log_start = log_->start_offset();
    return outcome;
}

std::expected<storage::Appended, Produced> Partition::append(Slice records, ProduceTerms terms,
                                                             BatchValidator& validator) {
    if (ErrorCode error = check_leader(-1); error != ErrorCode::none) {
        return std::unexpected(failed({error, fmt::format("this node does not lead {}", name_)}));
    }
    if (terms.acks == -1) {
        if (Result<> enough = check_isr(); !enough) return std::unexpected(refused(enough.error()));
    }
    auto valid = validator.validate(std::move(records), rules(terms), shard_.wall_ms());
    if (!valid) {
        Rejection& rejection = valid.error();
        Produced outcome = rejection.in_request ? failed(std::move(rejection.error))
                                                : refused(std::move(rejection.error));
        outcome.record_errors = std::move(rejection.record_errors);
        outcome.tells_message = rejection.tells_message || !outcome.record_errors.empty();
        return std::unexpected(std::move(outcome));
    }
    std::size_t bytes = valid->batch.size();
    bool verified = terms.verification != nullptr ? terms.verification->is_valid() : terms.verified;
    Result<storage::Appended> appended = log_->append_as_leader(
        std::move(valid->batch), {.leader_epoch = state_.leader_epoch, .verified = verified});
    if (!appended) return std::unexpected(refused(appended.error()));
    if (!appended->duplicate) {
        metrics_->produced(static_cast<std::uint64_t>(valid->count), bytes);
    }
    return *appended;
}

Result<storage::Offset> Partition::delete_records(storage::Offset offset) {
    if (ErrorCode error = check_leader(-1); error != ErrorCode::none) {
        return fail(error, fmt::format("this node does not lead {}", name_));
    }
    if (config_.compacts() && !config_.deletes()) {
        return fail(ErrorCode::policy_violation,
                    fmt::format("cleanup.policy of {} is compact only", identity_.topic));
    }
    storage::Offset to = offset == -1 ? high_watermark_ : offset;
    if (to < 0 || to > high_watermark_) {
        return fail(ErrorCode::offset_out_of_range,
                    fmt::format("{} can delete up to its high watermark {}, not {}", name_,
                                high_watermark_, offset));
    }
    if (to > log_->start_offset()) RETURN_IF_ERROR(log_->advance_start(to));
    return to;
}

Task<Result<storage::Offset>> Partition::deleted_below(storage::Offset offset, Time deadline) {
    storage::Offset low = log_->start_offset();
    auto everywhere = [&]() -> Task<Result<>> {
        std::uint64_t leadership = leaderships_;
        for (; leadership == leaderships_ && !retired_; co_await replicas_started_.wait()) {
            low = log_->start_offset();
            if (followers_) low = followers_->low_watermark(low, image());
            if (low >= offset) co_return Result<>{};
        }
        co_return fail(ErrorCode::not_leader_or_follower);
    };
    auto done = co_await env::with_deadline(shard_, deadline, everywhere());
    if (!done) {
        co_return fail(
            ErrorCode::request_timed_out,
            fmt::format("replicas of {} have not deleted up to offset {} in time", name_, offset));
    }
    CO_RETURN_IF_ERROR(*done);
    co_return low;
}

// Reading --------------------------------------------------------------------------------------

storage::Offset Partition::end_for(FetchBound bound) {
    switch (bound) {
        case FetchBound::log_end:
            return log_->end_offset();
        case FetchBound::last_stable:
            return last_stable_offset();
        default:
            return high_watermark_;
    }
}

Task<Fetched> Partition::fetch(FetchTerms terms) {
    metrics_->fetch_request();
    Fetched fetched = co_await read_records(terms);
    if (fetched.error != ErrorCode::none) metrics_->fetch_failed();
    if (terms.replica) {
        metrics_->replica_fetched(fetched.records.size());
    } else {
        metrics_->fetched(fetched.records.size());
    }
    co_return fetched;
}

// Nothing when the index cannot be read.
std::optional<std::vector<Fetched::Aborted>> Partition::aborted_in(
    storage::Log& log, storage::Offset offset, const storage::ReadResult& read) {
    auto bound = log.upper_bound_of(read);
    if (!bound) return std::nullopt;
    auto found = log.aborted_transactions(offset, *bound);
    if (!found) return std::nullopt;
    std::vector<Fetched::Aborted> aborted;
    for (const auto& each : *found) aborted.push_back({each.producer_id, each.first_offset});
    return aborted;
}

ErrorCode Partition::check_fetch(const FetchTerms& terms) const {
    ErrorCode error = check_epoch(terms.current_leader_epoch);
    if (error != ErrorCode::none) return error;
    if (!is_leader()) {
        // A client may read of a follower what is committed (KIP-392).
        bool may_read = !terms.leader_only && !terms.replica && role().follows() && !retired_;
        return may_read ? ErrorCode::none : ErrorCode::not_leader_or_follower;
    }
    if (!terms.replica || (followers_ && followers_->knows(terms.replica->id))) return error;
    return terms.current_leader_epoch >= 0 ? ErrorCode::unknown_leader_epoch
                                           : ErrorCode::not_leader_or_follower;
}

std::optional<std::int32_t> Partition::preferred_replica(const FetchTerms& terms) const {
    if (terms.rack.empty() || !followers_) return std::nullopt;
    return replication::nearest_replica(*followers_, node_id_, terms.offset, terms.rack, image());
}

Task<Fetched> Partition::read_records(FetchTerms terms) {
    Fetched result;
    result.error = check_fetch(terms);
    if (result.error != ErrorCode::none) {
        result.leader_id = state_.leader;
        result.leader_epoch = state_.leader_epoch;
        co_return result;
    }
    if (terms.last_fetched_epoch >= 0) {
        auto end = log_->epochs().end_of(terms.last_fetched_epoch, log_->end_offset());
        if (!end) {
            result.error = ErrorCode::offset_out_of_range;
            co_return result;
        }
        bool diverges = replication::kafka_rules.parts({end->epoch, end->end_offset},
                                                       terms.last_fetched_epoch, terms.offset);
        if (diverges) result.diverging = *end;
    }
    storage::Offset stable = last_stable_offset();
    result.bound = end_for(terms.bound());
    result.preferred_replica = preferred_replica(terms);
    bool is_remote =
        terms.offset >= log_->start_offset() && terms.offset < log_->local_start_offset();
    if (result.diverging || result.preferred_replica) {
        // Nothing is read.
    } else if (is_remote && terms.replica) {
        result.error = ErrorCode::offset_moved_to_tiered_storage;
    } else if (is_remote) {
        result.is_remote = true;
    } else {
        co_await read_local(terms, result);
        if (result.error != ErrorCode::none) co_return result;
    }
    if (terms.read_committed && !result.aborted) result.aborted.emplace();
    result.high_watermark = high_watermark_;
    result.last_stable_offset = stable;
    result.log_start = log_->start_offset();
    co_return result;
}

// Between the bound and the log's end there is nothing yet; outside the log is an error.
Task<void> Partition::read_local(const FetchTerms& terms, Fetched& result) {
    std::int32_t epoch = state_.leader_epoch;
    auto log = log_;
    storage::ReadRequest wanted{.offset = terms.offset,
                                .max_bytes = terms.max_bytes,
                                .whole_first_batch = terms.whole_first_batch,
                                .upper_bound = result.bound};
    Result<storage::ReadResult> read = co_await log->fetch(wanted);
    if (!read && log != log_) {  // another log has taken its place
        log = log_;
        read = co_await log->fetch(wanted);
    }
    if (!read) {
        result.error = read.error().code;
        co_return;
    }
    if (terms.read_committed && !read->records.empty()) {
        result.aborted = aborted_in(*log, terms.offset, *read);
        if (!result.aborted) result.error = ErrorCode::kafka_storage_error;
    }
    if (terms.replica && !terms.again) result.error = count_replica(terms, epoch);
    if (result.error != ErrorCode::none) co_return;
    result.records = std::move(read->records);
    result.first_batch_size = read->first_batch_size;
}

Task<Fetched> Partition::fetch_remote(FetchTerms terms, Fetched fetched) {
    fetched.is_remote = false;
    std::shared_ptr<RemoteLog> remote = remote_;
    if (!remote) {
        fetched.error = ErrorCode::replica_not_available;
        co_return fetched;
    }
    auto read = co_await remote->read({.offset = terms.offset,
                                       .max_bytes = terms.max_bytes,
                                       .whole_first_batch = terms.whole_first_batch,
                                       .read_committed = terms.read_committed});
    if (!read) {
        metrics_->fetch_failed();
        co_return Fetched{.error = read.error().code};
    }
    metrics_->fetched(read->records.size());
    fetched.first_batch_size = read->first_batch_size;
    if (!read->records.empty()) fetched.records.append(std::move(read->records));
    if (fetched.aborted) {
        for (const auto& each : read->aborted) {
            fetched.aborted->push_back({each.producer_id, each.first_offset});
        }
    }
    co_return fetched;
}

Result<> Partition::advance_start(storage::Offset offset) {
    return log_->advance_start(std::min(offset, high_watermark_));
}

}  // namespace millrace::broker
