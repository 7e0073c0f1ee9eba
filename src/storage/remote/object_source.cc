#include "storage/remote/object_source.h"

#include <algorithm>
#include <cstring>
#include <fmt/core.h>

#include "env/disk.h"

namespace millrace::storage::remote {

Result<> FileSource::read(std::uint64_t offset, MutableBytes into) {
    ASSIGN_OR_RETURN(std::size_t count, file_->read(offset, into));
    if (count == into.size()) return {};
    return fail(ErrorCode::kafka_storage_error,
                fmt::format("{} ends at byte {} where {} were to be copied to remote storage",
                            name_, offset + count, size_));
}

Result<> MemorySource::read(std::uint64_t offset, MutableBytes into) {
    if (!into.empty()) std::memcpy(into.data(), bytes_.data() + offset, into.size());
    return {};
}

JoinedSource::JoinedSource(std::vector<ObjectSource*> pieces) : pieces_(std::move(pieces)) {
    for (const ObjectSource* piece : pieces_) size_ += piece->size();
}

Result<> JoinedSource::read(std::uint64_t offset, MutableBytes into) {
    for (ObjectSource* piece : pieces_) {
        if (offset >= piece->size()) {
            offset -= piece->size();
            continue;
        }
        std::size_t count = std::min<std::uint64_t>(into.size(), piece->size() - offset);
        RETURN_IF_ERROR(piece->read(offset, into.first(count)));
        into = into.subspan(count);
        offset = 0;
        if (into.empty()) break;
    }
    return {};
}

}  // namespace millrace::storage::remote
