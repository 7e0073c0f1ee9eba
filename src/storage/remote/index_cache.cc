#include "storage/remote/index_cache.h"

#include <algorithm>
#include <fmt/core.h>

#include "env/disk.h"
#include "env/shard.h"
#include "storage/storage_log.h"

namespace millrace::storage::remote {

struct IndexCache::Entry {
    Entry(env::Disk& disk, const std::string& directory, Offset start, const Uuid& segment)
        : id(segment), files(disk, directory, start, segment) {}

    bool may_be_removed() const { return leaves && users == 0 && !removing; }

    Uuid id;
    CachedIndexes files;
    std::uint64_t bytes = 0;
    int users = 0;
    bool ready = false;     // the files are there
    bool leaves = false;    // nobody gets it any more
    bool removing = false;  // a helper thread removes its files
    Time used;
    std::list<Entry*>::iterator place;
    // Why it could not be fetched; shared with those who waited for it.
    std::shared_ptr<std::optional<Error>> failure = std::make_shared<std::optional<Error>>();
};

IndexCache::Lease::Lease(IndexCache& cache, Entry& entry) : cache_(&cache), entry_(&entry) {
    ++entry.users;
}

IndexCache::Lease::~Lease() {
    if (entry_ == nullptr) return;
    --entry_->users;
    if (entry_->may_be_removed()) cache_->changed_.notify_all();
}

CachedIndexes& IndexCache::Lease::indexes() const { return entry_->files; }

void IndexCache::Lease::distrust() { entry_->leaves = true; }

IndexCache::IndexCache(env::Shard& shard, ObjectStore& store, IndexCacheOptions options)
    : shard_(shard), store_(store), options_(std::move(options)) {}

IndexCache::~IndexCache() {
    for (const auto& [id, entry] : entries_) CHECK(entry->users == 0 && !entry->removing);
}

Result<IndexCache::Found> IndexCache::look_through(env::Disk& disk, const std::string& directory) {
    RETURN_IF_ERROR(disk.make_directories(directory));
    ASSIGN_OR_RETURN(auto files, disk.list(directory));
    std::map<std::pair<Uuid, Offset>, CachedIndexName> names;
    for (const env::DirectoryEntry& file : files) {
        auto name = parse_cached_index(file.name);
        if (name) {
            names.insert_or_assign(std::pair(name->id, name->start), *name);
        } else if (!file.is_directory) {
            // Half a write, or half a removal.
            RETURN_IF_ERROR(disk.remove(fmt::format("{}/{}", directory, file.name)));
        }
    }
    Found found;
    for (const auto& [key, name] : names) {
        CachedIndexes indexes(disk, directory, name.start, name.id);
        if (auto bytes = indexes.check()) {
            found.whole.emplace_back(name, *bytes);
        } else {
            RETURN_IF_ERROR(indexes.remove());
        }
    }
    return found;
}

Task<Result<>> IndexCache::open() {
    Result<Found> found;
    env::Disk& disk = shard_.disk();
    co_await env::lasting(shard_, [&] { found = look_through(disk, options_.directory); });
    if (!found) co_return fail(std::move(found).error());
    for (const auto& [name, bytes] : found->whole) {
        auto entry = std::make_unique<Entry>(disk, options_.directory, name.start, name.id);
        entry->bytes = bytes;
        entry->ready = true;
        add(std::move(entry));
    }
    co_await sweep();
    co_return Result<>();
}

IndexCache::Entry& IndexCache::add(std::unique_ptr<Entry> entry) {
    Entry& added = *entry;
    added.used = shard_.now();
    by_use_.push_front(&added);
    added.place = by_use_.begin();
    bytes_ += added.bytes;
    entries_.emplace(added.id, std::move(entry));
    return added;
}

Task<Result<IndexCache::Lease>> IndexCache::acquire(const RemoteLogSegment& segment) {
    for (;;) {
        auto at = entries_.find(segment.id);
        if (at == entries_.end()) break;
        Entry& entry = *at->second;
        if (entry.ready && !entry.leaves) {
            entry.used = shard_.now();
            by_use_.splice(by_use_.begin(), by_use_, entry.place);
            co_return Lease(*this, entry);
        }
        if (entry.may_be_removed()) {
            co_await sweep();
            continue;
        }
        // Another task fetches or removes it, or those that use wrong ones are not yet done.
        auto failure = entry.failure;
        co_await changed_.wait();
        if (*failure) co_return fail(**failure);
    }
    Entry& entry = add(std::make_unique<Entry>(shard_.disk(), options_.directory,
                                               segment.start_offset, segment.id));
    Lease lease(*this, entry);
    Result<> fetched = co_await fetch(entry, segment);
    if (!fetched) co_return fail(std::move(fetched).error());
    co_await sweep();
    co_return lease;
}

Task<Result<>> IndexCache::fetch(Entry& entry, const RemoteLogSegment& segment) {
    // Whatever becomes of this task, those who wait go on.
    struct Ending {
        ~Ending() {
            if (!entry.ready) entry.leaves = true;
            cache.changed_.notify_all();
        }
        IndexCache& cache;
        Entry& entry;
    } ending{*this, entry};
    ++fetches_;
    Result<std::uint64_t> bytes = 0;
    auto work = [&]() -> Result<std::uint64_t> {
        ASSIGN_OR_RETURN(SegmentIndexes indexes,
                         fetch_indexes(store_, segment, IndexType::offset, IndexType::transaction));
        RETURN_IF_ERROR(entry.files.write(indexes));
        return entry.files.check();
    };
    co_await env::lasting(shard_, [&] { bytes = work(); });
    if (!bytes) {
        *entry.failure = bytes.error();
        co_return fail(std::move(bytes).error());
    }
    entry.bytes = *bytes;
    bytes_ += *bytes;
    entry.ready = true;
    co_return Result<>();
}

void IndexCache::forget(const Uuid& segment) {
    if (auto at = entries_.find(segment); at != entries_.end()) at->second->leaves = true;
}

void IndexCache::mark_those_to_leave() {
    std::uint64_t kept = 0;
    for (Entry* entry : by_use_) {
        if (entry->leaves) continue;
        bool expired = entry->used + options_.ttl < shard_.now();
        bool too_much = kept + entry->bytes > options_.most_bytes;
        if (entry->ready && entry->users == 0 && (expired || too_much)) {
            entry->leaves = true;
        } else {
            kept += entry->bytes;
        }
    }
}

Task<void> IndexCache::sweep() {
    mark_those_to_leave();
    std::vector<Entry*> leaving;
    for (Entry* entry : by_use_) {
        if (!entry->may_be_removed()) continue;
        entry->removing = true;
        leaving.push_back(entry);
    }
    if (leaving.empty()) co_return;
    bool removed = false;
    struct Ending {
        ~Ending() {
            for (Entry* entry : leaving) {
                entry->removing = false;
                if (!removed) continue;
                cache.by_use_.erase(entry->place);
                cache.bytes_ -= entry->bytes;
                cache.entries_.erase(entry->id);
            }
            cache.changed_.notify_all();
        }
        IndexCache& cache;
        std::vector<Entry*>& leaving;
        bool& removed;
    } ending{*this, leaving, removed};
    Result<> failure;
    co_await env::lasting(shard_, [&] {
        for (Entry* entry : leaving) {
            if (Result<> done = entry->files.remove(); !done) failure = done;
        }
    });
    removed = true;
    // Whoever fetches them again writes over what is left.
    if (!failure) LOG_WARN("a file of remote indexes stays: {}", failure.error().message);
}

}  // namespace millrace::storage::remote
