#include "cli/line_reader.h"

#include <algorithm>
#include <cstring>
#include <fmt/core.h>

#include "cli/process.h"
#include "env/shard.h"

namespace millrace::cli {

namespace {
constexpr std::size_t block_size = std::size_t{256} << 10U;
}

std::string_view LineReader::take(std::size_t length, std::size_t separator) {
    std::string_view line = rest().substr(0, length);
    at_ += length + separator;
    searched_ = 0;
    ++number_;
    return line;
}

std::optional<std::string_view> LineReader::next() {
    if (after_return_ && at_ < end_) {
        if (rest().front() == '\n') ++at_;
        after_return_ = false;
    }
    std::string_view text = rest();
    std::size_t newline = text.find('\n', searched_);
    std::string_view before = text.substr(0, newline);
    if (std::size_t carriage = before.find('\r', searched_); carriage != std::string_view::npos) {
        bool both = carriage + 1 == newline;
        after_return_ = !both;
        return take(carriage, both ? 2 : 1);
    }
    if (newline != std::string_view::npos) return take(newline, 1);
    if (ended_ && !text.empty()) return take(text.size(), 0);
    searched_ = text.size();
    return std::nullopt;
}

Task<Result<bool>> LineReader::fill(env::Shard& shard) {
    if (ended_) co_return false;
    std::size_t left = end_ - at_;
    if (left > longest_) {
        co_return fail(
            ErrorCode::message_too_large,
            fmt::format("line {} of the input is longer than {} bytes", number_ + 1, longest_));
    }
    if (left > 0 && at_ > 0) std::memmove(block_.data(), block_.data() + at_, left);
    at_ = 0;
    end_ = left;
    block_.resize(std::max(block_.size(), std::max(block_size, left + left)));
    Result<std::size_t> count = 0;
    MutableBytes into = block_.mutable_bytes().subspan(left);
    co_await env::blocking(shard, [&] { count = process_.read_input(into); });
    if (!count) co_return fail(std::move(count).error());
    end_ += *count;
    ended_ = *count == 0;
    co_return !ended_ || left > 0;
}

}  // namespace millrace::cli
