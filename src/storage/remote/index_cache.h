#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/condition.h"
#include "base/result.h"
#include "base/task.h"
#include "base/time.h"
#include "storage/remote/cached_indexes.h"
#include "storage/remote/object_store.h"

namespace millrace::env {
class Disk;
class Shard;
}  // namespace millrace::env

namespace millrace::storage::remote {

struct IndexCacheOptions {
    std::string directory;           // remote-log-index-cache in a log directory
    std::uint64_t most_bytes = 0;    // remote.log.index.file.cache.total.size.bytes
    Duration ttl = Duration::max();  // remote.log.index.file.cache.ttl.ms
};

// Indexes of remote segments as files here, fetched when they are first asked for. What was not
// used for the longest time goes when there are too many bytes, and what was not used for ttl.
// What is in use stays. Lives on one shard; files are touched by helper threads.
class IndexCache {
    struct Entry;

  public:
    static constexpr std::string_view directory_name = "remote-log-index-cache";

    IndexCache(env::Shard& shard, ObjectStore& store, IndexCacheOptions options);
    IndexCache(const IndexCache&) = delete;
    ~IndexCache();  // when no lease is left and no task waits in it

    // Takes over what is there from before, makes the directory when it is missing, and removes
    // what is not whole. Before anything else.
    Task<Result<>> open();

    // Holds the indexes of a segment; they stay until it goes. For use and destruction on the
    // cache's shard, but indexes() on a helper thread.
    class Lease {
      public:
        Lease() = default;
        Lease(Lease&& other) noexcept
            : cache_(std::exchange(other.cache_, nullptr)),
              entry_(std::exchange(other.entry_, nullptr)) {}
        Lease& operator=(Lease&& other) noexcept {
            std::swap(cache_, other.cache_);
            std::swap(entry_, other.entry_);
            return *this;
        }
        ~Lease();
        CachedIndexes& indexes() const;
        // They turned out to be wrong: whoever asks next fetches them anew.
        void distrust();

      private:
        friend class IndexCache;
        Lease(IndexCache& cache, Entry& entry);
        IndexCache* cache_ = nullptr;
        Entry* entry_ = nullptr;
    };
    // Errors of fetch_indexes(), and kafka_storage_error when they cannot be written. Those who ask
    // at the same time share one fetch.
    Task<Result<Lease>> acquire(const RemoteLogSegment& segment);

    void resize(std::uint64_t most_bytes) { options_.most_bytes = most_bytes; }
    // The segment is gone from remote storage.
    void forget(const Uuid& segment);
    // Removes what is too much, too old or forgotten. For now and then, and after resize().
    Task<void> sweep();

    std::uint64_t bytes() const { return bytes_; }
    std::size_t count() const { return entries_.size(); }
    std::uint64_t fetches() const { return fetches_; }

  private:
    struct Found {
        std::vector<std::pair<CachedIndexName, std::uint64_t>> whole;  // with their bytes
    };
    static Result<Found> look_through(env::Disk& disk, const std::string& directory);

    Task<Result<>> fetch(Entry& entry, const RemoteLogSegment& segment);
    Entry& add(std::unique_ptr<Entry> entry);
    void mark_those_to_leave();

    env::Shard& shard_;
    ObjectStore& store_;
    IndexCacheOptions options_;
    std::map<Uuid, std::unique_ptr<Entry>> entries_;
    std::list<Entry*> by_use_;  // the latest first
    Condition changed_;         // an entry became ready, failed, or left
    std::uint64_t bytes_ = 0;
    std::uint64_t fetches_ = 0;
};

}  // namespace millrace::storage::remote
