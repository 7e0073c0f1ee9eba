#include "storage/batch_chunks.h"

#include <algorithm>
#include <fmt/core.h>

#include "env/disk.h"
#include "records/batch.h"

namespace millrace::storage {

BatchChunks::BatchChunks(std::shared_ptr<env::File> file, std::uint32_t position, std::uint32_t end,
                         std::size_t usual_size)
    : file_(std::move(file)),
      position_(position),
      end_(end),
      usual_size_(std::max(usual_size, batch_header_size)) {}

Result<Bytes> BatchChunks::next() {
    std::size_t wanted = usual_size_;
    if (buffer_.capacity() > 2 * usual_size_) buffer_ = Buffer();
    while (position_ < end_) {
        wanted = std::min<std::size_t>(wanted, end_ - position_);
        buffer_.resize(wanted);
        ASSIGN_OR_RETURN(std::size_t count, file_->read(position_, buffer_.mutable_bytes()));
        Bytes held = buffer_.bytes().first(count);
        BatchReader reader(held);
        while (true) {
            ASSIGN_OR_RETURN(auto batch, reader.next());
            if (!batch) break;
        }
        if (reader.position() > 0) {
            position_ += static_cast<std::uint32_t>(reader.position());
            return held.first(reader.position());
        }
        auto size = BatchView::frame_size(held).value_or(std::nullopt);
        if (count < wanted || !size || *size > end_ - position_) {
            return fail(ErrorCode::corrupt_message,
                        fmt::format("the batch at byte {} is cut short", position_));
        }
        wanted = *size;
    }
    return Bytes();
}

}  // namespace millrace::storage
