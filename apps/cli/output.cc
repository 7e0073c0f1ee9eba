#include "cli/output.h"

#include <algorithm>
#include <boost/json/serialize.hpp>

#include "env/shard.h"

namespace millrace::cli {

void Output::json(const boost::json::value& document) {
    text_ += boost::json::serialize(document);
    text_ += '\n';
}

void Output::error(std::string_view sentence) {
    flush();
    std::string text(sentence);
    if (!text.ends_with('\n')) text += '\n';
    process_.write_error(text);
}

bool Output::flush() {
    bool listened = text_.empty() || process_.write_output(text_);
    text_.clear();
    return listened;
}

Task<bool> Output::flush(env::Shard& shard) {
    if (text_.empty()) co_return true;
    bool began = false;  // not when the caller is cancelled already: the text stays for later
    bool listened = true;
    co_await env::blocking(shard, [&] {
        began = true;
        listened = process_.write_output(text_);
    });
    if (began) text_.clear();
    co_return listened;
}

void Table::print(Output& output, std::string_view gap) const {
    std::vector<std::size_t> widths(rows_.front().size());
    for (const auto& row : rows_) {
        for (std::size_t i = 0; i < widths.size(); ++i) {
            widths[i] = std::max(widths[i], width_of(row[i]));
        }
    }
    for (const auto& row : rows_) {
        for (std::size_t i = 0; i < widths.size(); ++i) {
            output.write(padded(row[i], widths[i]));
            output.write(gap);
        }
        output.write("\n");
    }
}

std::size_t width_of(std::string_view text) {
    // Code points: a continuation byte of UTF-8 adds nothing.
    return static_cast<std::size_t>(std::ranges::count_if(
        text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U; }));
}

std::string padded(std::string_view text, std::size_t width) {
    std::string out(text);
    std::size_t wide = width_of(text);
    if (wide < width) out.append(width - wide, ' ');
    return out;
}

}  // namespace millrace::cli
