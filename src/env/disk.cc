#include "env/disk.h"

#include <fmt/core.h>

#include "env/shard.h"

namespace millrace::env {

std::string_view parent_of(std::string_view path) {
    std::size_t slash = path.rfind('/');
    if (slash == std::string_view::npos) return ".";
    return slash == 0 ? "/" : path.substr(0, slash);
}

Result<std::string> read_file(Disk& disk, std::string_view path, std::size_t limit) {
    ASSIGN_OR_RETURN(std::shared_ptr<File> file, disk.open(path, {}));
    ASSIGN_OR_RETURN(std::uint64_t size, file->size());
    if (size > limit) {
        return fail(ErrorCode::kafka_storage_error,
                    fmt::format("{} has {} bytes; at most {} are read", path, size, limit));
    }
    std::string content(size, '\0');
    MutableBytes into(reinterpret_cast<std::uint8_t*>(content.data()), content.size());
    ASSIGN_OR_RETURN(std::size_t count, file->read(0, into));
    content.resize(count);
    return content;
}

Result<> replace_file(Disk& disk, std::string_view path, std::string_view content) {
    std::string temporary = std::string(path) + ".tmp";
    {
        ASSIGN_OR_RETURN(std::shared_ptr<File> file,
                         disk.open(temporary, {.write = true, .create = true, .truncate = true}));
        RETURN_IF_ERROR(file->write(0, as_bytes(content)));
        RETURN_IF_ERROR(file->sync_now());
    }
    RETURN_IF_ERROR(disk.rename(temporary, path));
    return disk.sync_directory(parent_of(path));
}

Task<Result<>> replace_file_async(Shard& shard, std::string path, std::string content) {
    Result<> result;
    Disk& disk = shard.disk();
    co_await blocking(shard, [&] { result = replace_file(disk, path, content); });
    co_return result;
}

}  // namespace millrace::env
