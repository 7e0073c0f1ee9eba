#include "cli/spread.h"

#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <set>

namespace millrace::cli {

namespace {

// Brokers rack by rack in turn: as many racks as there are lie side by side.
std::vector<SpreadBroker> alternated(std::vector<SpreadBroker> brokers) {
    std::ranges::sort(brokers, {}, &SpreadBroker::id);
    std::map<std::string, std::vector<SpreadBroker>> racks;
    for (SpreadBroker& each : brokers) racks[each.rack.value_or("")].push_back(std::move(each));
    std::vector<SpreadBroker> arranged;
    for (std::size_t round = 0; arranged.size() < brokers.size(); ++round) {
        for (const auto& [name, members] : racks) {
            if (round < members.size()) arranged.push_back(members[round]);
        }
    }
    return arranged;
}

std::size_t racks_of(const std::vector<SpreadBroker>& brokers) {
    std::set<std::string> racks;
    for (const SpreadBroker& each : brokers) {
        if (each.rack) racks.insert(*each.rack);
    }
    return racks.size();
}

// Chooses the replicas of one partition.
class Choice {
  public:
    Choice(const std::vector<SpreadBroker>& brokers, std::size_t racks)
        : brokers_(brokers), racks_(racks) {}

    // The next one from `at` on of whom the partition has none, in a rack of which it has none
    // while there is one.
    void take_next(std::size_t first, std::size_t shift) {
        for (;; ++tried_) {
            std::size_t step = 1 + (shift + tried_) % (brokers_.size() - 1);
            const SpreadBroker& one = brokers_[(first + step) % brokers_.size()];
            if (!suits(one)) continue;
            ++tried_;
            return take(one);
        }
    }
    void take(const SpreadBroker& one) {
        chosen_.push_back(one.id);
        taken_.insert(one.rack.value_or(""));
    }
    std::vector<std::int32_t> chosen() && { return std::move(chosen_); }

  private:
    bool suits(const SpreadBroker& one) const {
        if (std::ranges::find(chosen_, one.id) != chosen_.end()) return false;
        return racks_ == 0 || taken_.size() == racks_ || !taken_.contains(one.rack.value_or(""));
    }

    const std::vector<SpreadBroker>& brokers_;
    std::size_t racks_;
    std::size_t tried_ = 0;
    std::vector<std::int32_t> chosen_;
    std::set<std::string> taken_;
};

}  // namespace

Result<std::vector<std::vector<std::int32_t>>> spread(std::vector<SpreadBroker> brokers,
                                                      std::size_t partitions, std::size_t replicas,
                                                      Random& random) {
    if (replicas > brokers.size()) {
        return fail(ErrorCode::invalid_replication_factor,
                    fmt::format("Replication factor: {} larger than available brokers: {}.",
                                replicas, brokers.size()));
    }
    std::size_t racks = racks_of(brokers);
    if (racks > 0) brokers = alternated(std::move(brokers));
    std::size_t start = random.below(brokers.size());
    std::size_t shift = random.below(brokers.size());
    std::vector<std::vector<std::int32_t>> assigned;
    for (std::size_t i = 0; i < partitions; ++i) {
        // With every round over the brokers a leader has its followers further on.
        if (i > 0 && i % brokers.size() == 0) ++shift;
        std::size_t first = (i + start) % brokers.size();
        Choice choice(brokers, racks);
        choice.take(brokers[first]);
        for (std::size_t j = 1; j < replicas; ++j)
            choice.take_next(first, shift * std::max<std::size_t>(racks, 1));
        assigned.push_back(std::move(choice).chosen());
    }
    return assigned;
}

}  // namespace millrace::cli
