#include "client/coordinated_member.h"

#include <utility>

#include "base/check.h"

namespace millrace::client {

void CoordinatedMember::join(GroupSubscription subscription) {
    CHECK(!alive_);
    alive_ = true;
    ++life_;
    epoch_ = joining_epoch;
    interval_ = Duration();
    subscription_ = std::move(subscription);
    told_.reset();
    wish_ = {};
    followed_ = 0;
    owned_.clear();
    owned_untold_ = false;
}

void CoordinatedMember::end() {
    alive_ = false;
    epoch_ = -1;
    owned_.clear();
}

bool CoordinatedMember::beats_at_once() const {
    return alive_ &&
           (epoch_ == joining_epoch || owned_untold_ || !told_ || *told_ != subscription_);
}

Heartbeat CoordinatedMember::next() {
    CHECK(alive_);
    Heartbeat beat;
    beat.epoch = epoch_;
    beat.whole = epoch_ == joining_epoch || !told_;
    if (beat.whole || told_->topics != subscription_.topics) beat.topics = subscription_.topics;
    bool tells_pattern =
        beat.whole ? !subscription_.pattern.empty() : told_->pattern != subscription_.pattern;
    if (tells_pattern) beat.pattern = subscription_.pattern;
    if (beat.whole || owned_untold_) beat.owned = owned_;
    told_ = subscription_;
    owned_untold_ = false;
    return beat;
}

void CoordinatedMember::answered(const HeartbeatAnswer& answer) {
    CHECK(alive_);
    epoch_ = answer.epoch;
    interval_ = answer.interval;
    if (!answer.assignment) return;
    // What came first is a wish even where it is empty.
    if (wish_.number > 0 && wish_.partitions == *answer.assignment) return;
    wish_ = {wish_.number + 1, *answer.assignment};
}

void CoordinatedMember::follow(std::uint64_t number, TopicIdPartitions owned) {
    if (!alive_) return;
    followed_ = number;
    follow_in_part(std::move(owned));
}

void CoordinatedMember::follow_in_part(TopicIdPartitions owned) {
    if (!alive_) return;
    owned_ = std::move(owned);
    owned_untold_ = acknowledges_;
}

}  // namespace millrace::client
