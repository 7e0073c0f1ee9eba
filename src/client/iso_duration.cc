#include "client/iso_duration.h"

#include <algorithm>
#include <charconv>

namespace millrace::client {

Duration parse_iso_duration(std::string_view text) {
    double seconds = 0;
    double number = 0;
    bool in_time = false;
    for (std::size_t at = 0; at < text.size();) {
        auto [end, error] = std::from_chars(text.data() + at, text.data() + text.size(), number);
        if (error == std::errc() && end != text.data() + at) {
            at = static_cast<std::size_t>(end - text.data());
            continue;
        }
        switch (text[at++]) {
            case 'T':
            case 't':
                in_time = true;
                break;
            case 'D':
            case 'd':
                seconds += number * 86400;
                break;
            case 'H':
            case 'h':
                seconds += number * 3600;
                break;
            case 'M':
            case 'm':
                seconds += in_time ? number * 60 : 0;
                break;
            case 'S':
            case 's':
                seconds += number;
                break;
            default:
                break;
        }
    }
    return Duration::milliseconds(static_cast<std::int64_t>(std::min(seconds * 1000, 9e15)));
}

}  // namespace millrace::client
