#include "storage/time_index.h"

#include <array>

namespace millrace::storage {
namespace {
std::int64_t timestamp_of(const std::uint8_t* entry) { return load_be<std::int64_t>(entry); }
std::int64_t relative_offset(const std::uint8_t* entry) { return load_be<std::int32_t>(entry + 8); }
}  // namespace

Result<> TimeIndex::append(const Entry& entry) {
    PageAccess access;
    ASSIGN_OR_RETURN(Entry latest, last(access));
    if (entry.timestamp <= latest.timestamp) return {};
    std::array<std::uint8_t, entry_size> bytes;
    store_be(bytes.data(), entry.timestamp);
    store_be(bytes.data() + 8, static_cast<std::int32_t>(entry.offset - base_));
    return file_.append(bytes);
}

Result<TimeIndex::Entry> TimeIndex::entry(std::size_t index, PageAccess& access) {
    std::array<std::uint8_t, entry_size> bytes;
    RETURN_IF_ERROR(file_.read(index, bytes, access));
    return Entry{timestamp_of(bytes.data()), base_ + relative_offset(bytes.data())};
}

Result<TimeIndex::Entry> TimeIndex::last(PageAccess& access) {
    if (file_.count() == 0) return Entry{-1, base_};
    return entry(file_.count() - 1, access);
}

Result<TimeIndex::Entry> TimeIndex::find(Timestamp timestamp, PageAccess& access) {
    ASSIGN_OR_RETURN(auto index, file_.last_not_above(timestamp_of, timestamp, access));
    if (!index) return Entry{-1, base_};
    return entry(*index, access);
}

Result<> TimeIndex::truncate_to(Offset offset) {
    PageAccess access;
    ASSIGN_OR_RETURN(auto last, file_.last_not_above(relative_offset, offset - 1 - base_, access));
    return file_.truncate(last ? *last + 1 : 0);
}

}  // namespace millrace::storage
