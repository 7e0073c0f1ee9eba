#include "broker/replica_moves.h"

#include <algorithm>
#include <fmt/core.h>

#include "broker/log.h"
#include "config/broker_config.h"

namespace millrace::broker {

using storage::LogDirectory;

namespace {

constexpr std::size_t longest_directory_name = 255;
// "-future" and 32 hex digits behind a dot.
constexpr std::size_t future_suffix = 40;

std::string name_of(const std::string& path) { return path.substr(path.rfind('/') + 1); }

}  // namespace

struct ReplicaMoves::Move {
    LogDirectory& to;
    bool told = false;  // the controller has recorded where the replica will be
    bool done = false;  // the copy is the replica's log
    Cancellation* running = nullptr;
};

ReplicaMoves::ReplicaMoves(env::Shard& shard, LogDirectories& directories,
                           const config::BrokerConfig& config)
    : shard_(shard),
      directories_(directories),
      config_(config),
      quota_(config.alter_log_dirs_replication_quota_window_num(),
             Duration::seconds(config.alter_log_dirs_replication_quota_window_size_seconds())),
      scope_(shard) {}

ReplicaMoves::~ReplicaMoves() = default;

Task<void> ReplicaMoves::start(Parts parts) {
    parts_ = std::make_unique<Parts>(parts);
    for (MetadataPublisher::Future& found : parts_->publisher.take_futures()) {
        LogDirectory& to = *found.found.directory;
        Result<> opened = co_await open_future(found.id, to, std::move(found.found.origin));
        if (opened) {
            follow(found.id, to);
        } else {
            LOG_WARN("a move into {} cannot go on: {}", to.path(), opened.error().message);
        }
    }
}

Task<void> ReplicaMoves::stop() {
    co_await scope_.close();
    parts_.reset();
}

bool ReplicaMoves::is_moving_to(const TopicIdPartition& id, const Uuid& directory) const {
    auto found = moves_.find(id);
    return found != moves_.end() && found->second->to.meta()->directory_id == directory;
}

// Asking ---------------------------------------------------------------------------------------

Result<LogDirectory*> ReplicaMoves::destination(const storage::PartitionName& name,
                                                const std::string& path) {
    if (name.to_string().size() + future_suffix > longest_directory_name) {
        return fail(ErrorCode::invalid_topic_exception);
    }
    const auto& paths = config_.log_directories();
    if (std::ranges::find(paths, path) == paths.end()) {
        return fail(ErrorCode::log_dir_not_found);
    }
    if (!directories_.is_online(path)) return fail(ErrorCode::kafka_storage_error);
    if (is_cordoned(config_, path)) return fail(ErrorCode::invalid_replica_assignment);
    return directories_.find(path);
}

Task<ErrorCode> ReplicaMoves::alter(std::string topic, std::int32_t partition, std::string path) {
    co_await changed_.until([this] { return !altering_; });
    if (!parts_) co_return ErrorCode::replica_not_available;
    struct Altering {
        explicit Altering(ReplicaMoves& m) : moves(m) { moves.altering_ = true; }
        Altering(const Altering&) = delete;
        ~Altering() {
            moves.altering_ = false;
            moves.changed_.notify_all();
        }
        ReplicaMoves& moves;
    } altering(*this);
    storage::PartitionName name{std::move(topic), partition};
    auto to = destination(name, path);
    if (!to) co_return to.error().code;
    const metadata::Topic* known =
        parts_->metadata.image()->topics.find(std::string_view(name.topic));
    if (known == nullptr || known->partition(partition) == nullptr) {
        directories_.prefer(name, **to);
        co_return ErrorCode::unknown_topic_or_partition;
    }
    co_return co_await begin({known->id, partition}, std::move(name), **to);
}

Task<ErrorCode> ReplicaMoves::begin(TopicIdPartition id, storage::PartitionName name,
                                    LogDirectory& to) {
    if (!parts_->publisher.hosts(id)) {
        directories_.prefer(name, to);
        co_return ErrorCode::replica_not_available;
    }
    auto found = moves_.find(id);
    if (found != moves_.end() && &found->second->to != &to) co_await cancel(id);
    LogDirectory* from = parts_->publisher.placement(id);
    if (from == nullptr || from->health().failed()) co_return ErrorCode::kafka_storage_error;
    if (from == &to || moves_.contains(id)) co_return ErrorCode::none;
    // A copy may lie in the directory that is offline.
    if (directories_.offline_count() > 0) co_return ErrorCode::kafka_storage_error;
    // An old entry of a checkpoint must not be taken for the copy's after a crash.
    Result<> written = co_await parts_->checkpoints.write_all();
    if (!written) co_return written.error().code;
    auto made = to.create_future(name, id.topic_id, shard_.random());
    Result<> opened = fail(ErrorCode::kafka_storage_error);
    if (made) {
        opened = co_await open_future(id, to, {.path = *made, .pages_in_doubt = false});
    } else {
        to.health().fail(made.error());
    }
    if (!opened) {
        if (made && !to.health().failed()) {
            Result<> gone = co_await to.remove(shard_, name_of(*made));
            if (!gone) LOG_WARN("{}", gone.error().message);
        }
        co_return ErrorCode::kafka_storage_error;
    }
    LOG_INFO("{} begins to move from {} to {}", name.to_string(), from->path(), to.path());
    follow(id, to);
    co_return ErrorCode::none;
}

Task<Result<>> ReplicaMoves::open_future(TopicIdPartition id, LogDirectory& to,
                                         storage::LogOrigin origin) {
    PartitionRouter& router = parts_->router;
    co_return co_await router.on(router.owner(id), [&](Partitions& partitions) {
        return partitions.add_future(id, to, std::move(origin));
    });
}

Task<void> ReplicaMoves::cancel(TopicIdPartition id) {
    auto found = moves_.find(id);
    if (found == moves_.end()) co_return;
    const auto& version = parts_->metadata.image()->features.metadata_version;
    bool told = found->second->told && version && version->supports_directories();
    if (found->second->running != nullptr) found->second->running->request();
    co_await changed_.until([&] { return !moves_.contains(id); });
    PartitionRouter& router = parts_->router;
    co_await router.on(router.owner(id),
                       [&](Partitions& partitions) { return partitions.drop_future(id); });
    LogDirectory* lies_in = parts_->publisher.placement(id);
    if (told && lies_in != nullptr) {
        parts_->assignments.assign(id, *lies_in->meta()->directory_id);
    }
}

// Moving ---------------------------------------------------------------------------------------

void ReplicaMoves::follow(TopicIdPartition id, LogDirectory& to) {
    directories_.count(to, 1);
    moves_[id] = std::make_unique<Move>(Move{.to = to});
    scope_.spawn(run(id));
}

Task<void> ReplicaMoves::run(TopicIdPartition id) {
    Move& move = *moves_.at(id);
    Cancellation& whole = co_await current_cancellation();
    Cancellation cancellation(whole);
    move.running = &cancellation;
    try {
        co_await carry_out(id, move).under(cancellation);
    } catch (const Cancelled&) {
        if (whole.requested()) throw;
    }
    if (!move.done) directories_.count(move.to, -1);
    moves_.erase(id);
    changed_.notify_all();
}

// Ends when the copy has taken the log's place, or there is nothing to move any more.
Task<void> ReplicaMoves::carry_out(TopicIdPartition id, Move& move) {
    using State = FutureProgress::State;
    Duration backoff = Duration::milliseconds(config_.replica_fetch_backoff_ms());
    for (;;) {
        FutureProgress progress = co_await advance(id, move.told);
        if (progress.state == State::gone) co_return;
        if (progress.state == State::switched) {
            move.done = true;
            parts_->publisher.moved(id, move.to);
            scope_.spawn(write_checkpoints());
            co_return;
        }
        if (!progress.status) {
            LOG_WARN("a move into {} is held up: {}", move.to.path(),
                     progress.status.error().message);
            co_await env::sleep_for(shard_, backoff);
        } else if (progress.state == State::near && !move.told) {
            co_await tell_controller(id, move);
            co_await write_checkpoints();  // where the log begins that is about to be there
        }
    }
}

// One step, of no more moves at once than num.replica.alter.log.dirs.threads.
Task<FutureProgress> ReplicaMoves::advance(TopicIdPartition id, bool may_switch) {
    int most = config_.num_replica_alter_log_dirs_threads().value_or(
        static_cast<std::int32_t>(config_.log_directories().size()));
    auto limit = [&] { return config_.replica_alter_log_dirs_io_max_bytes_per_second(); };
    for (;;) {
        Duration wait = quota_.wait(limit(), shard_.now());
        if (wait <= Duration()) break;
        // In pieces, as the limit may be changed.
        co_await env::sleep_for(shard_, std::min(wait, Duration::seconds(1)));
    }
    co_await changed_.until([&] { return copying_ < most; });
    struct Copying {
        explicit Copying(ReplicaMoves& m) : moves(m) { ++moves.copying_; }
        Copying(const Copying&) = delete;
        ~Copying() {
            --moves.copying_;
            moves.changed_.notify_all();
        }
        ReplicaMoves& moves;
    } copying(*this);
    PartitionRouter& router = parts_->router;
    FutureProgress progress = co_await router.on(router.owner(id), [&](Partitions& partitions) {
        return partitions.advance_future(id, may_switch);
    });
    if (progress.bytes > 0) quota_.record(progress.bytes, shard_.now());
    co_return progress;
}

// A directory that fails takes the replicas along that the controller believes to be there: so it
// has to know before the log is there.
Task<void> ReplicaMoves::tell_controller(TopicIdPartition id, Move& move) {
    const auto& version = parts_->metadata.image()->features.metadata_version;
    if (version && !version->supports_directories()) {
        move.told = true;  // it knows of no directories
        co_return;
    }
    const Uuid& directory = *move.to.meta()->directory_id;
    move.told = true;  // or about to be: a cancellation takes it back
    bool recorded = co_await parts_->assignments.assigned(id, directory);
    move.told = recorded;
}

Task<void> ReplicaMoves::write_checkpoints() {
    Result<> written = co_await parts_->checkpoints.write_all();
    if (!written) LOG_ERROR("{}", written.error().message);
}

}  // namespace millrace::broker
