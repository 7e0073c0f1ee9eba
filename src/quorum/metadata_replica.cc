#include "quorum/metadata_replica.h"

#include <algorithm>
#include <fmt/format.h>
#include <utility>

#include "base/random.h"
#include "core/metadata/bootstrap.h"
#include "env/disk.h"
#include "env/shard.h"
#include "quorum/quorum_log.h"
#include "quorum/quorum_membership.h"
#include "quorum/quorum_state_file.h"
#include "quorum/snapshot_file.h"

namespace millrace::quorum {
namespace {

storage::LogOptions log_options(const config::BrokerConfig& config) {
    storage::LogOptions options;
    options.segment_bytes =
        config.internal_metadata_log_segment_bytes().value_or(config.metadata_log_segment_bytes());
    options.segment_ms = config.metadata_log_segment_ms();
    options.file_delete_delay_ms = config.internal_metadata_delete_delay_millis();
    return options;
}

MetadataLog::Options metadata_log_options(const config::BrokerConfig& config,
                                          const std::string& directory) {
    MetadataLog::Options options;
    options.directory = directory;
    options.log = log_options(config);
    options.static_voters = static_voters(config);
    options.retention_bytes = config.metadata_max_retention_bytes();
    options.retention_ms = config.metadata_max_retention_ms();
    return options;
}

}  // namespace

MetadataReplica::MetadataReplica(env::Shard& shard, const QuorumOptions& options,
                                 SharedStanding& standing)
    : shard_(shard),
      cluster_id_(options.cluster_id),
      self_{options.node_id, options.directory_id},
      directory_(options.directory),
      config_(options.config),
      clock_(options.clock),
      standing_(standing),
      image_(std::make_shared<const metadata::Image>()),
      scope_(shard) {}

Task<Result<>> MetadataReplica::open() {
    ASSIGN_OR_CO_RETURN(auto peers, Peers::make(shard_, scope_, cluster_id_, config_));
    peers_.emplace(std::move(peers));
    MetadataLog::Options options = metadata_log_options(config_, directory_);
    ASSIGN_OR_CO_RETURN(log_, co_await MetadataLog::open(shard_, health_, std::move(options)));
    ASSIGN_OR_CO_RETURN(LogContents contents, co_await log_->read());
    CO_RETURN_IF_ERROR(take_over(std::move(contents)));
    scope_.spawn(lead());
    scope_.spawn(follow());
    scope_.spawn(make_snapshots());
    scope_.spawn(remove_deleted());
    driver_->start(scope_);
    co_return Result<>{};
}

Result<> MetadataReplica::take_over(LogContents contents) {
    const raft::VoterSet& voters = contents.voters.current();
    RETURN_IF_ERROR(check_voters(config_, voters, self_, log_->path()));
    raft::Recovered recovered;
    ASSIGN_OR_RETURN(recovered.state, read_quorum_state());
    recovered.log = log_->facts();
    recovered.kraft_versions = contents.kraft_versions;
    standing_.kraft_version.store(contents.kraft_versions.current(), std::memory_order_relaxed);
    raft::Options options = raft_options(config_, self_, voters, shard_.network().host_name());
    recovered.voters = contents.voters;
    QuorumListener& listener = *this;
    raft::Raft raft(std::move(options), std::move(recovered), shard_.random().fork());
    driver_ =
        std::make_unique<RaftDriver>(shard_, *log_, *peers_, std::move(raft), listener, clock_);
    answers_.emplace(cluster_id_, *log_, *driver_, config_);
    image_ = contents.snapshot;
    last_snapshot_ = snapshot_made_ = shard_.now();
    if (log_->latest_snapshot().offset > 0) ++snapshots_loaded_;
    committed_.emplace(log_->log(), std::move(contents), log_->latest_snapshot().offset,
                       log_->log().end_offset());
    return {};
}

Result<raft::QuorumState> MetadataReplica::read_quorum_state() const {
    std::string path = log_->path_of(quorum_state_file);
    if (!shard_.disk().exists(path)) return raft::QuorumState{};
    ASSIGN_OR_RETURN(std::string text, env::read_file(shard_.disk(), path));
    return parse_quorum_state(text, path);
}

Task<Result<>> MetadataReplica::stop(Duration patience) {
    if (driver_ == nullptr) co_return Result<>{};
    if (!stopped_) {
        stopped_ = true;
        changed_.notify_all();
    }
    Cancellation& caller = co_await current_cancellation();
    Cancellation shield(caller.executor());
    co_await driver_->leave(patience).under(shield);
    co_await drain().under(shield);
    co_await scope_.close();
    controller_.reset();
    co_return co_await log_->log().close();
}

Task<void> MetadataReplica::drain() {
    while (visits_ > 0) co_await visit_ended_.wait();
}

// Of whoever visits.
Task<void> MetadataReplica::changed() {
    if (!stopped_) co_await changed_.wait();
    if (stopped_) throw Cancelled{};
}

Task<Error> MetadataReplica::failed() {
    Visit visit(*this);
    while (!failure_) co_await changed();
    co_return *failure_;
}

Task<metadata::ImagePtr> MetadataReplica::caught_up() {
    Visit visit(*this);
    while (!caught_up_) co_await changed();
    co_return image_;
}

Task<metadata::ImagePtr> MetadataReplica::image_after(std::int64_t offset) {
    Visit visit(*this);
    while (image_->offset <= offset) co_await changed();
    co_return image_;
}

Task<Result<std::int64_t>> MetadataReplica::commit(const Decide& decide) {
    Visit visit(*this);
    if (auto busy = controller_; busy != nullptr && !busy->has_room()) co_await busy->room();
    if (failure_) co_return fail(*failure_);
    std::shared_ptr<ActiveController> controller = controller_;
    if (controller == nullptr) {
        co_return fail(ErrorCode::not_controller,
                       fmt::format("node {} is not the active controller", self_.id));
    }
    ++operations_started_;
    ASSIGN_OR_CO_RETURN(std::int64_t offset, controller->propose(decide));
    CO_RETURN_IF_ERROR(co_await controller->committed(offset));
    co_return offset;
}

void MetadataReplica::leadership_changed(const raft::Leadership& leadership) {
    bool known = leadership.role == raft::Role::leader || leadership.role == raft::Role::follower;
    std::int32_t leader = known ? leadership.leader : raft::no_node;
    LOG_INFO("Metadata quorum: {} in epoch {}, led by {}", raft::to_string(leadership.role),
             leadership.epoch, leader);
    standing_.leader.store(leader, std::memory_order_relaxed);
    if (leader != raft::no_node &&
        std::exchange(elected_epoch_, leadership.epoch) < leadership.epoch)
        ++elections_;
    bool ended = leadership.role != raft::Role::leader || leadership.epoch != term_;
    if (ended && controller_ != nullptr) end_term();
    leadership_changed_.notify_all();
    changed_.notify_all();
}

void MetadataReplica::quorum_failed(const Error& error) {
    failure_ = error;
    standing_.leader.store(raft::no_node, std::memory_order_relaxed);
    if (controller_ != nullptr) controller_->end(error);
    changed_.notify_all();
}

void MetadataReplica::committed(std::int64_t high_watermark) {
    standing_.kraft_version.store(driver_->raft().kraft_version(), std::memory_order_relaxed);
    if (controller_ == nullptr) return progressed_.notify_all();
    if (auto published = controller_->advance(high_watermark)) publish(*std::move(published));
    if (caught_up_ || high_watermark < controller_->activation_end()) return;
    caught_up_ = true;
    changed_.notify_all();
}

std::vector<std::int32_t> MetadataReplica::voter_ids() const {
    std::vector<std::int32_t> ids;
    for (const raft::Voter& voter : driver_->raft().voters().voters()) ids.push_back(voter.key.id);
    return ids;
}

void MetadataReplica::voters_changed() {
    const raft::Raft& raft = driver_->raft();
    LOG_INFO("Metadata quorum: the voters are {}, at kraft.version {}",
             raft.voters().keys_spelled_out(), raft.kraft_version());
    standing_.kraft_version.store(raft.kraft_version(), std::memory_order_relaxed);
    if (controller_ != nullptr) controller_->set_voters(voter_ids(), raft.kraft_version());
}

void MetadataReplica::publish(Published published) {
    image_ = std::move(published.image);
    bytes_since_snapshot_ += published.bytes;
    last_timestamp_ = published.timestamp;
    changed_.notify_all();
    if (snapshot_due()) snapshot_due_.notify_all();
}

void MetadataReplica::snapshot_installed(const DownloadedSnapshot& snapshot) {
    LOG_INFO("{}: the leader's, {} bytes", log_->path_of(snapshot_name(snapshot.id)),
             snapshot.size);
    committed_->resume(snapshot.image, snapshot.id.offset);
    publish({snapshot.image, 0, snapshot.last_contained});
    ++snapshots_loaded_;
    bytes_since_snapshot_ = 0;
    last_snapshot_ = shard_.now();
    cleaned_.notify_all();
}

// Reads what others have decided, while nobody decides here.
Task<void> MetadataReplica::follow() {
    while (!failure_) {
        const raft::Raft& raft = driver_->raft();
        std::optional<std::int64_t> end = raft.high_watermark();
        if (controller_ == nullptr && !raft.is_leader() && end) {
            auto published = committed_->advance(*end);
            if (!published) co_return driver_->fail_with(published.error());
            if (*published) publish(**std::move(published));
            auto leaders = raft.leader_high_watermark();
            if (!caught_up_ && leaders && committed_->next() >= *leaders) {
                caught_up_ = true;
                changed_.notify_all();
            }
            if (committed_->next() < *end) {
                co_await env::sleep_for(shard_, Duration());  // others have their turn
                continue;
            }
        }
        co_await progressed_.wait();
    }
}

Task<void> MetadataReplica::lead() {
    for (;;) {
        while (!driver_->raft().is_leader() || driver_->raft().epoch() == term_)
            co_await leadership_changed_.wait();
        if (Result<> begun = begin_term(); !begun) co_return driver_->fail_with(begun.error());
        if (std::shared_ptr<ActiveController> controller = controller_)
            co_await controller->keep_time();
    }
}

// Decisions rest on all that is in the log, committed or not: it is committed with the first batch
// of this epoch.
Result<> MetadataReplica::begin_term() {
    const raft::Raft& raft = driver_->raft();
    term_ = raft.epoch();
    controller::Settings settings{cluster_id_, self_.id, config_, {}, 0, false};
    settings.quorum = voter_ids();
    bool alone = raft.voters().is_only(self_);
    settings.kraft_version = raft.kraft_version();
    settings.check_kraft_version = [this](std::int16_t level) {
        return driver_->raft().check_kraft_version(level);
    };
    settings.unstable_features = config_.unstable_feature_versions_enable();
    auto controller =
        std::make_shared<ActiveController>(shard_, *log_, *driver_, std::move(settings));
    ASSIGN_OR_RETURN(LogContents contents, committed_->contents_at(raft.progress().epoch_start()));
    RETURN_IF_ERROR(controller->load(std::move(contents)));
    ASSIGN_OR_RETURN(metadata::Records bootstrap, bootstrap_records());
    controller_ = controller;
    bool begins_process = !std::exchange(had_term_, true);
    RETURN_IF_ERROR(controller->activate(std::move(bootstrap), alone && begins_process));
    // The first batch of the epoch may be committed already.
    if (auto high_watermark = raft.high_watermark()) committed(*high_watermark);
    return {};
}

void MetadataReplica::end_term() {
    controller_->end({ErrorCode::not_controller,
                      fmt::format("node {} is not the active controller any more", self_.id)});
    controller_.reset();
    committed_->resume(image_, image_->offset + 1);
    progressed_.notify_all();
}

// What format has written, or the newest version where the directory was made without it.
Result<metadata::Records> MetadataReplica::bootstrap_records() const {
    std::string path = fmt::format("{}/{}", directory_, bootstrap_file);
    metadata::Records records;
    if (!shard_.disk().exists(path)) {
        metadata::FeatureLevels levels;
        levels.emplace(metadata::metadata_version_feature,
                       metadata::MetadataVersion::latest().level());
        return metadata::bootstrap_records(levels);
    }
    auto visit = [&](metadata::VersionedRecord record, std::int64_t) -> Result<> {
        records.push_back(std::move(record));
        return {};
    };
    RETURN_IF_ERROR(read_snapshot(shard_.disk(), path, visit));
    return records;
}

bool MetadataReplica::snapshot_due() const {
    if (bytes_since_snapshot_ == 0) return false;
    if (std::cmp_greater_equal(bytes_since_snapshot_,
                               config_.metadata_log_max_record_bytes_between_snapshots()))
        return true;
    auto interval = Duration::milliseconds(config_.metadata_log_max_snapshot_interval_ms());
    return interval > Duration() && shard_.now() - last_snapshot_ >= interval;
}

Task<void> MetadataReplica::make_snapshots() {
    for (;;) {
        while (!snapshot_due()) co_await snapshot_due_.wait();
        Result<> made = co_await make_snapshot();
        if (made) continue;
        if (made.error().code == ErrorCode::kafka_storage_error)
            co_return driver_->fail_with(made.error());
        ++failed_snapshots_;
        LOG_ERROR("No snapshot of the metadata: {}", made.error().message);
    }
}

Task<Result<>> MetadataReplica::make_snapshot() {
    metadata::ImagePtr image = image_;
    raft::OffsetAndEpoch id{image->offset + 1, image->epoch};
    SnapshotHead head;
    head.epoch = id.epoch;
    head.now = shard_.wall_ms();
    head.last_contained = last_timestamp_;
    const raft::Raft& raft = driver_->raft();
    head.facts = {raft.kraft_version_at(id.offset), raft.voters_at(id.offset)};
    head.max_batch_bytes =
        static_cast<std::size_t>(config_.internal_metadata_max_batch_size_in_bytes());
    bytes_since_snapshot_ = 0;
    last_snapshot_ = shard_.now();
    if (id.offset <= log_->latest_snapshot().offset) co_return Result<>{};
    Result<std::uint64_t> size;
    co_await env::blocking(shard_, [&, disk = &shard_.disk()] {
        size = write_snapshot(*disk, log_->path(), id, head, *image);
    });
    if (!size) co_return fail(std::move(size).error());
    LOG_INFO("{}: {} bytes", log_->path_of(snapshot_name(id)), *size);
    snapshot_bytes_ = *size;
    snapshot_made_ = shard_.now();
    log_->add_snapshot(id, *size, head.last_contained);
    driver_->snapshot_made();
    co_return clean_log();
}

Result<> MetadataReplica::clean_log() {
    ASSIGN_OR_RETURN(bool cleaned, log_->clean());
    if (!cleaned) return {};
    driver_->snapshot_made();
    cleaned_.notify_all();
    return {};
}

Task<void> MetadataReplica::remove_deleted() {
    for (;;) {
        std::optional<Timestamp> next = co_await log_->remove_deleted();
        if (!next) {
            co_await cleaned_.wait();
        } else {
            co_await env::sleep_for(shard_, Duration::milliseconds(*next - shard_.wall_ms()));
        }
    }
}

QuorumStatus MetadataReplica::status() const {
    const raft::Raft& raft = driver_->raft();
    QuorumStatus status;
    status.leader = standing_.leader.load(std::memory_order_relaxed);
    status.epoch = raft.epoch();
    status.high_watermark = raft.high_watermark().value_or(-1);
    status.voter_endpoints = raft.voters().voters();
    auto wall_of = [&](const std::optional<Time>& time) {
        return time ? shard_.wall_ms() - (shard_.now() - *time).ms() : Timestamp{-1};
    };
    auto describe = [&](const raft::ReplicaKey& key, const raft::Progress::Replica& replica) {
        QuorumStatus::Replica told{key, replica.end.value_or(-1), wall_of(replica.last_fetch),
                                   wall_of(replica.last_caught_up)};
        if (key.id == self_.id) {
            told.log_end = log_->log().end_offset();
            told.last_fetch = told.last_caught_up = shard_.wall_ms();
        }
        return told;
    };
    if (!raft.is_leader()) {
        for (const raft::Voter& voter : raft.voters().voters())
            status.voters.push_back(describe(voter.key, {}));
        return status;
    }
    for (const auto& [key, replica] : raft.progress().voters())
        status.voters.push_back(describe(key, replica));
    for (const auto& [key, replica] : driver_->observers())
        status.observers.push_back(describe(key, replica));
    return status;
}

QuorumFigures MetadataReplica::figures() const {
    const raft::Raft& raft = driver_->raft();
    const RaftFigures& measured = driver_->figures();
    Time now = shard_.now();
    QuorumFigures figures;
    bool stands = raft.is_leader() || raft.role() == raft::Role::candidate;
    figures.voted = stands ? self_.id : raft.state().voted.id;
    figures.log_end = raft.log().end;
    figures.log_end_epoch = raft.log().last_epoch();
    figures.voter_change_uncommitted = raft.is_leader() && raft.voters_uncommitted();
    figures.ignores_static_voters =
        !config_.static_voters().empty() && raft.kraft_version() >= raft::dynamic_voters;
    figures.append_rate = measured.append_rate(now);
    figures.fetch_rate = measured.fetch_rate(now);
    figures.commit_latency_average = measured.commit_latency().average(now);
    figures.commit_latency_max = measured.commit_latency().max(now);
    figures.election_latency_average = measured.election_latency().average(now);
    figures.election_latency_max = measured.election_latency().max(now);
    if (last_timestamp_ > 0) figures.last_applied = last_timestamp_;
    figures.elections = elections_;
    figures.failed_snapshots = failed_snapshots_;
    figures.operations_started = operations_started_;
    figures.unknown_voters = std::ranges::count_if(
        raft.voters().voters(),
        [&](const raft::Voter& voter) { return !voter.hears_on(config_.controller_listener()); });
    figures.idle = measured.idle(now);
    figures.snapshots_loaded = snapshots_loaded_;
    figures.snapshot_bytes = snapshot_bytes_;
    figures.snapshot_age = now - snapshot_made_;
    return figures;
}

std::optional<Duration> MetadataReplica::since_heartbeat(std::int32_t broker) const {
    if (controller_ == nullptr) return std::nullopt;
    auto heard = controller_->last_heard(broker);
    return heard ? std::optional(shard_.now() - *heard) : std::nullopt;
}

Task<void> MetadataReplica::leader_changed(std::int32_t from) {
    Visit visit(*this);
    while (standing_.leader.load(std::memory_order_relaxed) == from) co_await changed();
}

std::optional<env::Address> MetadataReplica::leader_address() const {
    const raft::Raft& raft = driver_->raft();
    if (raft.leader() < 0 || raft.role() != raft::Role::follower) return std::nullopt;
    for (const raft::Endpoint& each : raft.leader_endpoints()) {
        if (each.listener == config_.controller_listener())
            return env::Address{each.host, each.port};
    }
    return std::nullopt;
}

}  // namespace millrace::quorum
