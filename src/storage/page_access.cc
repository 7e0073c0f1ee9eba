#include "storage/page_access.h"

#include "env/disk.h"

namespace millrace::storage {

Result<std::size_t> PageAccess::read(const std::shared_ptr<env::File>& file, std::uint64_t offset,
                                     MutableBytes into) {
    if (mode_ == Mode::blocking) return file->read(offset, into);
    bool cached = false;
    ASSIGN_OR_RETURN(std::size_t count, file->read_cached(offset, into, cached));
    if (cached) return count;
    missing_ = Missing{file, offset, into.size()};
    return fail(ErrorCode::kafka_storage_error, "the page is not in memory");
}

}  // namespace millrace::storage
