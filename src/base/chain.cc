#include "base/chain.h"

#include <algorithm>

namespace millrace {

Chain Chain::prefix(std::uint64_t size) const {
    Chain head;
    for (const Piece& piece : pieces_) {
        if (size == 0) break;
        if (const auto* slice = std::get_if<Slice>(&piece)) {
            std::size_t part = std::min<std::uint64_t>(size, slice->size());
            head.append(slice->slice(0, part));
            size -= part;
        } else {
            FileRange range = std::get<FileRange>(piece);
            range.size = std::min(size, range.size);
            size -= range.size;
            head.append(std::move(range));
        }
    }
    return head;
}

Slice Chain::in_memory() const {
    if (pieces_.empty()) return {};
    if (pieces_.size() == 1) {
        CHECK(std::holds_alternative<Slice>(pieces_.front()));
        return std::get<Slice>(pieces_.front());
    }
    Buffer buffer(size_);
    for (const Piece& piece : pieces_) {
        CHECK(std::holds_alternative<Slice>(piece));
        buffer.append(std::get<Slice>(piece).bytes());
    }
    return std::move(buffer).freeze();
}

}  // namespace millrace
