#include "storage/checked_text.h"

#include <fmt/core.h>
#include <optional>

#include "base/crc32c.h"
#include "base/time.h"
#include "env/disk.h"
#include "storage/storage_log.h"

namespace millrace::storage {
namespace {

std::string path_beside(std::string_view path) {
    std::string_view parent = env::parent_of(path);
    return fmt::format("{}/.millrace-{}", parent, path.substr(parent.size() + 1));
}

// When the file was written, and its text, behind a line with the checksum of both.
std::string copy_of(Timestamp written, std::string_view text) {
    std::string told = fmt::format("{}\n{}", written, text);
    return fmt::format("{:08x}\n{}", crc32c(as_bytes(told)), told);
}

// The text that was written at `written`; nothing where the copy tells of another time, or is not
// whole: it is never synced.
std::optional<std::string> text_of(std::string_view copy, Timestamp written) {
    std::size_t end = copy.find('\n');
    if (end == std::string_view::npos) return std::nullopt;
    std::string_view told = copy.substr(end + 1);
    if (copy.substr(0, end) != fmt::format("{:08x}", crc32c(as_bytes(told)))) return std::nullopt;
    std::string time = fmt::format("{}\n", written);
    if (!told.starts_with(time)) return std::nullopt;
    return std::string(told.substr(time.size()));
}

}  // namespace

// The copy goes first, and is gone for good once the file is in place: none of another text stays
// that was written within the same tick of the clock.
Result<> replace_checked(env::Disk& disk, const std::string& path, std::string_view text) {
    std::string beside = path_beside(path);
    if (disk.exists(beside)) RETURN_IF_ERROR(disk.remove(beside));
    RETURN_IF_ERROR(env::replace_file(disk, path, text));
    ASSIGN_OR_RETURN(Timestamp written, disk.modified(path));
    ASSIGN_OR_RETURN(auto file,
                     disk.open(beside, {.write = true, .create = true, .truncate = true}));
    return file->write(0, as_bytes(copy_of(written, text)));
}

Result<CheckedText> read_checked(env::Disk& disk, const std::string& path) {
    ASSIGN_OR_RETURN(std::string text, env::read_file(disk, path));
    std::string beside = path_beside(path);
    if (!disk.exists(beside)) return CheckedText{std::move(text)};
    ASSIGN_OR_RETURN(Timestamp written, disk.modified(path));
    ASSIGN_OR_RETURN(std::string copy, env::read_file(disk, beside));
    std::optional<std::string> was = text_of(copy, written);
    if (!was) return CheckedText{std::move(text)};
    if (*was != text) LOG_WARN("{} has rotted: what was written is taken from {}", path, beside);
    return CheckedText{*std::move(was), true};
}

}  // namespace millrace::storage
