#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/task.h"
#include "base/time.h"
#include "base/uuid.h"
#include "storage/checkpoint_file.h"
#include "storage/directory_health.h"
#include "storage/meta_properties.h"

namespace millrace {
class Random;
}
namespace millrace::env {
class Disk;
class FileLock;
class Shard;
}  // namespace millrace::env

namespace millrace::storage {

enum class PartitionDirectoryKind { live, future, deleted, stray };

// A directory below a log directory (formats 1.3).
struct PartitionDirectory {
    std::string name;  // as on disk
    PartitionName partition;
    PartitionDirectoryKind kind = PartitionDirectoryKind::live;
    std::optional<Uuid> topic_id;  // of partition.metadata
};

enum class CheckpointKind { recovery_point, log_start, high_watermark, cleaner };

// One entry of log.dirs, held by its lock while this object lives. Belongs to one shard but for
// health(), path() and the constants read at open.
class LogDirectory {
  public:
    // Makes the directory when missing and locks it. duplicate_broker_registration: another
    // process holds it; kafka_storage_error: its files are unreadable.
    static Result<std::unique_ptr<LogDirectory>> open(env::Disk& disk, std::string path);
    ~LogDirectory();

    const std::string& path() const { return path_; }
    std::string path_of(std::string_view name) const;
    std::string path_of(const PartitionName& partition) const;
    DirectoryHealth& health() { return health_; }

    // Nothing when the directory is not formatted.
    const std::optional<MetaProperties>& meta() const { return meta_; }
    Result<> write_meta(const MetaProperties& meta, Timestamp now);

    // Whether .kafka_cleanshutdown was there at open; its broker epoch, when it holds one.
    bool clean_shutdown() const { return clean_shutdown_; }
    std::optional<std::int64_t> broker_epoch() const { return broker_epoch_; }
    // Whether a sync may have failed since the file system was mounted (LogOrigin). A file says
    // that none has; it goes with the first failure and with a clean shutdown. It need not be on
    // stable storage: with the power the pages in question are gone, too.
    bool pages_in_doubt() const { return pages_in_doubt_; }
    // Once all logs are open: from now on an end without mark_clean_shutdown() is unclean, and
    // pages are in doubt only after a failure.
    Result<> clear_clean_shutdown();
    // After every log of the directory was closed without an error.
    Result<> mark_clean_shutdown(std::int64_t broker_epoch);

    // Sorted by name, without the metadata partition's directory and what is no partition.
    Result<std::vector<PartitionDirectory>> partitions() const;
    // Makes the directory of a new partition with its partition.metadata.
    Result<std::string> create_partition(const PartitionName& partition, const Uuid& topic_id);
    // The same of a copy that is to become the partition's log (T-P.<hex>-future).
    Result<std::string> create_future(const PartitionName& partition, const Uuid& topic_id,
                                      Random& random);
    // Writes whose the directory is, where that is known from elsewhere.
    Result<> write_partition_metadata(const std::string& path, const Uuid& topic_id);
    // Renames the directory of a partition whose log is abandoned; returns the new path.
    Result<std::string> rename_deleted(const PartitionName& partition, Random& random);
    // Gives a directory below this one the partition's name with a new hex part and `suffix`;
    // durable only after sync(). Returns the new path.
    Result<std::string> set_aside(const std::string& path, const PartitionName& partition,
                                  std::string_view suffix, Random& random);
    // Makes the names below it durable. Blocking, from any thread.
    Result<> sync(env::Disk& disk) const;
    // Wipes a renamed directory, on a helper thread.
    Task<Result<>> remove(env::Shard& shard, std::string name);

    // A missing, empty or garbled file has no entries: more is recovered then than was needed.
    Result<OffsetCheckpoint> checkpoint(CheckpointKind kind) const;
    // Replaces the file, on a helper thread. One at a time of each kind.
    Task<Result<>> write_checkpoint(env::Shard& shard, CheckpointKind kind,
                                    OffsetCheckpoint checkpoint);
    Result<> write_checkpoint_now(CheckpointKind kind, const OffsetCheckpoint& checkpoint);

  private:
    LogDirectory(env::Disk& disk, std::string path);
    Result<> read_clean_shutdown();
    Result<std::optional<Uuid>> topic_id_in(const std::string& path) const;
    Result<std::string> create(std::string path, const Uuid& topic_id);

    env::Disk& disk_;
    std::string path_;
    DirectoryHealth health_;
    std::unique_ptr<env::FileLock> lock_;
    std::optional<MetaProperties> meta_;
    bool clean_shutdown_ = false;
    bool pages_in_doubt_ = true;
    std::optional<std::int64_t> broker_epoch_;
};

}  // namespace millrace::storage
