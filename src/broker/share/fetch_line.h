#pragma once

#include <compare>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>

#include "base/time.h"

namespace millrace::broker {

// The place of a share fetch among all of its node, by arrival. No two are equal.
struct FetchTicket {
    Time received;
    int shard = 0;             // of its connection
    std::uint64_t number = 0;  // there
    auto operator<=>(const FetchTicket&) const = default;
};

// The fetches of one share group that want records of one partition. What there is belongs to the
// oldest that has not seen it, however many others are faster. One that rests lets younger ones
// have what it has seen: nobody waits for a fetch that waits itself, and as the order is the same
// in all partitions, some fetch can always go on.
class FetchLine {
  public:
    // What a fetch can have seen.
    struct Sight {
        std::uint64_t changes = 0;  // of what the group holds
        // Behind the last record; the default is for one that does not care.
        std::int64_t bound = std::numeric_limits<std::int64_t>::max();
        bool is_before(const Sight& other) const {
            return changes != other.changes || bound < other.bound;
        }
    };

    // It looks, or looks again.
    void enter(const FetchTicket& ticket) { places_[ticket].reset(); }
    // It waits for more than it has seen; whether a younger one wants that. Where it has seen
    // nothing, since it was another's turn, it wants whatever there is.
    bool rest(const FetchTicket& ticket, const std::optional<Sight>& seen);
    // It is over; whether a younger one wants what there is now.
    bool leave(const FetchTicket& ticket, const Sight& now);
    // No older one wants what there is now.
    bool is_turn_of(const FetchTicket& ticket, const Sight& now) const;
    std::size_t size() const { return places_.size(); }

  private:
    // What it has seen, while it rests after it has.
    using Places = std::map<FetchTicket, std::optional<Sight>>;
    bool is_wanted(Places::const_iterator from, const Sight& sight) const;

    Places places_;
};

}  // namespace millrace::broker
