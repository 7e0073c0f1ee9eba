#include <algorithm>
#include <numeric>

#include "core/groups/assignor.h"

namespace millrace::groups {
namespace {

// Rounds over the topics; a round about halves what imbalance is left.
constexpr int max_rounds = 16;
constexpr int nobody = -1;

struct TopicState {
    AssignableTopic topic;
    std::vector<int> subscribers;  // ascending
    std::vector<int> owners;       // by partition
};

// As Java compares them: signed.
bool id_before(const Uuid& a, const Uuid& b) {
    auto as_signed = [](const Uuid& id) {
        return std::pair(static_cast<std::int64_t>(id.high), static_cast<std::int64_t>(id.low));
    };
    return as_signed(a) < as_signed(b);
}

// Members with fewest partitions on one side, with most on the other. Both ranges grow towards
// each other, level by level, as partitions are given to the one and taken from the other.
class Balancer {
  public:
    explicit Balancer(const std::vector<int>& loads) : loads_(loads) {}

    // Returns how far apart the members are.
    int begin(const std::vector<int>& members) {
        sorted_ = members;
        std::ranges::sort(sorted_, {}, [&](int member) { return std::pair(load(member), member); });
        int size = static_cast<int>(sorted_.size());
        least_end_ = next_least_ = 0;
        least_level_ = load(sorted_.front()) - 1;
        most_start_ = most_end_ = size;
        most_level_ = load(sorted_.back()) + 1;
        next_most_ = size - 1;
        return load(sorted_.back()) - load(sorted_.front());
    }

    int next_least() {
        if (next_least_ >= least_end_) {
            ++least_level_;
            while (least_end_ < size() && load(at(least_end_)) == least_level_) ++least_end_;
            next_least_ = 0;
        }
        return at(next_least_++);
    }

    // `nobody` when none has anything left to give.
    int next_most() {
        if (next_most_ < most_start_) {
            if (most_end_ <= most_start_ && most_start_ > 0) {
                most_level_ = load(at(most_start_ - 1));  // all of the range were excluded
            } else {
                --most_level_;
            }
            while (most_start_ > 0 && load(at(most_start_ - 1)) == most_level_) --most_start_;
            next_most_ = most_end_ - 1;
        }
        if (next_most_ < 0) return nobody;
        return at(next_most_--);
    }

    // The member that next_most() gave has nothing to give.
    void exclude() {
        std::swap(at(next_most_ + 1), at(most_end_ - 1));
        --most_end_;
    }

    bool is_balanced() const { return most_level_ - least_level_ <= 1; }

  private:
    int load(int member) const { return loads_[static_cast<std::size_t>(member)]; }
    int& at(int index) { return sorted_[static_cast<std::size_t>(index)]; }
    int size() const { return static_cast<int>(sorted_.size()); }

    const std::vector<int>& loads_;
    std::vector<int> sorted_;
    int least_end_ = 0;
    int least_level_ = 0;
    int next_least_ = 0;
    int most_start_ = 0;
    int most_end_ = 0;
    int most_level_ = 0;
    int next_most_ = 0;
};

class Heterogeneous {
  public:
    explicit Heterogeneous(const std::vector<const AssignorMember*>& members)
        : members_(members), loads_(members.size(), 0), balancer_(loads_) {
        for (std::size_t i = 0; i < members.size(); ++i) {
            for (const AssignableTopic& topic : members[i]->topics) {
                TopicState& state = topics_[topic.id];
                state.topic = topic;
                state.subscribers.push_back(static_cast<int>(i));
            }
        }
        for (auto& [id, state] : topics_) {
            state.owners.assign(static_cast<std::size_t>(state.topic.partitions), nobody);
            sorted_.push_back(&state);
        }
        std::ranges::sort(sorted_, comes_before);
    }

    Assignments assign() {
        for (std::size_t i = 0; i < members_.size(); ++i) keep(static_cast<int>(i));
        for (TopicState* topic : sorted_) give_out(*topic);
        balance();
        return assignments();
    }

  private:
    // Topics with most partitions a subscriber first, then those with fewer subscribers.
    static bool comes_before(const TopicState* a, const TopicState* b) {
        auto share = [](const TopicState* state) {
            return static_cast<double>(state->topic.partitions) /
                   static_cast<double>(state->subscribers.size());
        };
        if (share(a) != share(b)) return share(a) > share(b);
        if (a->subscribers.size() != b->subscribers.size())
            return a->subscribers.size() < b->subscribers.size();
        return id_before(a->topic.id, b->topic.id);
    }

    int& load(int member) { return loads_[static_cast<std::size_t>(member)]; }

    void own(TopicState& topic, std::size_t partition, int member) {
        int& owner = topic.owners[partition];
        if (owner != nobody) --load(owner);
        owner = member;
        ++load(member);
    }

    void keep(int member) {
        const AssignorMember& told = *members_[static_cast<std::size_t>(member)];
        for (const auto& [id, partitions] : *told.current) {
            auto topic = topics_.find(id);
            if (topic == topics_.end() ||
                !std::ranges::binary_search(topic->second.subscribers, member)) {
                continue;
            }
            for (std::int32_t partition : partitions) {
                auto index = static_cast<std::size_t>(partition);
                if (index < topic->second.owners.size()) own(topic->second, index, member);
            }
        }
    }

    void give_out(TopicState& topic) {
        if (std::ranges::find(topic.owners, nobody) == topic.owners.end()) return;
        balancer_.begin(topic.subscribers);
        for (std::size_t i = 0; i < topic.owners.size(); ++i) {
            if (topic.owners[i] == nobody) own(topic, i, balancer_.next_least());
        }
    }

    void balance() {
        std::vector<TopicState*> shared;
        std::ranges::copy_if(sorted_, std::back_inserter(shared), [](const TopicState* topic) {
            return topic->subscribers.size() >= 2;
        });
        std::optional<std::size_t> last_moved;
        for (int round = 0; round < max_rounds; ++round) {
            for (std::size_t i = 0; i < shared.size(); ++i) {
                if (last_moved == i) return;  // a whole round since then moved nothing
                if (balance(*shared[i]) || !last_moved) last_moved = i;
            }
        }
    }

    // True when something was moved.
    bool balance(TopicState& topic) {
        if (balancer_.begin(topic.subscribers) <= 1) return false;
        std::map<int, std::vector<std::size_t>> owned;  // ascending
        for (std::size_t i = 0; i < topic.owners.size(); ++i) owned[topic.owners[i]].push_back(i);
        bool moved = false;
        while (!balancer_.is_balanced()) {
            int from = balancer_.next_most();
            while (from != nobody && owned[from].empty()) {
                balancer_.exclude();
                from = balancer_.next_most();
            }
            if (from == nobody) break;
            std::size_t partition = owned[from].back();
            owned[from].pop_back();
            int to = balancer_.next_least();
            if (balancer_.is_balanced()) break;
            own(topic, partition, to);
            moved = true;
        }
        return moved;
    }

    Assignments assignments() const {
        Assignments assignments;
        for (const AssignorMember* member : members_) assignments[member->id];
        for (const auto& [id, state] : topics_) {
            for (std::size_t i = 0; i < state.owners.size(); ++i) {
                const AssignorMember& owner = *members_[static_cast<std::size_t>(state.owners[i])];
                assignments[owner.id][id].push_back(static_cast<std::int32_t>(i));
            }
        }
        return assignments;
    }

    const std::vector<const AssignorMember*>& members_;
    std::vector<int> loads_;  // partitions of each member
    Balancer balancer_;
    std::map<Uuid, TopicState> topics_;
    std::vector<TopicState*> sorted_;
};

}  // namespace

Assignments assign_uniform_heterogeneous(const std::vector<const AssignorMember*>& members) {
    return Heterogeneous(members).assign();
}

}  // namespace millrace::groups
