#include "storage/index_file.h"

#include <algorithm>
#include <array>
#include <fmt/core.h>

#include "env/disk.h"

namespace millrace::storage {

Result<> IndexFile::open() {
    if (file_ != nullptr) return {};
    ASSIGN_OR_RETURN(file_, disk_.open(path_, {.write = true, .create = true}));
    return {};
}

Result<> IndexFile::create() {
    ASSIGN_OR_RETURN(auto file,
                     disk_.open(path_, {.write = true, .create = true, .truncate = true}));
    file_.reset();
    count_ = written_ = 0;
    tail_.clear();
    padded_ = false;
    return {};
}

Result<> IndexFile::load() {
    count_ = written_ = 0;
    tail_.clear();
    file_.reset();
    if (!disk_.exists(path_)) return {};
    RETURN_IF_ERROR(open());
    ASSIGN_OR_RETURN(std::uint64_t size, file_->size());
    std::size_t entries = size / entry_size_;
    padded_ = entries * entry_size_ != size;
    PageAccess access;
    count_ = entries;
    auto is_zero = [&](std::size_t index) -> Result<bool> {
        std::array<std::uint8_t, 16> entry{};
        RETURN_IF_ERROR(read(index, MutableBytes(entry.data(), entry_size_), access));
        return std::ranges::all_of(entry, [](std::uint8_t byte) { return byte == 0; });
    };
    bool zero_tail = false;
    if (entries > 0) {
        ASSIGN_OR_RETURN(zero_tail, is_zero(entries - 1));
    }
    if (zero_tail) {
        padded_ = true;
        std::size_t low = 0;
        std::size_t high = entries - 1;  // the first zero entry lies in [low, high]
        while (low < high) {
            std::size_t middle = low + (high - low) / 2;
            ASSIGN_OR_RETURN(bool zero, is_zero(middle));
            if (zero) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        entries = low;
    }
    count_ = written_ = entries;
    release();
    return {};
}

Result<> IndexFile::append(Bytes entry) {
    if (!padded_ && capacity_ > count_) {
        RETURN_IF_ERROR(open());
        RETURN_IF_ERROR(file_->truncate(capacity_ * entry_size_));
        release();
        padded_ = true;
    }
    tail_.insert(tail_.end(), entry.begin(), entry.end());
    ++count_;
    if (tail_.size() < tail_most * entry_size_) return {};
    RETURN_IF_ERROR(write_tail());
    std::size_t dropped = tail_.size() - tail_kept * entry_size_;
    tail_.erase(tail_.begin(), tail_.begin() + static_cast<std::ptrdiff_t>(dropped));
    return {};
}

Result<> IndexFile::write_tail() {
    if (written_ == count_) return {};
    RETURN_IF_ERROR(open());
    Bytes unwritten = Bytes(tail_).subspan((written_ - tail_first()) * entry_size_);
    RETURN_IF_ERROR(file_->write(written_ * entry_size_, unwritten));
    written_ = count_;
    release();
    return {};
}

Result<> IndexFile::read(std::size_t index, MutableBytes into, PageAccess& access) {
    if (index >= tail_first()) {
        auto at = tail_.begin() + static_cast<std::ptrdiff_t>((index - tail_first()) * entry_size_);
        std::copy_n(at, into.size(), into.begin());
        return {};
    }
    RETURN_IF_ERROR(open());
    ASSIGN_OR_RETURN(std::size_t count, access.read(file_, index * entry_size_, into));
    if (count == into.size()) return {};
    return fail(ErrorCode::kafka_storage_error,
                fmt::format("{} ends before entry {} of {}", path_, index, count_));
}

Result<std::optional<std::size_t>> IndexFile::last_not_above(Key key, std::int64_t target,
                                                             PageAccess& access) {
    std::size_t first = tail_first();
    std::size_t low = 0;  // entries below `low` are not above the target
    std::size_t high = count_;
    if (first < count_ && key(tail_.data()) <= target) {
        low = first + 1;
    } else {
        high = first;
    }
    std::array<std::uint8_t, 16> entry{};
    constexpr std::size_t block_entries = 128;
    bool in_file = high <= first;
    while (low < high && (!in_file || high - low > block_entries)) {
        std::size_t middle = low + (high - low) / 2;
        RETURN_IF_ERROR(read(middle, MutableBytes(entry.data(), entry_size_), access));
        if (key(entry.data()) <= target) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low < high) {
        std::array<std::uint8_t, block_entries * 16> block;
        MutableBytes bytes(block.data(), (high - low) * entry_size_);
        RETURN_IF_ERROR(read(low, bytes, access));
        for (const std::uint8_t* at = block.data(); low < high && key(at) <= target; ++low) {
            at += entry_size_;
        }
    }
    if (low == 0) return std::nullopt;
    return low - 1;
}

Result<> IndexFile::truncate(std::size_t count) {
    if (count >= count_) return {};
    std::size_t first = tail_first();
    tail_.resize(count > first ? (count - first) * entry_size_ : 0);
    count_ = count;
    if (written_ <= count_) return {};
    // What lies behind must read as zeros again when the file is preallocated.
    RETURN_IF_ERROR(open());
    RETURN_IF_ERROR(file_->truncate(count_ * entry_size_));
    written_ = count_;
    padded_ = false;
    return {};
}

Result<> IndexFile::trim() {
    RETURN_IF_ERROR(write_tail());
    if (padded_) {
        RETURN_IF_ERROR(open());
        RETURN_IF_ERROR(file_->truncate(count_ * entry_size_));
        padded_ = false;
    }
    release();
    return {};
}

}  // namespace millrace::storage
