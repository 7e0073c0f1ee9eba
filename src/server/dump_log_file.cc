#include "server/dump_log_file.h"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>

#include "base/crc32c.h"
#include "env/disk.h"

namespace millrace::server {
Result<FileWindow> FileWindow::open(env::Disk& disk, const std::string& path, std::size_t piece) {
    ASSIGN_OR_RETURN(std::shared_ptr<env::File> file, disk.open(path, {}));
    ASSIGN_OR_RETURN(std::uint64_t size, file->size());
    return FileWindow(std::move(file), path, size, piece);
}

Result<> FileWindow::load(std::uint64_t begin, std::uint64_t end) {
    begin_ = begin;
    buffer_.clear();
    buffer_.resize(static_cast<std::size_t>(end - begin));
    Result<std::size_t> read = file_->read(begin, buffer_.mutable_bytes());
    buffer_.resize(read ? *read : 0);
    if (!read) return fail(std::move(read).error());
    return {};
}

Result<Bytes> FileWindow::at(std::uint64_t position, std::size_t size) {
    if (position >= size_) return Bytes();
    std::uint64_t end = position + std::min<std::uint64_t>(size, size_ - position);
    if (position < begin_ || end > begin_ + buffer_.size()) {
        std::uint64_t begin = position / piece_ * piece_;
        RETURN_IF_ERROR(load(begin, std::max(end, std::min(begin + piece_, size_))));
    }
    std::uint64_t there = begin_ + buffer_.size();
    if (position >= there) return Bytes();
    return buffer_.bytes().subspan(static_cast<std::size_t>(position - begin_),
                                   static_cast<std::size_t>(std::min(end, there) - position));
}

Result<std::uint32_t> FileWindow::checksum(std::uint64_t position, std::uint64_t size) {
    std::uint32_t crc = 0;
    while (size > 0) {
        auto most = static_cast<std::size_t>(std::min<std::uint64_t>(size, piece_));
        ASSIGN_OR_RETURN(Bytes bytes, at(position, most));
        if (bytes.empty()) break;
        crc = crc32c(bytes, crc);
        position += bytes.size();
        size -= bytes.size();
    }
    return crc;
}

std::string_view file_name(std::string_view path) { return path.substr(path.rfind('/') + 1); }

Result<std::int64_t> named_offset(std::string_view path) {
    std::string_view name = file_name(path);
    std::string_view digits = name.substr(0, name.find('.'));
    std::int64_t offset = 0;
    auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), offset);
    if (error == std::errc() && end == digits.data() + digits.size()) return offset;
    return fail(ErrorCode::invalid_request,
                fmt::format("{}: the name does not begin with an offset, as names of segments do "
                            "(00000000000000000000.log)",
                            path));
}

std::string sibling(std::string_view path, std::string_view suffix) {
    std::string_view name = file_name(path);
    return fmt::format("{}{}{}", path.substr(0, path.size() - name.size()),
                       name.substr(0, name.find('.')), suffix);
}

}  // namespace millrace::server
