#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/time.h"
#include "base/uuid.h"

namespace millrace::client {

// Partitions as coordinators name them: indexes by topic id.
using TopicIdPartitions = std::map<Uuid, std::set<std::int32_t>>;

// What a member wants to read; the pattern (RE2's syntax) is held against topics by the
// coordinator.
struct GroupSubscription {
    std::vector<std::string> topics;
    std::string pattern;

    bool operator==(const GroupSubscription&) const = default;
};

// Member epochs of heartbeats that are not one of a membership (KIP-848).
inline constexpr std::int32_t joining_epoch = 0;
inline constexpr std::int32_t leaving_epoch = -1;
inline constexpr std::int32_t staying_away_epoch = -2;  // a static member, whose place is kept

// What a member tells; fields without a value are as they were told before.
struct Heartbeat {
    std::int32_t epoch = joining_epoch;
    bool whole = false;  // with what never changes, too
    std::optional<std::vector<std::string>> topics;
    std::optional<std::string> pattern;  // empty: there is none any more
    std::optional<TopicIdPartitions> owned;
};

struct HeartbeatAnswer {
    std::int32_t epoch = 0;
    Duration interval;
    std::optional<TopicIdPartitions> assignment;
};

// A member of a group whose coordinator decides who reads what (KIP-848, KIP-932): what it tells
// in heartbeats, and what it is yet to do of what it was told. Pure.
//
// The coordinator's wish is followed by its owner, who gives up and takes partitions and then says
// so; where the protocol acknowledges, the next heartbeat tells it at once.
class CoordinatedMember {
  public:
    explicit CoordinatedMember(bool acknowledges) : acknowledges_(acknowledges) {}

    // Beats, from join() to end().
    bool is_alive() const { return alive_; }
    // -1: no member; 0: not one yet.
    std::int32_t epoch() const { return epoch_; }
    Duration interval() const { return interval_; }
    // Which of its lives this is: an answer to an earlier one says nothing of it.
    std::uint64_t life() const { return life_; }

    void join(GroupSubscription subscription);
    void subscribe(GroupSubscription subscription) { subscription_ = std::move(subscription); }
    void end();

    // Whether there is something to tell that does not wait for the interval to pass.
    bool beats_at_once() const;
    // What to tell now; taken as told, unless unanswered() comes.
    Heartbeat next();
    void answered(const HeartbeatAnswer& answer);
    void unanswered() { told_.reset(); }

    struct Wish {
        std::uint64_t number = 0;
        TopicIdPartitions partitions;
    };
    // What is not followed yet; nullptr: all is.
    const Wish* wish() const { return alive_ && wish_.number != followed_ ? &wish_ : nullptr; }
    // What the owner has now, because of a wish, which may be another one by now.
    void follow(std::uint64_t number, TopicIdPartitions owned);
    // As far as it can be followed at present.
    void follow_in_part(TopicIdPartitions owned);
    const TopicIdPartitions& owned() const { return owned_; }

  private:
    bool acknowledges_;
    bool alive_ = false;
    std::uint64_t life_ = 0;
    std::int32_t epoch_ = -1;
    Duration interval_;
    GroupSubscription subscription_;
    std::optional<GroupSubscription> told_;
    Wish wish_;
    std::uint64_t followed_ = 0;
    TopicIdPartitions owned_;
    bool owned_untold_ = false;
};

}  // namespace millrace::client
