#include "storage/offset_index.h"

#include <array>

namespace millrace::storage {
namespace {
std::int64_t relative_offset(const std::uint8_t* entry) { return load_be<std::int32_t>(entry); }
}  // namespace

Result<> OffsetIndex::append(const Entry& entry) {
    std::array<std::uint8_t, entry_size> bytes;
    store_be(bytes.data(), static_cast<std::int32_t>(entry.offset - base_));
    store_be(bytes.data() + 4, entry.position);
    return file_.append(bytes);
}

Result<OffsetIndex::Entry> OffsetIndex::entry(std::size_t index, PageAccess& access) {
    std::array<std::uint8_t, entry_size> bytes;
    RETURN_IF_ERROR(file_.read(index, bytes, access));
    return Entry{base_ + relative_offset(bytes.data()), load_be<std::uint32_t>(bytes.data() + 4)};
}

Result<OffsetIndex::Entry> OffsetIndex::find(Offset offset, PageAccess& access) {
    ASSIGN_OR_RETURN(auto index, file_.last_not_above(relative_offset, offset - base_, access));
    if (!index) return Entry{base_, 0};
    return entry(*index, access);
}

Result<OffsetIndex::Neighbours> OffsetIndex::find_neighbours(Offset offset, PageAccess& access) {
    ASSIGN_OR_RETURN(auto index, file_.last_not_above(relative_offset, offset - base_, access));
    Neighbours found{.at = {base_, 0}, .next = std::nullopt};
    if (index) {
        ASSIGN_OR_RETURN(found.at, entry(*index, access));
    }
    std::size_t behind = index ? *index + 1 : 0;
    if (behind < count()) {
        ASSIGN_OR_RETURN(found.next, entry(behind, access));
    }
    return found;
}

Result<std::optional<OffsetIndex::Entry>> OffsetIndex::find_position(std::uint64_t position,
                                                                     PageAccess& access) {
    auto place = [](const std::uint8_t* entry) -> std::int64_t {
        return load_be<std::uint32_t>(entry + 4);
    };
    ASSIGN_OR_RETURN(auto before,
                     file_.last_not_above(place, static_cast<std::int64_t>(position) - 1, access));
    std::size_t next = before ? *before + 1 : 0;
    if (next >= count()) return std::nullopt;
    ASSIGN_OR_RETURN(Entry found, entry(next, access));
    // Apache's search never looks at the first entry itself, and goes on to the second; clients see
    // it in the aborted transactions that they are told of.
    bool passed_over = next == 0 && found.position == position;
    if (!passed_over) return found;
    if (count() == 1) return std::nullopt;
    return entry(1, access);
}

Result<> OffsetIndex::truncate_to(Offset offset) {
    PageAccess access;
    ASSIGN_OR_RETURN(auto last, file_.last_not_above(relative_offset, offset - 1 - base_, access));
    return file_.truncate(last ? *last + 1 : 0);
}

}  // namespace millrace::storage
