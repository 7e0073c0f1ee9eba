#include "records/record_window.h"

#include <algorithm>

#include "base/varint.h"

namespace millrace {

Result<> RecordWindow::start(Codec codec, Bytes input, std::size_t limit) {
    begin_ = 0;
    end_ = 0;
    position_ = 0;
    if (buffer_.capacity() > 8 * usual_size) buffer_ = Buffer();
    if (buffer_.size() < usual_size) buffer_.resize(usual_size);
    return decompressor_.start(codec, input, limit);
}

void RecordWindow::make_room() {
    if (begin_ > 0) {
        std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
        end_ -= begin_;
        begin_ = 0;
    }
    if (end_ == buffer_.size()) buffer_.resize(2 * buffer_.size());
}

Result<std::size_t> RecordWindow::read_more() {
    if (begin_ == end_) begin_ = end_ = 0;
    // Blocks are inflated straight into the window when there is room for a whole one.
    if (buffer_.size() - end_ < usual_size / 2) make_room();
    ASSIGN_OR_RETURN(std::size_t n, decompressor_.read(buffer_.mutable_bytes().subspan(end_)));
    end_ += n;
    return n;
}

Result<bool> RecordWindow::fill(std::size_t n) {
    while (end_ - begin_ < n) {
        ASSIGN_OR_RETURN(std::size_t more, read_more());
        if (more == 0) return false;
    }
    return true;
}

Result<bool> RecordWindow::skip(std::size_t n) {
    while (true) {
        std::size_t here = std::min(n, end_ - begin_);
        consume(here);
        n -= here;
        if (n == 0) return true;
        ASSIGN_OR_RETURN(std::size_t more, read_more());
        if (more == 0) return false;
    }
}

Result<std::int64_t> RecordWindow::varint(std::size_t max_size) {
    if (end_ - begin_ < max_size) RETURN_IF_ERROR(fill(max_size));
    const std::uint8_t* start = buffer_.data() + begin_;
    std::int64_t n = 0;
    const std::uint8_t* behind = get_varint(start, buffer_.data() + end_, n, max_size);
    if (behind == nullptr)
        return fail(ErrorCode::invalid_record,
                    "The records of a batch are broken or fewer than its header says");
    consume(static_cast<std::size_t>(behind - start));
    return n;
}

Result<bool> RecordWindow::at_end() {
    ASSIGN_OR_RETURN(bool more, fill(1));
    return !more;
}

}  // namespace millrace
