#include "cli/java_format.h"

#include <cctype>
#include <chrono>
#include <cmath>
#include <fmt/core.h>

#include "cli/arguments.h"

namespace millrace::cli {

namespace {

constexpr std::string_view letters = "yMdHhmsSa";

// The end of the quoted text that begins behind the quote at `at`; "''" is a quote in it.
std::size_t unquote(std::string_view pattern, std::size_t at, std::string& text) {
    for (++at; at < pattern.size(); ++at) {
        if (pattern[at] != '\'') {
            text += pattern[at];
        } else if (at + 1 < pattern.size() && pattern[at + 1] == '\'') {
            text += pattern[at++];
        } else {
            return at + 1;
        }
    }
    return std::string_view::npos;
}

}  // namespace

std::string java_number(double value, int digits) {
    if (std::isnan(value)) return "NaN";
    if (std::isinf(value)) return value < 0 ? "-Infinity" : "Infinity";
    return fmt::format("{:.{}f}", value, digits);
}

Result<JavaDateFormat> JavaDateFormat::parse(std::string_view pattern) {
    JavaDateFormat format;
    for (std::size_t at = 0; at < pattern.size();) {
        char letter = pattern[at];
        if (std::isalpha(static_cast<unsigned char>(letter)) != 0) {
            if (letters.find(letter) == std::string_view::npos) {
                return misuse(
                    fmt::format("the date format '{}' has the letter {}, but only {} are "
                                "known",
                                pattern, letter, letters));
            }
            std::size_t end = pattern.find_first_not_of(letter, at);
            end = std::min(end, pattern.size());
            format.pieces_.push_back({.letter = letter, .width = end - at});
            at = end;
            continue;
        }
        Piece piece;
        if (pattern.substr(at, 2) == "''") {
            piece.text = "'";
            at += 2;
        } else if (letter == '\'') {
            at = unquote(pattern, at, piece.text);
            if (at == std::string_view::npos) {
                return misuse(fmt::format("a quote in the date format '{}' has no end", pattern));
            }
        } else {
            piece.text = letter;
            ++at;
        }
        format.pieces_.push_back(std::move(piece));
    }
    return format;
}

std::string JavaDateFormat::format(Timestamp time, Duration ahead) const {
    std::chrono::milliseconds local(time + ahead.ms());
    auto days = std::chrono::floor<std::chrono::days>(local);
    std::chrono::year_month_day date{std::chrono::sys_days(days)};
    std::chrono::hh_mm_ss clock(local - days);
    std::int64_t hour = clock.hours().count();
    std::string out;
    for (const Piece& piece : pieces_) {
        std::int64_t value = 0;
        switch (piece.letter) {
            case 'y':
                value = static_cast<int>(date.year());
                if (piece.width == 2) value %= 100;
                break;
            case 'M':
                value = static_cast<unsigned>(date.month());
                break;
            case 'd':
                value = static_cast<unsigned>(date.day());
                break;
            case 'H':
                value = hour;
                break;
            case 'h':
                value = hour % 12 == 0 ? 12 : hour % 12;
                break;
            case 'm':
                value = clock.minutes().count();
                break;
            case 's':
                value = clock.seconds().count();
                break;
            case 'S':
                value = clock.subseconds().count();
                break;
            case 'a':
                out += hour < 12 ? "AM" : "PM";
                continue;
            default:
                out += piece.text;
                continue;
        }
        out += fmt::format("{:0{}}", value, piece.width);
    }
    return out;
}

}  // namespace millrace::cli
