#include "base/chain.h"

namespace millrace {

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
