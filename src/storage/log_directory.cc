#include "storage/log_directory.h"

#include <fmt/core.h>

#include "base/random.h"
#include "env/disk.h"
#include "env/shard.h"
#include "storage/checked_text.h"
#include "storage/file_names.h"
#include "storage/partition_metadata.h"
#include "storage/storage_log.h"
#include "storage/text_lines.h"

namespace millrace::storage {
namespace {

constexpr std::string_view lock_file = ".lock";
constexpr std::string_view meta_file = "meta.properties";
constexpr std::string_view clean_shutdown_file = ".kafka_cleanshutdown";
constexpr std::string_view no_failed_sync_file = ".millrace-no-failed-sync";
constexpr std::string_view metadata_directory = "__cluster_metadata-0";
constexpr std::size_t hex_digits = 32;

std::string_view file_of(CheckpointKind kind) {
    switch (kind) {
        case CheckpointKind::recovery_point:
            return "recovery-point-offset-checkpoint";
        case CheckpointKind::log_start:
            return "log-start-offset-checkpoint";
        case CheckpointKind::high_watermark:
            return "replication-offset-checkpoint";
        case CheckpointKind::cleaner:
            return "cleaner-offset-checkpoint";
    }
    check_failed("a kind of checkpoint", __FILE__, __LINE__);
}

// TOPIC-PARTITION.<32 hex>SUFFIX
bool take_suffix(std::string_view& name, std::string_view suffix) {
    if (!name.ends_with(suffix)) return false;
    std::string_view rest = name.substr(0, name.size() - suffix.size());
    std::size_t dot = rest.rfind('.');
    if (dot == std::string_view::npos || rest.size() - dot - 1 != hex_digits) return false;
    name = rest.substr(0, dot);
    return true;
}

std::optional<PartitionDirectory> parse_directory(const std::string& name) {
    PartitionDirectory directory;
    std::string_view rest = name;
    if (take_suffix(rest, "-delete")) {
        directory.kind = PartitionDirectoryKind::deleted;
    } else if (take_suffix(rest, "-future")) {
        directory.kind = PartitionDirectoryKind::future;
    } else if (take_suffix(rest, "-stray")) {
        directory.kind = PartitionDirectoryKind::stray;
    }
    auto partition = parse_partition_name(rest);
    if (!partition) return std::nullopt;
    directory.name = name;
    directory.partition = *std::move(partition);
    return directory;
}

std::string random_hex(Random& random) {
    return fmt::format("{:016x}{:016x}", random.next(), random.next());
}

// {"version":0,"brokerEpoch":2013}
std::optional<std::int64_t> parse_broker_epoch(std::string_view text) {
    constexpr std::string_view key = "\"brokerEpoch\":";
    std::size_t at = text.find(key);
    if (at == std::string_view::npos) return std::nullopt;
    text.remove_prefix(at + key.size());
    text = text.substr(0, text.find_first_of(",}"));
    return parse_number<std::int64_t>(text);
}

// With the names of those that were missing on stable storage: they hold all that is acknowledged.
// Each level is durable before the one below it is made.
Result<> make_durable_directories(env::Disk& disk, std::string_view path) {
    std::vector<std::string_view> missing;
    for (std::string_view each = path; !disk.exists(each); each = env::parent_of(each)) {
        missing.push_back(each);
    }
    for (auto level = missing.rbegin(); level != missing.rend(); ++level) {
        RETURN_IF_ERROR(disk.make_directories(*level));
        RETURN_IF_ERROR(disk.sync_directory(env::parent_of(*level)));
    }
    if (!missing.empty()) return {};
    // A process that was killed may have made it; what is above need not be readable.
    if (auto synced = disk.sync_directory(env::parent_of(path)); !synced) {
        LOG_WARN("{}", synced.error().message);
    }
    return {};
}

}  // namespace

LogDirectory::LogDirectory(env::Disk& disk, std::string path)
    : disk_(disk), path_(std::move(path)) {}

LogDirectory::~LogDirectory() = default;

Result<std::unique_ptr<LogDirectory>> LogDirectory::open(env::Disk& disk, std::string path) {
    std::unique_ptr<LogDirectory> directory(new LogDirectory(disk, std::move(path)));
    RETURN_IF_ERROR(make_durable_directories(disk, directory->path_));
    ASSIGN_OR_RETURN(directory->lock_, disk.lock(directory->path_of(lock_file)));
    std::string meta = directory->path_of(meta_file);
    if (disk.exists(meta)) {
        ASSIGN_OR_RETURN(std::string text, env::read_file(disk, meta));
        ASSIGN_OR_RETURN(directory->meta_, MetaProperties::parse(text, meta));
    }
    RETURN_IF_ERROR(directory->read_clean_shutdown());
    std::string no_failed_sync = directory->path_of(no_failed_sync_file);
    directory->pages_in_doubt_ = !disk.exists(no_failed_sync);
    directory->health_.before_failing([&disk, no_failed_sync] {
        if (!disk.exists(no_failed_sync)) return;
        if (auto gone = disk.remove(no_failed_sync); !gone) LOG_WARN("{}", gone.error().message);
    });
    return directory;
}

std::string LogDirectory::path_of(std::string_view name) const {
    return fmt::format("{}/{}", path_, name);
}

std::string LogDirectory::path_of(const PartitionName& partition) const {
    return path_of(partition.to_string());
}

Result<> LogDirectory::write_meta(const MetaProperties& meta, Timestamp now) {
    RETURN_IF_ERROR(env::replace_file(disk_, path_of(meta_file), meta.to_text(now)));
    meta_ = meta;
    return {};
}

Result<> LogDirectory::read_clean_shutdown() {
    std::string name = path_of(clean_shutdown_file);
    clean_shutdown_ = disk_.exists(name);
    if (!clean_shutdown_) return {};
    ASSIGN_OR_RETURN(std::string text, env::read_file(disk_, name));
    broker_epoch_ = parse_broker_epoch(text);
    return {};
}

Result<> LogDirectory::clear_clean_shutdown() {
    std::string name = path_of(clean_shutdown_file);
    bool clean = disk_.exists(name);
    if (clean) RETURN_IF_ERROR(disk_.remove(name));
    if (!health_.failed()) {
        RETURN_IF_ERROR(disk_.open(path_of(no_failed_sync_file), {.write = true, .create = true}));
    }
    return clean || pages_in_doubt_ ? disk_.sync_directory(path_) : Result<>{};
}

Result<> LogDirectory::mark_clean_shutdown(std::int64_t broker_epoch) {
    if (auto failure = health_.failure()) return fail(*std::move(failure));
    std::string no_failed_sync = path_of(no_failed_sync_file);
    if (disk_.exists(no_failed_sync)) RETURN_IF_ERROR(disk_.remove(no_failed_sync));
    return env::replace_file(disk_, path_of(clean_shutdown_file),
                             fmt::format("{{\"version\":0,\"brokerEpoch\":{}}}", broker_epoch));
}

// Nothing where a power cut came before the first sync, which leaves any part of the file.
Result<std::optional<Uuid>> LogDirectory::topic_id_in(const std::string& path) const {
    std::string metadata = fmt::format("{}/{}", path, metadata_file);
    if (!disk_.exists(metadata)) return std::nullopt;
    ASSIGN_OR_RETURN(std::string text, env::read_file(disk_, metadata));
    Result<Uuid> topic_id = parse_partition_metadata(text, metadata);
    if (topic_id) return *topic_id;
    LOG_WARN("{}; the directory is taken for that of the topic of its name",
             topic_id.error().message);
    return std::nullopt;
}

Result<std::vector<PartitionDirectory>> LogDirectory::partitions() const {
    ASSIGN_OR_RETURN(auto entries, disk_.list(path_));
    std::vector<PartitionDirectory> found;
    for (const env::DirectoryEntry& entry : entries) {
        if (!entry.is_directory || entry.name == metadata_directory) continue;
        auto directory = parse_directory(entry.name);
        if (!directory) continue;
        ASSIGN_OR_RETURN(directory->topic_id, topic_id_in(path_of(entry.name)));
        found.push_back(*std::move(directory));
    }
    return found;
}

Result<std::string> LogDirectory::create_partition(const PartitionName& partition,
                                                   const Uuid& topic_id) {
    return create(path_of(partition), topic_id);
}

Result<std::string> LogDirectory::create_future(const PartitionName& partition,
                                                const Uuid& topic_id, Random& random) {
    return create(path_of(renamed_directory(partition, random_hex(random), "-future")), topic_id);
}

Result<std::string> LogDirectory::create(std::string path, const Uuid& topic_id) {
    if (auto failure = health_.failure()) return fail(*std::move(failure));
    RETURN_IF_ERROR(disk_.make_directories(path));
    ASSIGN_OR_RETURN(std::optional<Uuid> known, topic_id_in(path));
    if (known != topic_id) RETURN_IF_ERROR(write_partition_metadata(path, topic_id));
    return path;
}

// The log syncs it together with its first records.
Result<> LogDirectory::write_partition_metadata(const std::string& path, const Uuid& topic_id) {
    std::string metadata = fmt::format("{}/{}", path, metadata_file);
    std::string temporary = metadata + ".tmp";
    ASSIGN_OR_RETURN(auto file,
                     disk_.open(temporary, {.write = true, .create = true, .truncate = true}));
    RETURN_IF_ERROR(file->write(0, as_bytes(partition_metadata_text(topic_id))));
    return disk_.rename(temporary, metadata);
}

Result<std::string> LogDirectory::set_aside(const std::string& path, const PartitionName& partition,
                                            std::string_view suffix, Random& random) {
    std::string to = path_of(renamed_directory(partition, random_hex(random), suffix));
    RETURN_IF_ERROR(disk_.rename(path, to));
    return to;
}

Result<> LogDirectory::sync(env::Disk& disk) const { return disk.sync_directory(path_); }

Result<std::string> LogDirectory::rename_deleted(const PartitionName& partition, Random& random) {
    ASSIGN_OR_RETURN(std::string path, set_aside(path_of(partition), partition, "-delete", random));
    RETURN_IF_ERROR(disk_.sync_directory(path_));
    return path;
}

Task<Result<>> LogDirectory::remove(env::Shard& shard, std::string name) {
    Result<> result;
    std::string path = path_of(name);
    co_await env::lasting(shard, [&] { result = disk_.remove_all(path); });
    co_return result;
}

Result<OffsetCheckpoint> LogDirectory::checkpoint(CheckpointKind kind) const {
    std::string path = path_of(file_of(kind));
    if (!disk_.exists(path)) return OffsetCheckpoint{};
    ASSIGN_OR_RETURN(CheckedText text, read_checked(disk_, path));
    auto checkpoint = parse_offset_checkpoint(text.text, path);
    if (checkpoint) return checkpoint;
    LOG_WARN("{}; the file is taken for empty", checkpoint.error().message);
    return OffsetCheckpoint{};
}

Task<Result<>> LogDirectory::write_checkpoint(env::Shard& shard, CheckpointKind kind,
                                              OffsetCheckpoint checkpoint) {
    Result<> result;
    co_await env::blocking(shard, [&] { result = write_checkpoint_now(kind, checkpoint); });
    if (!result) health_.fail(result.error());
    co_return result;
}

Result<> LogDirectory::write_checkpoint_now(CheckpointKind kind,
                                            const OffsetCheckpoint& checkpoint) {
    if (auto failure = health_.failure()) return fail(*std::move(failure));
    return replace_checked(disk_, path_of(file_of(kind)), to_text(checkpoint));
}

}  // namespace millrace::storage
