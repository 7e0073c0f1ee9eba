#include "limit/partition.h"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <fcntl.h>
#include <fmt/core.h>
#include <stdexcept>
#include <system_error>
#include <unistd.h>

#include "base/crc32c.h"

namespace millrace::bench {
namespace {

constexpr std::size_t batch_header = 61;

[[noreturn]] void fail(const char* what) {
    throw std::system_error(errno, std::generic_category(), what);
}

}  // namespace

Partition::Partition(const std::string& folder, int index) {
    std::string path = fmt::format("{}/{}.log", folder, index);
    file_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (file_ < 0) fail("open");
}

std::int64_t Partition::append(MutableBytes batches) {
    std::int64_t first = end_offset_;
    std::uint64_t position = size_ + unwritten_size_;
    while (!batches.empty()) {
        std::size_t size =
            batches.size() < batch_header ? 0 : 12U + load_be<std::uint32_t>(batches.data() + 8);
        if (size < batch_header || size > batches.size()) throw std::runtime_error("a cut batch");
        MutableBytes batch = batches.first(size);
        if (crc32c(batch.subspan(21)) != load_be<std::uint32_t>(batch.data() + 17)) {
            throw std::runtime_error("a wrong CRC");
        }
        store_be<std::int64_t>(batch.data(), end_offset_);
        store_be<std::int32_t>(batch.data() + 12, 0);
        batches_.push_back({end_offset_, position});
        end_offset_ += load_be<std::int32_t>(batch.data() + 23) + 1;
        position += size;
        unwritten_.push_back({batch.data(), size});
        batches = batches.subspan(size);
    }
    unwritten_size_ = position - size_;
    return first;
}

void Partition::write() {
    for (std::size_t done = 0; done < unwritten_.size();) {
        auto count = static_cast<int>(std::min<std::size_t>(unwritten_.size() - done, IOV_MAX));
        std::size_t part = 0;
        for (int i = 0; i < count; ++i) part += unwritten_[done + i].iov_len;
        ssize_t written = ::pwritev(file_, &unwritten_[done], count, static_cast<off_t>(size_));
        if (written != static_cast<ssize_t>(part)) fail("pwritev");
        size_ += part;
        done += count;
    }
    unwritten_.clear();
    unwritten_size_ = 0;
}

void Partition::sync() {
    if (::fdatasync(file_) != 0) fail("fdatasync");
}

std::uint64_t Partition::end_of_batches(std::uint64_t begin, std::uint64_t most) const {
    if (size_ - begin <= most) return size_;
    auto above = std::ranges::upper_bound(batches_, begin + most, {}, &Batch::position);
    std::uint64_t end = std::prev(above)->position;
    if (end > begin) return end;
    return above == batches_.end() ? size_ : above->position;
}

std::uint64_t Partition::position(std::int64_t offset) const {
    if (offset >= end_offset_) return size_;
    auto above = std::ranges::upper_bound(batches_, offset, {}, &Batch::base_offset);
    return above == batches_.begin() ? 0 : std::prev(above)->position;
}

}  // namespace millrace::bench
