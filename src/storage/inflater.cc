#include "storage/inflater.h"

#include <algorithm>
#include <fmt/core.h>

namespace millrace::storage {
namespace {
constexpr std::size_t least_piece = std::size_t{64} << 10U;
// What a rare large batch took is given back.
constexpr std::size_t most_kept = std::size_t{16} << 20U;
}  // namespace

Result<Bytes> Inflater::records_of(const BatchView& batch) {
    if (batch.codec_id() == 0) return batch.payload();
    if (!batch.codec()) {
        return fail(ErrorCode::unknown_server_error,
                    fmt::format("The batch at offset {} has the unknown codec {}",
                                batch.base_offset(), batch.codec_id()));
    }
    if (batch.count() == 0) return Bytes();
    if (buffer_.capacity() > most_kept) buffer_ = Buffer();
    RETURN_IF_ERROR(decompressor_.start(*batch.codec(), batch.payload()));
    std::size_t filled = 0;
    while (true) {
        buffer_.resize(std::max(buffer_.capacity(), filled + least_piece));
        ASSIGN_OR_RETURN(std::size_t count,
                         decompressor_.read(buffer_.mutable_bytes().subspan(filled)));
        if (count == 0) break;
        filled += count;
    }
    buffer_.resize(filled);
    return buffer_.bytes();
}

}  // namespace millrace::storage
