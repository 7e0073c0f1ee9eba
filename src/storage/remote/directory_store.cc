#include "storage/remote/directory_store.h"

#include <algorithm>
#include <fmt/core.h>

#include "env/disk.h"

namespace millrace::storage::remote {
namespace {

constexpr std::size_t piece_size = 1 << 20;
// Emptied folders are removed while others put into them.
constexpr int most_placings = 5;

}  // namespace

Result<std::unique_ptr<DirectoryStore>> DirectoryStore::open(env::Disk& disk, std::string path,
                                                             std::int32_t node_id) {
    if (!disk.exists(path)) {
        return fail(ErrorCode::kafka_storage_error,
                    fmt::format("the directory {} for remote segments does not exist: create it or "
                                "mount it, the same one on every broker",
                                path));
    }
    std::string uploads = fmt::format("{}/uploads~{}", path, node_id);
    RETURN_IF_ERROR(disk.remove_all(uploads));
    RETURN_IF_ERROR(disk.make_directories(uploads));
    return std::unique_ptr<DirectoryStore>(
        new DirectoryStore(disk, std::move(path), std::move(uploads)));
}

std::string DirectoryStore::file_of(std::string_view key) const {
    return fmt::format("{}/{}", path_, key);
}

Result<> DirectoryStore::put(std::string_view key, ObjectSource& source) {
    RETURN_IF_ERROR(check_key(key));
    std::string file = fmt::format("{}/{}", uploads_, puts_.fetch_add(1));
    Result<> done = write(file, source);
    if (done) done = place(file, key);
    if (!done) {
        // It is in nobody's way, and the next start removes it too.
        (void)disk_.remove(file);
        return done;
    }
    return sync_parents(key);
}

Result<> DirectoryStore::write(std::string_view path, ObjectSource& source) {
    ASSIGN_OR_RETURN(std::shared_ptr<env::File> file,
                     disk_.open(path, {.write = true, .create = true, .truncate = true}));
    Buffer piece;
    for (std::uint64_t at = 0; at < source.size(); at += piece.size()) {
        if (stopped_) {
            return fail(ErrorCode::kafka_storage_error,
                        fmt::format("{} was not written to its end: the node stops", path));
        }
        piece.resize(std::min<std::uint64_t>(piece_size, source.size() - at));
        RETURN_IF_ERROR(source.read(at, piece.mutable_bytes()));
        RETURN_IF_ERROR(file->write(at, piece.bytes()));
    }
    return file->sync_now();
}

Result<> DirectoryStore::place(std::string_view file, std::string_view key) {
    std::string target = file_of(key);
    Result<> renamed;
    for (int i = 0; i < most_placings; ++i) {
        RETURN_IF_ERROR(disk_.make_directories(env::parent_of(target)));
        renamed = disk_.rename(file, target);
        if (renamed || disk_.exists(env::parent_of(target))) break;
    }
    return renamed;
}

// From the root down: a folder that another put has just made may not be durable either.
Result<> DirectoryStore::sync_parents(std::string_view key) {
    RETURN_IF_ERROR(disk_.sync_directory(path_));
    for (std::size_t slash = key.find('/'); slash != std::string_view::npos;
         slash = key.find('/', slash + 1)) {
        RETURN_IF_ERROR(disk_.sync_directory(file_of(key.substr(0, slash))));
    }
    return {};
}

Result<Buffer> DirectoryStore::get(std::string_view key, std::uint64_t offset, std::uint64_t size) {
    RETURN_IF_ERROR(check_key(key));
    std::string path = file_of(key);
    auto file = disk_.open(path, {});
    if (!file) {
        if (disk_.exists(path)) return fail(std::move(file).error());
        return fail(ErrorCode::resource_not_found,
                    fmt::format("there is no object {} in the directory {}", key, path_));
    }
    ASSIGN_OR_RETURN(std::uint64_t whole, (*file)->size());
    Buffer bytes;
    if (offset >= whole) return bytes;
    bytes.resize(std::min(size, whole - offset));
    ASSIGN_OR_RETURN(std::size_t count, (*file)->read(offset, bytes.mutable_bytes()));
    bytes.resize(count);
    return bytes;
}

Result<> DirectoryStore::remove(std::string_view key) {
    RETURN_IF_ERROR(check_key(key));
    std::string path = file_of(key);
    if (!disk_.exists(path)) return {};
    if (Result<> removed = disk_.remove(path); !removed) {
        if (disk_.exists(path)) return removed;  // otherwise somebody else did
    }
    // Folders that are empty now go too; one that is not refuses.
    std::string_view folder = env::parent_of(path);
    while (folder.size() > path_.size() && disk_.remove(folder)) folder = env::parent_of(folder);
    Result<> synced = disk_.sync_directory(folder);
    // Somebody else's removal may have taken that folder meanwhile.
    if (!synced && folder.size() > path_.size() && !disk_.exists(folder)) {
        return disk_.sync_directory(path_);
    }
    return synced;
}

Result<std::vector<std::string>> DirectoryStore::list(std::string_view prefix) {
    std::vector<std::string> keys;
    std::size_t slash = prefix.rfind('/');
    std::string folder(slash == std::string_view::npos ? "" : prefix.substr(0, slash));
    if (!folder.empty()) RETURN_IF_ERROR(check_key(folder));
    RETURN_IF_ERROR(add_below(folder, prefix, keys));
    std::ranges::sort(keys);
    return keys;
}

Result<> DirectoryStore::add_below(const std::string& folder, std::string_view prefix,
                                   std::vector<std::string>& keys) {
    std::string path = folder.empty() ? path_ : file_of(folder);
    auto entries = disk_.list(path);
    if (!entries) {
        if (!folder.empty() && !disk_.exists(path)) return {};
        return fail(std::move(entries).error());
    }
    for (const env::DirectoryEntry& entry : *entries) {
        std::string key = folder.empty() ? entry.name : fmt::format("{}/{}", folder, entry.name);
        std::string_view overlap = std::string_view(key).substr(0, prefix.size());
        // Whatever else people put there: uploads~, lost+found.
        if (!prefix.starts_with(overlap) || !check_key(key)) continue;
        if (entry.is_directory) {
            RETURN_IF_ERROR(add_below(key, prefix, keys));
        } else if (key.size() >= prefix.size()) {
            keys.push_back(std::move(key));
        }
    }
    return {};
}

}  // namespace millrace::storage::remote
