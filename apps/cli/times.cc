#include "cli/times.h"

#include <charconv>
#include <fmt/core.h>
#include <optional>

namespace millrace::cli {

namespace {

// Days since 1970 of a day in the Gregorian calendar (Howard Hinnant's days_from_civil).
std::int64_t days_since_1970(std::int64_t year, int month, int day) {
    year -= month <= 2;
    std::int64_t era = (year >= 0 ? year : year - 399) / 400;
    std::int64_t year_of_era = year - era * 400;
    std::int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    std::int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

int days_of_month(int year, int month) {
    constexpr int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap ? 1 : 0);
}

// Takes numbers and fixed characters off the front of a text.
class Scan {
  public:
    explicit Scan(std::string_view text) : rest_(text) {}

    bool at_end() const { return rest_.empty(); }
    bool skip(char c) {
        if (!rest_.starts_with(c)) return false;
        rest_.remove_prefix(1);
        return true;
    }
    // Exactly so many digits, or nothing is taken.
    std::optional<int> digits(std::size_t count) {
        int number = 0;
        if (rest_.size() < count) return std::nullopt;
        for (char c : rest_.substr(0, count)) {
            if (c < '0' || c > '9') return std::nullopt;
            number = number * 10 + (c - '0');
        }
        rest_.remove_prefix(count);
        return number;
    }
    // The first three digits behind a point as thousandths; the others are cut off.
    std::optional<int> thousandths() {
        int number = 0;
        int taken = 0;
        while (auto digit = digits(1)) {
            if (taken < 3) number = number * 10 + *digit;
            ++taken;
        }
        if (taken == 0) return std::nullopt;
        for (; taken < 3; ++taken) number *= 10;
        return number;
    }
    std::string_view rest() const { return rest_; }

  private:
    std::string_view rest_;
};

// Minutes east of UTC.
std::optional<int> zone(Scan& scan) {
    if (scan.at_end()) return 0;
    if (scan.skip('Z')) return scan.at_end() ? std::optional(0) : std::nullopt;
    int sign = scan.rest().front() == '-' ? -1 : 1;
    if (!scan.skip('+') && !scan.skip('-')) return std::nullopt;
    auto hours = scan.digits(2);
    if (!hours || *hours > 23) return std::nullopt;
    int minutes = 0;
    if (!scan.at_end()) {
        scan.skip(':');
        auto given = scan.digits(2);
        if (!given || *given > 59 || !scan.at_end()) return std::nullopt;
        minutes = *given;
    }
    return sign * (*hours * 60 + minutes);
}

std::optional<Timestamp> date_time(std::string_view text) {
    Scan scan(text);
    auto year = scan.digits(4);
    if (!year || !scan.skip('-')) return std::nullopt;
    auto month = scan.digits(2);
    if (!month || *month < 1 || *month > 12 || !scan.skip('-')) return std::nullopt;
    auto day = scan.digits(2);
    if (!day || *day < 1 || *day > days_of_month(*year, *month) || !scan.skip('T')) {
        return std::nullopt;
    }
    auto hour = scan.digits(2);
    if (!hour || *hour > 23 || !scan.skip(':')) return std::nullopt;
    auto minute = scan.digits(2);
    if (!minute || *minute > 59 || !scan.skip(':')) return std::nullopt;
    auto second = scan.digits(2);
    if (!second || *second > 59) return std::nullopt;
    std::optional<int> fraction = 0;
    if (scan.skip('.')) fraction = scan.thousandths();
    auto east = fraction ? zone(scan) : std::nullopt;
    if (!east) return std::nullopt;
    std::int64_t minutes = (days_since_1970(*year, *month, *day) * 24 + *hour) * 60 + *minute;
    return ((minutes - *east) * 60 + *second) * 1000 + *fraction;
}

}  // namespace

Result<Timestamp> parse_date_time(std::string_view text) {
    if (auto time = date_time(text)) return *time;
    return fail(ErrorCode::invalid_request,
                fmt::format("'{}' is no time: it has to look like 2026-01-31T13:00:00.000, with "
                            "Z or +01:00 behind it where it is not UTC",
                            text));
}

namespace {

// One part of a duration, in milliseconds: a number, for seconds with a fraction, and its unit.
std::optional<std::int64_t> part_of(std::string_view number, char unit, bool in_time) {
    std::int64_t sign = number.starts_with('-') ? -1 : 1;
    if (number.starts_with('-') || number.starts_with('+')) number.remove_prefix(1);
    std::string_view whole = number.substr(0, number.find('.'));
    std::int64_t fraction = 0;
    if (whole.size() < number.size()) {
        if (unit != 'S') return std::nullopt;
        Scan scan(number.substr(whole.size() + 1));
        auto thousandths = scan.thousandths();
        if (!thousandths || !scan.at_end()) return std::nullopt;
        fraction = *thousandths;
    }
    std::int64_t count = 0;
    auto [end, error] = std::from_chars(whole.data(), whole.data() + whole.size(), count);
    if (error != std::errc() || end != whole.data() + whole.size()) return std::nullopt;
    std::int64_t size = !in_time      ? (unit == 'D' ? 86'400'000 : 0)
                        : unit == 'H' ? 3'600'000
                        : unit == 'M' ? 60'000
                        : unit == 'S' ? 1'000
                                      : 0;
    std::int64_t total = 0;
    if (size == 0 || __builtin_mul_overflow(count, size, &total) ||
        __builtin_add_overflow(total, fraction, &total)) {
        return std::nullopt;
    }
    return sign * total;
}

std::optional<std::int64_t> duration(std::string_view text) {
    std::int64_t sign = text.starts_with('-') ? -1 : 1;
    if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
    if (!text.starts_with('P') && !text.starts_with('p')) return std::nullopt;
    text.remove_prefix(1);
    std::int64_t total = 0;
    bool in_time = false;
    bool any = false;
    while (!text.empty()) {
        if (!in_time && (text.front() == 'T' || text.front() == 't')) {
            in_time = true;
            any = false;
            text.remove_prefix(1);
            continue;
        }
        std::size_t end = text.find_first_not_of("+-.0123456789");
        if (end == std::string_view::npos) return std::nullopt;
        char unit = text[end] >= 'a' ? static_cast<char>(text[end] - 32) : text[end];
        auto part = part_of(text.substr(0, end), unit, in_time);
        if (!part || __builtin_add_overflow(total, *part, &total)) return std::nullopt;
        any = true;
        text.remove_prefix(end + 1);
    }
    if (!any) return std::nullopt;
    return sign * total;
}

}  // namespace

Result<std::int64_t> parse_duration(std::string_view text) {
    if (auto found = duration(text)) return *found;
    return fail(ErrorCode::invalid_request,
                fmt::format("'{}' is no duration: it has to look like P1DT2H30M5S", text));
}

}  // namespace millrace::cli
