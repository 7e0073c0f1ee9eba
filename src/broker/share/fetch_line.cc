#include "broker/share/fetch_line.h"

#include <algorithm>
#include <iterator>

namespace millrace::broker {

bool FetchLine::rest(const FetchTicket& ticket, const std::optional<Sight>& seen) {
    auto place = places_.find(ticket);
    if (place == places_.end()) return false;
    place->second = seen;
    return seen && is_wanted(std::next(place), *seen);
}

bool FetchLine::leave(const FetchTicket& ticket, const Sight& now) {
    auto place = places_.find(ticket);
    return place != places_.end() && is_wanted(places_.erase(place), now);
}

bool FetchLine::is_wanted(Places::const_iterator from, const Sight& sight) const {
    return std::any_of(from, places_.end(), [&](const auto& place) {
        return !place.second || place.second->is_before(sight);
    });
}

bool FetchLine::is_turn_of(const FetchTicket& ticket, const Sight& now) const {
    for (const auto& [older, seen] : places_) {
        if (older >= ticket) break;
        if (!seen || seen->is_before(now)) return false;
    }
    return true;
}

}  // namespace millrace::broker
