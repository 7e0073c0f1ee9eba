#include "quorum/metadata_log.h"

#include <algorithm>
#include <fmt/format.h>
#include <set>
#include <utility>

#include "core/metadata/replay.h"
#include "env/disk.h"
#include "env/shard.h"
#include "quorum/durable_directory.h"
#include "quorum/log_reader.h"
#include "quorum/quorum_log.h"
#include "quorum/snapshot_download.h"
#include "storage/file_names.h"
#include "storage/partition_metadata.h"

namespace millrace::quorum {
namespace {

constexpr std::string_view partition_directory = "__cluster_metadata-0";

}  // namespace

MetadataLog::MetadataLog(env::Shard& shard, Options options)
    : shard_(shard),
      options_(std::move(options)),
      path_(fmt::format("{}/{}", options_.directory, partition_directory)) {}

std::string MetadataLog::path_of(std::string_view name) const {
    return fmt::format("{}/{}", path_, name);
}

Task<Result<std::unique_ptr<MetadataLog>>> MetadataLog::open(env::Shard& shard,
                                                             storage::DirectoryHealth& health,
                                                             Options options) {
    std::unique_ptr<MetadataLog> opened(new MetadataLog(shard, std::move(options)));
    Result<> prepared;
    co_await env::blocking(shard, [&] {
        prepared = opened->prepare_directory();
        if (prepared) prepared = opened->find_snapshots();
    });
    if (!prepared) co_return fail(std::move(prepared).error());
    storage::LogOrigin origin;
    origin.path = opened->path_;
    // What the latest snapshot covers was synced before it.
    origin.recovery_point = opened->latest_snapshot().offset;
    origin.options = opened->options_.log;
    ASSIGN_OR_CO_RETURN(opened->log_, co_await storage::Log::open(shard, health, origin));
    CO_RETURN_IF_ERROR(opened->match_log_with_snapshots());
    CO_RETURN_IF_ERROR(co_await opened->log_->durable(opened->log_->end_offset()));
    co_return std::move(opened);
}

Result<> MetadataLog::prepare_directory() {
    env::Disk& disk = shard_.disk();
    RETURN_IF_ERROR(make_durable_directory(disk, path_));
    std::string metadata = path_of(storage::metadata_file);
    if (!disk.exists(metadata)) {
        return env::replace_file(disk, metadata,
                                 storage::partition_metadata_text(metadata_topic_id));
    }
    return {};
}

Result<> MetadataLog::find_snapshots() {
    env::Disk& disk = shard_.disk();
    ASSIGN_OR_RETURN(auto entries, disk.list(path_));
    for (const env::DirectoryEntry& entry : entries) {
        auto name = parse_snapshot_name(entry.name);
        if (!name || entry.is_directory) continue;
        std::string path = path_of(entry.name);
        if (name->kind != SnapshotName::Kind::whole) {
            RETURN_IF_ERROR(disk.remove(path));
            continue;
        }
        ASSIGN_OR_RETURN(SnapshotContents head, read_snapshot_head(disk, path));
        snapshots_[name->id] = {entry.size, head.last_contained};
    }
    return {};
}

Result<> MetadataLog::match_log_with_snapshots() {
    raft::OffsetAndEpoch latest = latest_snapshot();
    auto last_epoch = log_->epochs().latest();
    bool behind = latest.offset > log_->end_offset() ||
                  (latest.offset > 0 && last_epoch && latest.epoch > last_epoch->epoch);
    if (behind) {
        LOG_INFO("{} ends at {}, before its latest snapshot {}: it begins anew there", path_,
                 log_->end_offset(), snapshot_name(latest));
        RETURN_IF_ERROR(log_->truncate_fully(latest.offset));
    }
    if (log_->start_offset() > latest.offset) {
        return fail(ErrorCode::kafka_storage_error,
                    fmt::format("{} begins at offset {}, and no snapshot holds what was before: "
                                "restore the snapshots that were beside it",
                                path_, log_->start_offset()));
    }
    while (!snapshots_.empty() && snapshots_.begin()->first.offset < log_->start_offset())
        RETURN_IF_ERROR(doom(snapshots_.begin()));
    return {};
}

raft::LogFacts MetadataLog::facts() const {
    raft::LogFacts facts;
    facts.start = log_->start_offset();
    facts.end = log_->end_offset();
    for (const storage::EpochStart& entry : log_->epochs().entries())
        facts.epochs.assign(entry.epoch, entry.start_offset);
    if (!snapshots_.empty()) {
        facts.earliest_snapshot = snapshots_.begin()->first;
        facts.latest_snapshot = snapshots_.rbegin()->first;
    }
    return facts;
}

Task<Result<LogContents>> MetadataLog::read() {
    Result<LogContents> contents;
    co_await env::blocking(shard_, [&] { contents = read_now(); });
    co_return contents;
}

Result<LogContents> MetadataLog::read_now() {
    LogContents contents;
    contents.voters = raft::VoterHistory(options_.static_voters);
    raft::OffsetAndEpoch latest = latest_snapshot();
    metadata::Replay replay;
    if (!snapshots_.empty()) {
        auto visit = [&](const metadata::VersionedRecord& record, std::int64_t) {
            return replay.apply(record, latest.offset - 1, latest.epoch);
        };
        ASSIGN_OR_RETURN(SnapshotContents head,
                         read_snapshot(shard_.disk(), path_of(snapshot_name(latest)), visit));
        contents.kraft_versions.add(latest.offset - 1, head.facts.kraft_version);
        contents.last_timestamp = head.last_contained;
        if (head.facts.voters)
            contents.voters.add(latest.offset - 1, *std::move(head.facts.voters));
    }
    contents.snapshot = contents.image = replay.image();
    LogReader reader(*log_, latest.offset, contents);
    RETURN_IF_ERROR(reader.read_to(log_->end_offset()));
    return contents;
}

raft::OffsetAndEpoch MetadataLog::latest_snapshot() const {
    return snapshots_.empty() ? raft::OffsetAndEpoch{} : snapshots_.rbegin()->first;
}

void MetadataLog::add_snapshot(const raft::OffsetAndEpoch& id, std::uint64_t size,
                               Timestamp last_contained) {
    snapshots_[id] = {size, last_contained};
}

raft::SnapshotMade MetadataLog::snapshot_made() const {
    return {snapshots_.begin()->first, snapshots_.rbegin()->first, log_->start_offset()};
}

Result<MetadataLog::SnapshotFile> MetadataLog::open_snapshot(const raft::OffsetAndEpoch& id) const {
    auto found = snapshots_.find(id);
    if (found == snapshots_.end() || id == raft::OffsetAndEpoch{}) {
        return fail(ErrorCode::resource_not_found,
                    fmt::format("there is no snapshot {}", snapshot_name(id)));
    }
    ASSIGN_OR_RETURN(auto file, shard_.disk().open(path_of(snapshot_name(id)), {}));
    return SnapshotFile{std::move(file), found->second.size};
}

Result<> MetadataLog::begin_at_snapshot(const DownloadedSnapshot& snapshot) {
    RETURN_IF_ERROR(log_->truncate_fully(snapshot.id.offset));
    while (!snapshots_.empty() && snapshots_.begin()->first < snapshot.id)
        RETURN_IF_ERROR(doom(snapshots_.begin()));
    add_snapshot(snapshot.id, snapshot.size, snapshot.last_contained);
    return {};
}

bool MetadataLog::breaches_retention(const Snapshot& oldest, std::uint64_t total) const {
    if (options_.retention_bytes >= 0 && std::cmp_greater(total, options_.retention_bytes))
        return true;
    return options_.retention_ms >= 0 &&
           shard_.wall_ms() - oldest.last_contained > options_.retention_ms;
}

Result<bool> MetadataLog::clean() {
    bool cleaned = false;
    while (snapshots_.size() > 1) {
        std::uint64_t total = log_->size();
        for (const auto& [id, snapshot] : snapshots_) total += snapshot.size;
        if (!breaches_retention(snapshots_.begin()->second, total)) break;
        storage::Offset start = std::next(snapshots_.begin())->first.offset;
        RETURN_IF_ERROR(log_->advance_start(start));
        RETURN_IF_ERROR(log_->remove_below(start));
        RETURN_IF_ERROR(doom(snapshots_.begin()));
        cleaned = true;
    }
    return cleaned;
}

Result<> MetadataLog::doom(Snapshots::iterator snapshot) {
    std::string path = path_of(snapshot_name(snapshot->first));
    std::string doomed = path + std::string(storage::deleted_suffix);
    RETURN_IF_ERROR(shard_.disk().rename(path, doomed));
    doomed_.push_back({shard_.wall_ms() + options_.log.file_delete_delay_ms, std::move(doomed)});
    snapshots_.erase(snapshot);
    return {};
}

Task<std::optional<Timestamp>> MetadataLog::remove_deleted() {
    std::optional<Timestamp> next = co_await log_->remove_deleted();
    Timestamp now = shard_.wall_ms();
    std::erase_if(doomed_, [&](const Doomed& doomed) {
        if (doomed.due > now) {
            next = std::min(next.value_or(doomed.due), doomed.due);
            return false;
        }
        if (auto removed = shard_.disk().remove(doomed.path); !removed)
            LOG_WARN("A deleted snapshot stays: {}", removed.error().message);
        return true;
    });
    co_return next;
}

}  // namespace millrace::quorum
