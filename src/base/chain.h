#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/pool.h"

namespace millrace::env {
class File;
}

namespace millrace {

// Bytes that stay in a file until the connection sends them (sendfile). Holding the file keeps
// its bytes readable after the log has unlinked it.
struct FileRange {
    std::shared_ptr<env::File> file;
    std::uint64_t offset = 0;
    std::uint64_t size = 0;
};

// A sequence of pieces in memory and in files: the records of a message, or a whole response on
// its way out.
class Chain {
  public:
    using Piece = std::variant<Slice, FileRange>;
    using Pieces = std::vector<Piece, PooledAllocator<Piece>>;

    Chain() = default;
    Chain(Slice slice) { append(std::move(slice)); }  // NOLINT: a slice is a chain of one

    void append(Slice slice) {
        if (slice.empty()) return;
        size_ += slice.size();
        pieces_.emplace_back(std::move(slice));
    }
    void append(FileRange range) {
        if (range.size == 0) return;
        size_ += range.size;
        pieces_.emplace_back(std::move(range));
    }
    void append(const Chain& other) {
        for (const Piece& piece : other.pieces_) pieces_.push_back(piece);
        size_ += other.size_;
    }

    void append(Chain&& other) {
        if (pieces_.empty()) {
            pieces_.swap(other.pieces_);
        } else {
            for (Piece& piece : other.pieces_) pieces_.push_back(std::move(piece));
            other.pieces_.clear();
        }
        size_ += std::exchange(other.size_, 0);
    }

    std::uint64_t size() const { return size_; }
    bool empty() const { return size_ == 0; }
    const Pieces& pieces() const { return pieces_; }

    // Its first `size` bytes (all of it when there are fewer).
    Chain prefix(std::uint64_t size) const;
    // The bytes of a chain that has no file range, copied only when it has several pieces.
    Slice in_memory() const;

  private:
    Pieces pieces_;
    std::uint64_t size_ = 0;
};

}  // namespace millrace
