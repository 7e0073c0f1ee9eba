#pragma once

#include <cstdint>
#include <map>
#include <optional>

#include "base/time.h"

namespace millrace::metadata {
struct Image;
}

namespace millrace::controller {

// What the active controller alone remembers of the brokers: when they were last heard of and how
// far they have read the metadata. Begins anew with each term of office.
class Sessions {
  public:
    explicit Sessions(Duration timeout) : timeout_(timeout) {}

    // Gained leadership: brokers that are not fenced get a whole session to be heard of.
    void begin(const metadata::Image& image, Time now);

    // A heartbeat of a registered incarnation.
    void touch(std::int32_t broker, std::int64_t epoch, std::int64_t metadata_offset, Time now);
    // An incarnation that is gone.
    void forget(std::int32_t broker) { brokers_.erase(broker); }
    // Leaderships were moved away from the broker by records up to `offset`.
    void start_shutdown(std::int32_t broker, std::int64_t offset);
    void end_shutdown(std::int32_t broker);

    // Ends the session of a broker that seems to be gone since then. False, and nothing changes,
    // when it was heard of later, or when it seemed to be gone before in this life and was not.
    bool give_up(std::int32_t broker, std::int64_t epoch, Time since);

    bool is_valid(std::int32_t broker, std::int64_t epoch, Time now) const;
    std::optional<std::int64_t> shutdown_offset(std::int32_t broker) const;
    // Or when the term began; nothing for one that has no session.
    std::optional<Time> last_heard(std::int32_t broker) const;
    // How far the slowest broker that is not fenced nor shutting down has read; the largest
    // number when there is none.
    std::int64_t lowest_offset(const metadata::Image& image) const;
    // A broker that is not fenced and was not heard of for a session.
    std::optional<std::int32_t> expired(const metadata::Image& image, Time now) const;
    // When expired() may name a broker next; never() without sessions.
    Time next_expiry(const metadata::Image& image) const;

  private:
    struct Session {
        std::int64_t epoch = -1;
        Time last_heard;     // or when the term began
        bool heard = false;  // in this term
        bool gone = false;   // given up, and not heard of since
        bool lived = false;  // was heard of after it was given up
        std::int64_t metadata_offset = -1;
        std::int64_t shutdown_offset = -1;
    };
    Duration timeout_;
    std::map<std::int32_t, Session> brokers_;
};

}  // namespace millrace::controller
