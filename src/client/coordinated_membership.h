#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/scope.h"
#include "client/cluster.h"
#include "client/coordinated_member.h"
#include "client/group_heartbeats.h"
#include "client/membership.h"
#include "client/signal.h"
#include "env/shard.h"

namespace millrace::client {

// One consumer's membership in a group whose coordinator decides (group.protocol=consumer, share
// groups): heartbeats in the background, as often as the coordinator says. Partitions are its
// owner's to move, when there is a wish:
//
//   join() ... wish() -> follow() ... wish() ..., or take_lost(): join() again
class CoordinatedMembership final : public Membership {
  public:
    // Raises `changed` when its owner should look. A member's id is made up here (KIP-1082).
    CoordinatedMembership(Cluster& cluster, Signal& changed, CoordinatedOptions options,
                          AskHeartbeat ask, bool acknowledges);

    bool is_alive() const { return member_.is_alive(); }
    void join(GroupSubscription subscription);
    void subscribe(GroupSubscription subscription);
    const CoordinatedMember::Wish* wish() const { return member_.wish(); }
    std::uint64_t life() const { return member_.life(); }
    const TopicIdPartitions& owned() const { return member_.owned(); }
    void follow(std::uint64_t number, TopicIdPartitions owned);
    void follow_in_part(TopicIdPartitions owned);

    void enter_poll() override { polling_ = true; }
    void leave_poll() override;
    bool take_lost() override { return std::exchange(lost_, false); }
    std::optional<Error> take_error() override;
    const Committer& committer() const override { return me_; }
    bool is_settled() const override { return me_.generation > 0; }
    Task<void> leave(std::string reason, Time deadline) override;
    Task<void> close() override;

  private:
    Task<void> beat();
    Task<Result<HeartbeatAnswer>> ask(Heartbeat beat);
    void take_answer(const Result<HeartbeatAnswer>& answer);
    void take_error_of(const Error& error);
    Task<void> stay_away();
    void end_membership();
    void moved();
    Heartbeat farewell() const;
    Time poll_deadline() const;

    Cluster& cluster_;
    env::Shard& shard_;
    Signal& changed_;
    CoordinatedOptions options_;
    AskHeartbeat ask_;
    CoordinatedMember member_;
    Committer me_;
    bool lost_ = false;
    bool polling_ = false;
    Time last_poll_;
    Time next_beat_;
    Time not_before_;  // after a failure
    int failures_ = 0;
    std::optional<Error> error_;
    bool fenced_ = false;
    Signal moved_;  // something may be due earlier than it was
    Scope beating_;
};

}  // namespace millrace::client
