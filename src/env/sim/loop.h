#pragma once

#include <deque>
#include <functional>
#include <memory>

#include "base/random.h"
#include "env/network.h"
#include "env/shard.h"

namespace millrace::env::sim {

class Node;

// One shard of a simulated node. The world gives it turns; a turn receives what has arrived, fires
// timers, and resumes some of the ready coroutines.
class Loop final : public Shard {
  public:
    Loop(Node& node, int id, Random random);
    ~Loop() override;

    int id() const override { return id_; }
    Time now() const override;
    Timestamp wall_ms() const override;
    Random& random() override { return random_; }
    env::Disk& disk() override;
    env::Network& network() override { return *network_; }
    Shards& shards() override;
    void run_blocking(std::function<void()> work, Effort effort, Wait& wait) override;
    void at_turn_end(TurnHook& hook) override { hooks_.add(hook); }
    void post(std::coroutine_handle<> coroutine) override { ready_.push_back(coroutine); }

    void receive_later(Message& message) { inbox_.push_back(&message); }
    // `schedule` decides how many coroutines a turn resumes, and which when `shuffled`.
    bool runnable() const;
    void turn(Random& schedule, bool shuffled);

    Node& node() { return node_; }
    Scope& guests() { return guests_; }
    Scope& root() { return root_; }

  private:
    void resume_some(Random& schedule, bool shuffled);

    Node& node_;
    const int id_;
    Random random_;
    std::deque<std::coroutine_handle<>> ready_;
    std::deque<Message*> inbox_;
    TurnHooks hooks_;
    std::unique_ptr<env::Network> network_;
    Scope root_;
    Scope guests_;
};

}  // namespace millrace::env::sim
