#include "core/controller/placement.h"

#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <utility>

#include "core/controller/state.h"

namespace millrace::controller {
namespace {

void shuffle(auto& values, Random& random) {
    for (std::size_t i = values.size(); i > 1; --i)
        std::swap(values[i - 1], values[random.below(i)]);
}

// Brokers dealt out in a ring. With every round (a partition) it starts one broker further on, so
// that each of them comes first equally often.
class Ring {
  public:
    void add(std::int32_t broker) { brokers_.push_back(broker); }
    void begin(Random& random) {
        std::ranges::sort(brokers_);
        if (!brokers_.empty()) start_ = random.below(brokers_.size());
    }
    void mix(Random& random) { shuffle(brokers_, random); }
    // nullopt when all were dealt in this round.
    std::optional<std::int32_t> next(std::int64_t round) {
        if (brokers_.empty()) return std::nullopt;
        if (round_ != round) {
            round_ = round;
            dealt_ = 0;
            start_ = (start_ + 1) % brokers_.size();
        }
        if (dealt_ == brokers_.size()) return std::nullopt;
        return brokers_[(start_ + dealt_++) % brokers_.size()];
    }

  private:
    std::vector<std::int32_t> brokers_;
    std::size_t start_ = 0;
    std::size_t dealt_ = 0;
    std::int64_t round_ = 0;
};

struct Rack {
    Ring unfenced;
    Ring fenced;

    std::optional<std::int32_t> next(std::int64_t round) {
        if (auto broker = unfenced.next(round)) return broker;
        return fenced.next(round);
    }
};

// Deals the replicas of one partition after the other.
class Dealer {
  public:
    Dealer(const std::vector<UsableBroker>& brokers, Random& random) : random_(random) {
        std::map<std::optional<std::string>, Rack> racks;
        for (const UsableBroker& broker : brokers) {
            Rack& rack = racks[broker.rack];
            (broker.fenced ? rack.fenced : rack.unfenced).add(broker.id);
            unfenced_ += broker.fenced ? 0 : 1;
        }
        for (auto& [name, rack] : racks) racks_.push_back(std::move(rack));
        for (Rack& rack : racks_) {
            rack.fenced.begin(random_);
            rack.unfenced.begin(random_);
        }
        start_ = random_.below(racks_.size());
    }

    metadata::BrokerIds deal(std::int32_t replicas) {
        // Every order of the brokers was used once: go on with another.
        if (round_ == unfenced_ && unfenced_ > 1) {
            mix();
            round_ = 0;
        }
        if (start_ == racks_.size()) start_ = 0;

        metadata::BrokerIds dealt;
        std::size_t leaders_rack = start_;
        while (true) {
            if (auto broker = racks_[leaders_rack].unfenced.next(round_)) {
                dealt.push_back(*broker);
                break;
            }
            leaders_rack = (leaders_rack + 1) % racks_.size();
        }
        deal_followers(leaders_rack, replicas, dealt);
        ++round_;
        ++start_;
        return dealt;
    }

  private:
    // One rack after the other, but the leader's rack is passed over the first time.
    void deal_followers(std::size_t leaders_rack, std::int32_t replicas,
                        metadata::BrokerIds& dealt) {
        std::optional<std::size_t> pass_over = leaders_rack;
        std::size_t rack = start_;
        while (static_cast<std::int32_t>(dealt.size()) < replicas) {
            if (pass_over == rack) {
                pass_over.reset();
            } else if (auto broker = racks_[rack].next(round_)) {
                dealt.push_back(*broker);
            }
            rack = (rack + 1) % racks_.size();
        }
    }
    void mix() {
        shuffle(racks_, random_);
        for (Rack& rack : racks_) {
            rack.fenced.mix(random_);
            rack.unfenced.mix(random_);
        }
    }

    Random& random_;
    std::vector<Rack> racks_;
    std::int64_t unfenced_ = 0;
    std::int64_t round_ = 0;
    std::size_t start_ = 0;
};

auto refuse(std::string message) {
    return fail(ErrorCode::invalid_replication_factor, std::move(message));
}

}  // namespace

std::vector<UsableBroker> usable_brokers(const State& state) {
    std::vector<UsableBroker> usable;
    for (const auto& [id, broker] : state.image().brokers) {
        // One that has shut down comes back; one that is about to moves its replicas away.
        bool leaving = broker->in_controlled_shutdown && !broker->fenced;
        if (leaving || !broker->has_uncordoned_directory()) continue;
        usable.push_back({id, broker->rack, broker->fenced});
    }
    return usable;
}

Result<std::vector<metadata::BrokerIds>> place(const std::vector<UsableBroker>& brokers,
                                               std::int32_t partitions, std::int32_t replicas,
                                               Random& random) {
    if (replicas <= 0) {
        return refuse(fmt::format(
            "Invalid replication factor {}: the replication factor must be positive.", replicas));
    }
    if (std::ranges::all_of(brokers, &UsableBroker::fenced)) {
        return refuse(
            "All brokers are currently fenced, or have all their log directories cordoned.");
    }
    if (static_cast<std::size_t>(replicas) > brokers.size()) {
        return refuse(fmt::format(
            "The target replication factor of {} cannot be reached because only {} broker(s) are "
            "registered or some brokers have all their log directories cordoned.",
            replicas, brokers.size()));
    }
    Dealer dealer(brokers, random);
    std::vector<metadata::BrokerIds> placed;
    placed.reserve(static_cast<std::size_t>(std::max(partitions, 0)));
    for (std::int32_t i = 0; i < partitions; ++i) placed.push_back(dealer.deal(replicas));
    return placed;
}

}  // namespace millrace::controller
