#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "base/task.h"
#include "base/time.h"
#include "client/group_offsets.h"

namespace millrace::client {

// A consumer's place in its group, of either protocol, as far as both are alike.
class Membership {
  public:
    virtual ~Membership() = default;

    // The user is in poll(): a member whose user stays away for max.poll.interval.ms leaves.
    virtual void enter_poll() = 0;
    virtual void leave_poll() = 0;
    // Whether the membership ended against the member's will since the last call.
    virtual bool take_lost() = 0;
    // Why it cannot be a member. A fenced static member never can again.
    virtual std::optional<Error> take_error() = 0;
    // For commits: of the present membership; generation -1 while there is none.
    virtual const Committer& committer() const = 0;
    // What it has been given is its own: offsets may be committed without being asked to.
    virtual bool is_settled() const = 0;
    // Ends the membership; a static member's place is kept.
    virtual Task<void> leave(std::string reason, Time deadline) = 0;
    virtual Task<void> close() = 0;
};

// Ends with the call of poll() that made it, however that ends.
class InPoll {
  public:
    explicit InPoll(Membership* member) : member_(member) {
        if (member_ != nullptr) member_->enter_poll();
    }
    InPoll(const InPoll&) = delete;
    ~InPoll() {
        if (member_ != nullptr) member_->leave_poll();
    }

  private:
    Membership* member_;
};

}  // namespace millrace::client
