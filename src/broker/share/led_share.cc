#include "broker/share/led_share.h"

#include <algorithm>
#include <fmt/core.h>

#include "broker/log.h"
#include "broker/share/share_reading.h"
#include "client/iso_duration.h"
#include "config/group_config.h"

namespace millrace::broker {
namespace {

using share::Offset;
using share::SharePartition;
using Outcome = share::ShareCoordinator::Outcome;

constexpr std::string_view by_duration = "by_duration:";
// Of one partition at a time: they are in memory until they are sent.
constexpr std::uint64_t most_read_bytes = 1 << 20;

// What a client hears of what the share coordinator said.
Error as_told(const Outcome& outcome) {
    switch (outcome.error) {
        case ErrorCode::not_coordinator:
        case ErrorCode::coordinator_not_available:
        case ErrorCode::coordinator_load_in_progress:
            return {ErrorCode::coordinator_not_available, outcome.message};
        case ErrorCode::group_id_not_found:
        case ErrorCode::unknown_topic_or_partition:
            return {outcome.error, outcome.message};
        case ErrorCode::fenced_leader_epoch:
        case ErrorCode::fenced_state_epoch:
            return {ErrorCode::not_leader_or_follower, outcome.message};
        default:
            return {ErrorCode::unknown_server_error, outcome.message};
    }
}

// Somebody else has its state now, or nobody.
bool ends_it(ErrorCode code) {
    return code == ErrorCode::not_leader_or_follower || code == ErrorCode::group_id_not_found ||
           code == ErrorCode::unknown_topic_or_partition;
}

}  // namespace

LedShare::LedShare(const Parts& parts, share::ShareKey key, std::shared_ptr<Partition> partition)
    : parts_(parts),
      key_(std::move(key)),
      partition_(std::move(partition)),
      leader_epoch_(partition_->leader_epoch()) {}

// As they were when the cluster's metadata last changed.
const LedShare::Terms& LedShare::terms() {
    metadata::ImagePtr image = parts_.metadata.image();
    if (image == terms_.as_of) return terms_;
    auto config = config::GroupConfig::effective(
        parts_.config, image->configs_of(config::ResourceType::group, key_.group_id));
    bool committed = config.share_isolation_level() == "read_committed";
    terms_ = {
        .as_of = std::move(image),
        .limits = {.max_record_locks = config.share_partition_max_record_locks(),
                   .delivery_count_limit = config.share_delivery_count_limit(),
                   .lock_duration = Duration::milliseconds(config.share_record_lock_duration_ms()),
                   .renews = config.share_renew_acknowledge_enable()},
        .bound = committed ? FetchBound::last_stable : FetchBound::high_watermark,
        .reset = config.share_auto_offset_reset()};
    return terms_;
}

// Loading --------------------------------------------------------------------------------------

void LedShare::start() {
    parts_.scope.spawn([](std::shared_ptr<LedShare> self) -> Task<void> {
        co_await self->load();
    }(shared_from_this()));
}

Task<void> LedShare::load() {
    Time began = parts_.shard.now();
    auto read = co_await parts_.persister.read(key_, leader_epoch_);
    if (is_over()) co_return;
    if (read.outcome.error != ErrorCode::none) {
        Error error = as_told(read.outcome);
        co_return end(error.code, error.message);
    }
    Result<Offset> first = read.start_offset;
    if (read.start_offset == -1) first = co_await first_offset();
    if (is_over()) co_return;
    if (!first) co_return end(first.error().code, first.error().message);
    Result<SharePartition> restored = SharePartition::restore(*first, read.batches);
    if (!restored) {
        LOG_ERROR("share partition {} cannot be used: {}", key_.to_string(),
                  restored.error().message);
        co_return end(ErrorCode::unknown_server_error, restored.error().message);
    }
    share_ = *std::move(restored);
    state_epoch_ = read.state_epoch;
    state_ = ErrorCode::none;
    parts_.metrics.loaded(parts_.shard.now() - began);
    watch_figures();
    changed();
}

void LedShare::watch_figures() {
    figures_.emplace(parts_.metrics.registry(),
                     metrics::Labels{key_.group_id, topic(), std::to_string(key_.partition)});
    figures_->read_in_flight([this] { return static_cast<double>(share_->in_flight()); },
                             [this] { return static_cast<double>(share_->batches()); });
}

// Where share.auto.offset.reset says.
Task<Result<Offset>> LedShare::first_offset() {
    std::string reset = terms().reset;
    Timestamp timestamp = reset == "earliest" ? -2 : -1;
    if (reset.starts_with(by_duration)) {
        Duration back =
            client::parse_iso_duration(std::string_view(reset).substr(by_duration.size()));
        timestamp = std::max<Timestamp>(0, parts_.shard.wall_ms() - back.ms());
    }
    Partition::ListTerms wanted{.timestamp = timestamp, .current_leader_epoch = leader_epoch_};
    Partition::ListedOffset listed = co_await partition_->list_offset(wanted);
    if (listed.error == ErrorCode::none && listed.offset < 0) {
        // Nothing is so new.
        wanted.timestamp = -1;
        listed = co_await partition_->list_offset(wanted);
    }
    if (listed.error != ErrorCode::none) co_return fail(listed.error);
    co_return listed.offset;
}

void LedShare::end(ErrorCode why, std::string message) {
    if (is_over()) return;
    state_ = why;
    why_ = std::move(message);
    wake_.stop();
    figures_.reset();
    written_.notify_all();
    changed();
}

void LedShare::changed() {
    ++changes_;
    news_.notify();
    reschedule();
}

void LedShare::reschedule() {
    if (state_ != ErrorCode::none) return;
    Time wake = share_->wake_at();
    if (wake == Time::never()) {
        wake_.stop();
    } else if (!wake_.running() || wake_.when() != wake) {
        wake_.start(parts_.shard, wake);
    }
}

// Giving out -----------------------------------------------------------------------------------

FetchLine::Sight LedShare::sight() {
    return {.changes = changes_, .bound = partition_->end_for(terms().bound)};
}

Task<LedShare::Reading> LedShare::read(Wanted asked) {
    Reading reading{.error = state_};
    reading.seen.changes = changes_;
    members_.insert(std::move(asked.member_id));
    if (is_over()) co_return reading;
    line_.enter(asked.ticket);
    if (state_ != ErrorCode::none) co_return reading;
    reading.is_anothers = !line_.is_turn_of(asked.ticket, sight());
    if (reading.is_anothers) co_return reading;
    std::optional<Offset> offset = share_->fetch_offset(limits());
    if (!offset) co_return reading;
    figures_->turn_begins(asked.ticket, parts_.shard.now());
    reading.offset = *offset;
    FetchTerms wanted{.offset = *offset,
                      .max_bytes = std::min(asked.max_bytes, most_read_bytes),
                      .whole_first_batch = true,
                      .read_committed = terms().bound == FetchBound::last_stable};
    Fetched fetched = co_await partition_->fetch(wanted);
    if (fetched.is_remote) {
        reading.is_remote = !asked.remote;
        if (reading.is_remote) co_return reading;
        fetched = co_await partition_->fetch_remote(wanted, std::move(fetched));
    }
    if (is_over()) {
        reading.error = state_;
        co_return reading;
    }
    if (fetched.error == ErrorCode::offset_out_of_range) {
        co_await take_start();
        co_return reading;
    }
    reading.error = fetched.error;
    reading.seen.bound = fetched.bound;
    if (fetched.error != ErrorCode::none) co_return reading;
    Result<Slice> records = co_await in_memory(fetched.records);
    Result<> walked = records ? Result<>() : fail(records.error());
    if (walked) {
        reading.records = *std::move(records);
        walked = walk(reading.records.bytes(), fetched.aborted, reading.batches, reading.ends,
                      reading.aborted);
    }
    if (!walked) {
        LOG_ERROR("{} cannot be read for share group {}: {}", partition_->identity().to_string(),
                  key_.group_id, walked.error().message);
        reading.error = ErrorCode::kafka_storage_error;
    }
    co_return reading;
}

// The log begins later than what was to be read.
Task<void> LedShare::take_start() {
    Partition::ListedOffset listed = co_await partition_->list_offset({.timestamp = -2});
    if (listed.error != ErrorCode::none || state_ != ErrorCode::none) co_return;
    share_->move_start(listed.offset);
    changed();
}

LedShare::Acquired LedShare::acquire(const std::string& member_id, share::AcquireMode mode,
                                     std::int64_t batch_size, std::int64_t max_records,
                                     const Reading& reading) {
    Acquired result;
    if (state_ != ErrorCode::none || reading.batches.empty()) return result;
    result.acquired = share_->acquire({.member_id = member_id,
                                       .mode = mode,
                                       .batch_size = batch_size,
                                       .max_records = max_records,
                                       .fetch_offset = reading.offset,
                                       .batches = reading.batches,
                                       .aborted = reading.aborted},
                                      limits(), parts_.shard.now());
    reschedule();
    if (result.acquired.empty()) return result;
    figures_->given_out(result.acquired);
    Offset first = result.acquired.front().first;
    Offset last = result.acquired.back().last;
    for (const share::AcquiredRecords& each : result.acquired)
        result.count += each.last - each.first + 1;
    std::size_t begin = 0;
    std::size_t end = 0;
    for (std::size_t i = 0; i < reading.batches.size(); ++i) {
        if (reading.batches[i].last < first) begin = reading.ends[i];
        if (reading.batches[i].first <= last) end = reading.ends[i];
    }
    if (end > begin) result.records = reading.records.slice(begin, end - begin);
    return result;
}

void LedShare::leave(const FetchTicket& ticket) {
    if (line_.leave(ticket, sight())) news_.notify();
    if (figures_) figures_->turn_ends(ticket, parts_.shard.now());
}

void LedShare::rest(const FetchTicket& ticket, const Reading& reading) {
    std::optional<FetchLine::Sight> seen;
    if (!reading.is_anothers) seen = reading.seen;
    if (line_.rest(ticket, seen)) news_.notify();
    if (figures_) figures_->turn_ends(ticket, parts_.shard.now());
}

bool LedShare::has_news(const FetchTicket& ticket, const Reading& reading) {
    if (state_ != ErrorCode::none) return changes_ != reading.seen.changes;
    FetchLine::Sight now = sight();
    return (reading.is_anothers || reading.seen.is_before(now)) && line_.is_turn_of(ticket, now);
}

void LedShare::watch(const Reading& reading, std::vector<Arrivals*>& watched) {
    watched.push_back(&news_);
    if (reading.offset >= 0) watched.push_back(&partition_->arrivals(terms().bound));
}

// Acknowledging --------------------------------------------------------------------------------

Task<Result<>> LedShare::acknowledge(std::string member_id,
                                     std::vector<share::Acknowledgement> acknowledgements) {
    if (state_ != ErrorCode::none) co_return fail(state_, why_);
    ASSIGN_OR_CO_RETURN(
        SharePartition::Change change,
        share_->acknowledge(member_id, acknowledgements, limits(), parts_.shard.now()));
    Result<> written = co_await write(std::move(change));
    if (written) parts_.metrics.acknowledged(acknowledgements);
    co_return written;
}

Task<Result<>> LedShare::release(std::string member_id) {
    members_.erase(member_id);
    if (state_ == ErrorCode::none) {
        Result<> written = co_await write(share_->release(member_id, limits()));
        if (!written) co_return written;
    }
    // Where the group starts may be changed while nobody reads: it is looked up again then.
    if (members_.empty() && queue_.empty() && !writes_)
        end(ErrorCode::share_session_not_found, "The share group has no members here.");
    co_return Result<>{};
}

void LedShare::expire() {
    if (state_ != ErrorCode::none) return;
    SharePartition::Change change = share_->expire(limits(), parts_.shard.now());
    if (change.batches.empty()) return reschedule();
    std::uint64_t count = 0;
    for (const share::StateBatch& each : change.batches)
        count += static_cast<std::uint64_t>(each.last - each.first + 1);
    figures_->timed_out(count);
    parts_.scope.spawn(
        [](std::shared_ptr<LedShare> self, SharePartition::Change expired) -> Task<void> {
            Result<> written = co_await self->write(std::move(expired));
            if (!written)
                LOG_DEBUG("what was given back is not written: {}", written.error().message);
        }(shared_from_this(), std::move(change)));
    changed();
}

Task<Result<>> LedShare::write(SharePartition::Change change) {
    if (change.batches.empty()) {
        share_->settle(change.id, true, limits(), parts_.shard.now());
        reschedule();
        co_return Result<>{};
    }
    auto writing = std::make_shared<Writing>(Writing{.change = std::move(change), .outcome = {}});
    queue_.push_back(writing);
    reschedule();
    if (!writes_) {
        writes_ = true;
        parts_.scope.spawn([](std::shared_ptr<LedShare> self) -> Task<void> {
            co_await self->write_queued();
        }(shared_from_this()));
    }
    co_await written_.until([&] { return writing->done; });
    co_return std::move(writing->outcome);
}

// All that came while a write was under way goes with the next one.
Task<void> LedShare::write_queued() {
    while (!queue_.empty()) {
        std::deque<std::shared_ptr<Writing>> together = std::exchange(queue_, {});
        share::ShareCoordinator::Write what{
            .state_epoch = state_epoch_,
            .leader_epoch = leader_epoch_,
            .start_offset = share_->start_offset(),
            .delivery_complete_count = share_->delivery_complete_count(),
            .batches = {}};
        for (const auto& each : together)
            std::ranges::copy(each->change.batches, std::back_inserter(what.batches));
        Outcome outcome = co_await parts_.persister.write(key_, std::move(what));
        Result<> told;
        if (outcome.error != ErrorCode::none) told = fail(as_told(outcome));
        for (const auto& each : together) {
            share_->settle(each->change.id, told.has_value(), limits(), parts_.shard.now());
            each->outcome = told;
            each->done = true;
        }
        written_.notify_all();
        if (!told && ends_it(told.error().code)) end(told.error().code, told.error().message);
        changed();
    }
    writes_ = false;
    if (members_.empty())
        end(ErrorCode::share_session_not_found, "The share group has no members here.");
}

}  // namespace millrace::broker
