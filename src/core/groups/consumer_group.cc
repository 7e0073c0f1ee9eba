#include "core/groups/consumer_group.h"

#include <algorithm>
#include <iterator>

namespace millrace::groups {
namespace {

// Of a copy of a table with one or two entries, as there are assignors.
constexpr std::size_t buckets_of_few = 4;

// Counts that are zero are not kept.
template <typename Counts>
void add(Counts& counts, const std::string& key, int by) {
    auto [found, made] = counts.try_emplace(key, 0);
    found->second += by;
    if (found->second <= 0) counts.erase(found);
}

void add(SubscribedTopics& topics, const std::string& topic, int by_name, int by_regex) {
    SubscriptionCount& count = topics[topic];
    count.by_name += by_name;
    count.by_regex += by_regex;
    if (count.by_name <= 0 && count.by_regex <= 0) topics.erase(topic);
}

void add_topics(SubscribedTopics& topics, const ConsumerMember* member, int by) {
    if (member == nullptr) return;
    for (const std::string& topic : member->topics) add(topics, topic, by, 0);
}

const std::string* regex_of(const ConsumerMember* member) {
    return member != nullptr && member->has_regex() ? &*member->regex : nullptr;
}

}  // namespace

std::string_view to_string(ConsumerGroupState state) {
    constexpr std::string_view names[] = {"Empty", "Assigning", "Reconciling", "Stable", "Dead"};
    return names[static_cast<int>(state)];
}

SubscriptionType subscription_type(const SubscribedRegexes& regexes, const SubscribedTopics& topics,
                                   std::size_t members) {
    auto all = [&](auto holds) {
        return std::ranges::all_of(topics, [&](const auto& entry) { return holds(entry.second); })
                   ? SubscriptionType::homogeneous
                   : SubscriptionType::heterogeneous;
    };
    int everyone = static_cast<int>(members);
    if (regexes.empty()) {
        return all([&](const SubscriptionCount& count) { return count.by_name == everyone; });
    }
    if (regexes.begin()->second != everyone) return SubscriptionType::heterogeneous;
    return all(
        [](const SubscriptionCount& count) { return count.by_regex == 1 && count.by_name <= 0; });
}

// What the log says ----------------------------------------------------------------------------

void ConsumerGroup::apply(ConsumerChange change) {
    std::visit([this](auto& each) { on(each); }, change);
}

ConsumerMember ConsumerGroup::known_or_new(const std::string& member_id) const {
    const ConsumerMember* known = find(member_id);
    return known != nullptr ? *known : ConsumerMember{.id = member_id};
}

void ConsumerGroup::on(MemberSubscription& change) {
    ConsumerMember next = std::move(change.member);
    if (const ConsumerMember* known = find(next.id)) {
        next.epoch = known->epoch;
        next.previous_epoch = known->previous_epoch;
        next.state = known->state;
        next.assigned = known->assigned;
        next.pending_revocation = known->pending_revocation;
    }
    update(std::move(next));
}

void ConsumerGroup::on(MemberCurrent& change) {
    ConsumerMember next = known_or_new(change.member.id);
    next.epoch = change.member.epoch;
    next.previous_epoch = change.member.previous_epoch;
    next.state = change.member.state;
    next.assigned = std::move(change.member.assigned);
    next.pending_revocation = std::move(change.member.pending_revocation);
    update(std::move(next));
}

void ConsumerGroup::on(MemberCurrentGone& change) {
    const ConsumerMember* known = find(change.member_id);
    if (known == nullptr) return;
    ConsumerMember next = *known;
    next.epoch = leave_epoch;
    next.previous_epoch = leave_epoch;
    next.assigned.clear();
    next.pending_revocation.clear();
    update(std::move(next));
}

void ConsumerGroup::on(MemberTarget& change) {
    targets_[change.member_id] = std::move(change.partitions);
}

void ConsumerGroup::on(RegexEntry& change) {
    RegexGone before{change.regex};
    on(before);
    count_regex_topics(change.resolved.topics, 1);
    resolved_[change.regex] = std::move(change.resolved);
}

void ConsumerGroup::on(RegexGone& change) {
    auto found = resolved_.find(change.regex);
    if (found == resolved_.end()) return;
    count_regex_topics(found->second.topics, -1);
    resolved_.erase(found);
}

void ConsumerGroup::count_regex_topics(const std::set<std::string>& topics, int by) {
    for (const std::string& topic : topics) add(topics_, topic, 0, by);
}

void ConsumerGroup::update(ConsumerMember member) {
    auto found = members_.find(member.id);
    if (found != members_.end()) {
        count(found->second, -1);
        release(found->second.assigned, found->second.epoch);
        release(found->second.pending_revocation, found->second.epoch);
    }
    count(member, 1);
    hold(member.assigned, member.epoch);
    hold(member.pending_revocation, member.epoch);
    if (member.instance_id) static_members_[*member.instance_id] = member.id;
    seats_.put(member.id);
    members_.insert_or_assign(member.id, std::move(member));
}

void ConsumerGroup::remove(const std::string& member_id) {
    auto found = members_.find(member_id);
    if (found == members_.end()) return;
    const ConsumerMember& member = found->second;
    count(member, -1);
    release(member.assigned, member.epoch);
    release(member.pending_revocation, member.epoch);
    if (member.instance_id) {
        auto held = static_members_.find(*member.instance_id);
        if (held != static_members_.end() && held->second == member_id) static_members_.erase(held);
    }
    seats_.remove(member_id);
    members_.erase(found);
}

void ConsumerGroup::count(const ConsumerMember& member, int by) {
    add_topics(topics_, &member, by);
    if (member.has_regex()) add(regexes_, *member.regex, by);
    if (member.assignor) {
        add(assignors_, *member.assignor, by);
        assignors_.contains(*member.assignor) ? assignor_order_.put(*member.assignor)
                                              : assignor_order_.remove(*member.assignor);
    }
    if (member.state == MemberState::stable) {
        auto [at, made] = stable_at_.try_emplace(member.epoch, 0);
        if (by > 0) {
            ++at->second;
        } else if (--at->second == 0) {
            stable_at_.erase(at);
        }
    }
    if (!member.classic) return;
    classic_members_ += static_cast<std::size_t>(by);
    for (const Protocol& protocol : member.classic->protocols) {
        add(classic_protocols_, protocol.name, by);
    }
}

// A log that was cut or compacted may show two owners for a moment: the later epoch stands.
void ConsumerGroup::hold(const EpochAssignment& assignment, std::int32_t epoch) {
    for (const auto& [topic, partitions] : assignment) {
        auto& epochs = partition_epochs_[topic];
        for (const auto& [partition, since] : partitions) {
            auto [at, made] = epochs.try_emplace(partition, epoch);
            if (!made) at->second = std::max(at->second, epoch);
        }
    }
}

void ConsumerGroup::release(const EpochAssignment& assignment, std::int32_t epoch) {
    for (const auto& [topic, partitions] : assignment) {
        auto epochs = partition_epochs_.find(topic);
        if (epochs == partition_epochs_.end()) continue;
        for (const auto& [partition, since] : partitions) {
            auto held = epochs->second.find(partition);
            if (held != epochs->second.end() && held->second == epoch) epochs->second.erase(held);
        }
        if (epochs->second.empty()) partition_epochs_.erase(epochs);
    }
}

// What follows ---------------------------------------------------------------------------------

ConsumerGroupState ConsumerGroup::state() const {
    if (members_.empty()) return ConsumerGroupState::empty;
    if (epoch_.epoch > target_epoch_.epoch) return ConsumerGroupState::assigning;
    auto at = stable_at_.find(target_epoch_.epoch);
    bool all = at != stable_at_.end() && at->second == members_.size();
    return all ? ConsumerGroupState::stable : ConsumerGroupState::reconciling;
}

const ConsumerMember* ConsumerGroup::find(const std::string& member_id) const {
    auto found = members_.find(member_id);
    return found == members_.end() ? nullptr : &found->second;
}

const ConsumerMember* ConsumerGroup::find_static(
    const std::optional<std::string>& instance_id) const {
    if (!instance_id) return nullptr;
    auto held = static_members_.find(*instance_id);
    return held == static_members_.end() ? nullptr : find(held->second);
}

const Assignment& ConsumerGroup::target_of(const std::string& member_id) const {
    static const Assignment none;
    auto found = targets_.find(member_id);
    return found == targets_.end() ? none : found->second;
}

const Assignment& ConsumerGroup::target_of(const ConsumerMember& member) const {
    if (!member.instance_id) return target_of(member.id);
    const ConsumerMember* holder = find_static(member.instance_id);
    return target_of(holder == nullptr ? std::string() : holder->id);
}

std::int32_t ConsumerGroup::partition_epoch(const Uuid& topic, std::int32_t partition) const {
    auto epochs = partition_epochs_.find(topic);
    if (epochs == partition_epochs_.end()) return -1;
    auto held = epochs->second.find(partition);
    return held == epochs->second.end() ? -1 : held->second;
}

bool ConsumerGroup::waits_for_partitions(const ConsumerMember& member) const {
    if (member.state != MemberState::unreleased_partitions) return false;
    for (const auto& [topic, partitions] : target_of(member.id)) {
        for (std::int32_t partition : partitions) {
            if (!contains(member.assigned, topic, partition) &&
                partition_epoch(topic, partition) != -1) {
                return true;
            }
        }
    }
    return false;
}

int ConsumerGroup::subscribers_of(const std::string& regex) const {
    auto found = regexes_.find(regex);
    return found == regexes_.end() ? 0 : found->second;
}

SubscriptionType ConsumerGroup::subscription_type() const {
    return groups::subscription_type(regexes_, topics_, members_.size());
}

SubscribedTopics ConsumerGroup::topics_with(const ConsumerMember* before,
                                            const ConsumerMember* after) const {
    SubscribedTopics topics = topics_;
    add_topics(topics, before, -1);
    add_topics(topics, after, 1);
    const std::string* left = regex_of(before);
    const std::string* now = regex_of(after);
    if (left != nullptr && (now == nullptr || *now != *left) && subscribers_of(*left) == 1) {
        auto resolved = resolved_.find(*left);
        if (resolved == resolved_.end()) return topics;
        for (const std::string& topic : resolved->second.topics) add(topics, topic, 0, -1);
    }
    return topics;
}

SubscribedRegexes ConsumerGroup::regexes_with(const ConsumerMember* before,
                                              const ConsumerMember* after) const {
    SubscribedRegexes regexes = regexes_;
    if (const std::string* left = regex_of(before)) add(regexes, *left, -1);
    if (const std::string* now = regex_of(after)) add(regexes, *now, 1);
    return regexes;
}

SubscribedTopics ConsumerGroup::topics_without(
    const std::vector<const ConsumerMember*>& leaving) const {
    SubscribedTopics topics = topics_;
    for (const ConsumerMember* member : leaving) add_topics(topics, member, -1);
    for (const std::string& regex : regexes_only_of(leaving)) {
        auto resolved = resolved_.find(regex);
        if (resolved == resolved_.end()) continue;
        for (const std::string& topic : resolved->second.topics) add(topics, topic, 0, -1);
    }
    return topics;
}

std::vector<std::string> ConsumerGroup::regexes_only_of(
    const std::vector<const ConsumerMember*>& leaving) const {
    SubscribedRegexes counts;
    for (const ConsumerMember* member : leaving) {
        if (const std::string* regex = regex_of(member)) add(counts, *regex, 1);
    }
    std::vector<std::string> only;
    for (const auto& [regex, count] : counts) {
        if (subscribers_of(regex) == count) only.push_back(regex);
    }
    return only;
}

std::optional<std::string> ConsumerGroup::preferred_assignor(const ConsumerMember* before,
                                                             const ConsumerMember* after) const {
    std::map<std::string, int> counts = assignors_;
    std::vector<std::string> names = assignor_order_.keys();
    auto recount = [&](const ConsumerMember* member, int by) {
        if (member == nullptr || !member->assignor) return;
        add(counts, *member->assignor, by);
        if (!counts.contains(*member->assignor)) {
            std::erase(names, *member->assignor);
        } else if (std::ranges::find(names, *member->assignor) == names.end()) {
            names.insert(names.begin(), *member->assignor);  // where compute() puts it
        }
    };
    recount(before, -1);
    recount(after, 1);
    put_in_table_order(names, buckets_of_few, [](const std::string& name) { return name; });
    auto most = std::ranges::max_element(names, {}, [&](const auto& name) { return counts[name]; });
    if (most == names.end()) return std::nullopt;
    return *most;
}

bool ConsumerGroup::supports(std::string_view protocol_type,
                             const std::vector<std::string>& protocols) const {
    if (protocol_type != "consumer") return false;
    if (members_.empty()) return !protocols.empty();
    return std::ranges::any_of(protocols, [&](const std::string& name) {
        auto found = classic_protocols_.find(name);
        std::size_t known =
            found == classic_protocols_.end() ? 0 : static_cast<std::size_t>(found->second);
        return known == classic_members_;
    });
}

}  // namespace millrace::groups
